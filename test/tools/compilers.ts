// Compilers as kernel builds call them, and what binutils say of their objects.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "./kernelLikeC.ts";

const COMMON = [
  "-O2",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-PIE",
  "-fno-asynchronous-unwind-tables",
  "-ffreestanding",
  "-fno-common",
];

export interface Compiler {
  readonly name: string;
  readonly machine: Machine;
  readonly command: string;
  readonly args: readonly string[];
  /** Functions have no site that a kernel can use: such compilers make no kernels with livepatch. */
  readonly hasNoSites?: true;
}

const X86 = ["-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-mno-mmx", "-fcf-protection=branch", "-fno-jump-tables"];
/** One of each architecture and compiler, and the forms of function entries that kernels use. */
export const compilers: readonly Compiler[] = [
  { name: "gcc x86_64 mfentry, padding", machine: "x86_64", command: "gcc", args: [...X86, "-pg", "-mfentry", "-mrecord-mcount", "-fpatchable-function-entry=16,16"] },
  { name: "gcc x86_64 jump tables", machine: "x86_64", command: "gcc", args: ["-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-mno-mmx", "-pg", "-mfentry"] },
  { name: "clang x86_64", machine: "x86_64", command: "clang-14", args: ["--target=x86_64-linux-gnu", ...X86, "-pg", "-mfentry"] },
  { name: "gcc arm64 4,2", machine: "arm64", command: "aarch64-linux-gnu-gcc", args: ["-mgeneral-regs-only", "-fpatchable-function-entry=4,2"] },
  { name: "clang arm64", machine: "arm64", command: "clang-14", args: ["--target=aarch64-linux-gnu", "-mgeneral-regs-only", "-fpatchable-function-entry=2"] },
  { name: "gcc ppc64le mprofile", machine: "ppc64le", command: "powerpc64le-linux-gnu-gcc", args: ["-mcmodel=large", "-msoft-float", "-mno-altivec", "-mno-vsx", "-pg", "-mprofile-kernel"] },
  { name: "gcc ppc64le patchable", machine: "ppc64le", command: "powerpc64le-linux-gnu-gcc", hasNoSites: true, args: ["-mcmodel=large", "-msoft-float", "-mno-altivec", "-mno-vsx", "-fpatchable-function-entry=2"] },
  { name: "clang ppc64le", machine: "ppc64le", command: "clang-14", hasNoSites: true, args: ["--target=powerpc64le-linux-gnu", "-mcmodel=large", "-msoft-float", "-mno-altivec", "-mno-vsx"] },
]; // biome-ignore format: one row a compiler

export const workFolder = (): string => mkdtempSync(join(tmpdir(), "klplink-diff-"));

/** The object of a source text, in a folder; the file is always called the same, so that __FILE__ is. Null: it does not compile. */
export function compile(
  compiler: Compiler,
  folder: string,
  source: string,
  more: readonly string[] = [],
): Uint8Array | null {
  writeFileSync(join(folder, "file.c"), source);
  const args = [...COMMON, ...compiler.args, ...more, "-w", "-c", "file.c", "-o", "file.o"];
  const { status, stderr } = spawnSync(compiler.command, args, { cwd: folder, encoding: "utf8" });
  if (status !== 0 && process.env.KLPLINK_SHOW !== undefined) console.log(compiler.name, stderr);
  return status === 0 ? new Uint8Array(readFileSync(join(folder, "file.o"))) : null;
}

const OBJDUMP: Record<Machine, string> = {
  x86_64: "x86_64-linux-gnu-objdump",
  arm64: "aarch64-linux-gnu-objdump",
  ppc64le: "powerpc64le-linux-gnu-objdump",
};

/**
 * The disassembly of each function by objdump, with the symbols of its relocations; without addresses, and without the offsets of
 * what compilers number or merge.
 */
export function disassembly(machine: Machine, folder: string, bytes: Uint8Array): Map<string, string> {
  const path = join(folder, "dump.o");
  writeFileSync(path, bytes);
  const text = execFileSync(OBJDUMP[machine], ["-dr", "-z", "--no-show-raw-insn", path], { encoding: "utf8" });
  const found = new Map<string, string>();
  let name = "";
  let start = 0;
  for (const line of text.split("\n")) {
    const head = /^([0-9a-f]+) <(.+)>:$/.exec(line);
    if (head !== null) {
      name = head[2] ?? "";
      start = Number.parseInt(head[1] ?? "0", 16);
      continue;
    }
    const code = /^\s*([0-9a-f]+):\s+(.*)$/.exec(line);
    if (name === "" || code === null) continue;
    const at = Number.parseInt(code[1] ?? "0", 16) - start;
    // Of merged and numbered things the name is enough here: which of them it is, other checks tell.
    const what = (code[2] ?? "")
      .replace(/(R_\w+\s+)\.?(?:rodata|toc|LC|L\.str|L)[\w.$]*(?:[-+]0x[0-9a-f]+)?/, "$1merged")
      .replace(/\.\d+\b/g, "")
      // A variable whose initial value changes moves; that is a change of the variable, which diff must name as that.
      .replace(/(R_\w+\s+)\.(?:data|bss)\.(?=\w)/, "$1");
    found.set(name, `${found.get(name) ?? ""}${at} ${what}\n`);
  }
  return found;
}

/** Everything in an object that is loaded, and its relocations, as one text: two objects of equal text are the same. */
export function loadedContent(machine: Machine, folder: string, bytes: Uint8Array): string {
  const path = join(folder, "content.o");
  writeFileSync(path, bytes);
  const text = execFileSync(OBJDUMP[machine], ["-s", "-r", "-t", path], { encoding: "utf8", maxBuffer: 1 << 26 });
  return text.replace(/^.*file format.*$/gm, "");
}
