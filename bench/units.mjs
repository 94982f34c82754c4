// Objects of any number of compiled files with debug information. Needs gcc and binutils.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const FLAGS = ["-g", "-O1", "-w", "-fno-PIE", "-mcmodel=kernel", "-ffreestanding"];

/** A file with some types, functions and variables, all of them its own. @param more in one function */
function source(more) {
  let text = "extern int outer(int);\n";
  for (let i = 0; i < 12; i++) {
    text += `struct part_${i} { int a, b; struct part_${Math.max(0, i - 1)} *before; long c[${i + 1}]; };\n`;
    text += `static __attribute__((used, noinline)) int work_${i}(struct part_${i} *p, int x)\n{\n`;
    text += `\tfor (int k = 0; k < x; k++)\n\t\tp->c[k % ${i + 1}] += outer(k);\n${i === 5 ? more : ""}\treturn p->a;\n}\n`;
  }
  return text;
}

/** A relocation whose place is not zero, which the kernel's loader refuses: a diagnostic with its source line. */
const REFUSED = '\tasm volatile(".byte 0xe8; 1: .long 1; .reloc 1b, R_X86_64_PLT32, outer - 4");\n';

/** Writes a linked object of `units` compiled files, one of which has what a kernel refuses. */
export function objectOfUnits(folder, units, path) {
  const compile = (name, more) => {
    writeFileSync(join(folder, `${name}.c`), source(more));
    execFileSync("gcc", [...FLAGS, "-c", `${name}.c`, "-o", `${name}.o`], { cwd: folder });
    return `${name}.o`;
  };
  const plain = compile("unit", "");
  const refused = compile("refused", REFUSED);
  writeFileSync(join(folder, "units"), [...Array.from({ length: units - 1 }, () => plain), refused].join("\n"));
  execFileSync("ld", ["-r", "@units", "-o", path], { cwd: folder });
}
