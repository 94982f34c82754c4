// Linked objects of any size, as an x86_64 kernel's `vmlinux.o` is: many files of one name, whose static functions and variables have
// names in common. Needs gcc and binutils.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Functions of a file, and how many of them use names that all files have. */
const FUNCTIONS = 60;
const SHARED = 4;

const FLAGS = [
  ...[
    "-O2",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-PIE",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-mno-sse",
    "-w",
  ],
  ...["-pg", "-mfentry", "-mrecord-mcount", "-ffreestanding", "-fno-jump-tables", "-fcf-protection=branch"],
];

const WARN =
  'asm volatile("1: ud2\\n.pushsection __bug_table,\\"aw\\"\\n2: .long 1b - .\\n.long %c0 - .\\n.word %c1\\n.word %c2\\n.org 2b+12\\n.popsection" :: "i"(__FILE__), "i"(__LINE__), "i"(flags))';
const EXTERNAL = `extern int printk(const char *, ...), outer(int, const void *), lock(void *), unlock(void *);
#ifdef WITHOUT_TABLES
#define WARN(flags) printk("%d", flags)
#else
#define WARN(flags) ${WARN}
#endif
struct ops { int (*open)(int); int (*close)(int); const char *name; };
`;

/** What a function does, of four kinds. */
const BODIES = [
  (i) => `static int calls; if (x > ${i}) WARN(0x901); return outer(x + ++calls, "name ${i}");`,
  (i) =>
    `switch (x) { case 0: return helper_${i}(${i}); case 1: return outer(x, table_${i}); case 2: printk("two %d ${i}\\n", x); return 2; default: return x * ${i + 3}; }`,
  (i) =>
    `static const struct ops o = { .open = helper_${i}, .name = "ops ${i}" }; lock(&state_${i}); int r = outer(x ^ ${i}, &o); unlock(&state_${i}); return r;`,
  (i) =>
    `int sum = 0; for (const int *p = table_${i}; p < table_${i} + 8; p++) sum += *p * x; state_${i} += sum; return __builtin_expect(sum < 0, 0) ? printk("rare ${i}\\n") : sum;`,
];

/** @param more what is added in one function, in which two builds differ */
function source(more) {
  let text = EXTERNAL;
  for (let i = 0; i < FUNCTIONS; i++) {
    text += `static int state_${i} = ${i % 3}; static const int table_${i}[8] = { ${i}, 1, 4, 1, 5, ${i + 1} };\n`;
    text += `static __attribute__((noinline)) int helper_${i}(int x) { return outer(x * ${i + 2}, &state_${i}); }\n`;
    text += `int global_${i}(int x) { ${i === 7 ? `x += ${more};` : ""} ${BODIES[i % BODIES.length](i)} }\n`;
  }
  return text;
}

/** Sections of an object that one function or variable has for itself. */
function bundled(path) {
  const listing = execFileSync("readelf", ["-SW", path], { encoding: "utf8" });
  return listing.match(/ \.(?:text|data|bss|rodata)\.\S+/g).flatMap((n) => (n.includes(".str1.") ? [] : [n.trim()]));
}

/**
 * Two builds of one linked object, which differ in one function of the file in the middle.
 * @param files how many files it is linked of; a file has about 450 symbols
 * @param shared of how many functions of a file the names, and so the sections, of what is static are those of all files
 */
export function linkedPair(folder, files, flags = [], shared = SHARED) {
  const compile = (more) => {
    writeFileSync(join(folder, "core.c"), source(more));
    execFileSync("gcc", [...FLAGS, ...flags, "-c", "core.c", "-o", `${more}.o`], { cwd: folder });
  };
  for (const more of [1, 2]) compile(more);
  // Of each file the first static functions and variables share their names, and so their sections, with those of all others.
  const own = Array.from({ length: FUNCTIONS }, (_, i) => [
    `global_${i}`,
    ...(i < shared ? [] : [`helper_${i}`, `state_${i}`]),
  ]);
  const sections = Array.from({ length: FUNCTIONS }, (_, i) => [
    `.text.global_${i}`,
    ...(i < shared
      ? []
      : [`.text.helper_${i}`, `.data.state_${i}`, `.bss.state_${i}`, `.rodata.table_${i}`, `.bss.calls.${i}`]),
  ]);
  const middle = files >> 1;
  const names = (file, more) => {
    writeFileSync(
      join(folder, "names"),
      own
        .flat()
        .map((g) => `${g} ${g}_of_${file}\n`)
        .join(""),
    );
    const renamed = (shared === 0 ? bundled(join(folder, `${more}.o`)) : sections.flat())
      .map((s) => `--rename-section ${s}=${s}_of_${file}\n`)
      .join("");
    writeFileSync(join(folder, "sections"), renamed);
    const out = `${file}-${more}.copy.o`;
    execFileSync("objcopy", ["--redefine-syms=names", "@sections", `${more}.o`, out], { cwd: folder });
    return out;
  };
  const list = Array.from({ length: files }, (_, file) => names(file, 1));
  const link = (out, objects) => {
    writeFileSync(join(folder, "objects"), objects.join("\n"));
    execFileSync("ld", ["-r", "@objects", "-o", out], { cwd: folder });
    return join(folder, out);
  };
  const orig = link("orig.o", list);
  return [orig, link("patched.o", list.with(middle, names(middle, 2)))];
}
