// Positions in vmlinux of functions that have one name in several files, by the ids that 7.2's objtool leaves in vmlinux.o and in vmlinux
// (`--klp-symids`, which klp-build asks for). Expected is what `objtool klp diff` makes of the same files.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { finish } from "../../src/passes/finish.ts";
import { mustRun } from "../boot/run.ts";
import { klplink } from "../cli/run.ts";
import { meaningsOf, reading } from "./meaning.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-ids-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FLAGS = [
  "-O2",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-PIE",
  "-mcmodel=kernel",
  "-mno-red-zone",
  "-mno-sse",
  "-w",
];
const MORE = [
  "-ffreestanding",
  "-fno-asynchronous-unwind-tables",
  "-pg",
  "-mfentry",
  "-mrecord-mcount",
  "-fcf-protection=none",
];
const COMPILE = [...FLAGS, ...MORE, "-c"]; // biome-ignore format: a row

/** Files that all have the same names, so that neither their own nor their neighbours' tell them apart. */
const FILES = ["a", "b", "c"];
/** Functions of a file, with the number of the file; in b one of them is `cold`, so it comes first in vmlinux. */
const source = (name: string, more: number): string => {
  const n = FILES.indexOf(name) * 2 + 3;
  return `extern int ext(int);
static const char info[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=GPL";
static int state = ${n};
static __attribute__((noinline, noipa${name === "b" ? ", cold" : ""})) int help(int x) { return ext(x * ${n}) + state++; }
static __attribute__((noinline, noipa, cold)) int slow(int x) { return ext(x - ${n}); }
int entry_${name}(int x) { if (x == ${n}) return slow(x); return help(x + ${more}); }
`;
};
const START = `int ext(int x) { return x; } void __fentry__(void) {}
int entry_a(int), entry_b(int), entry_c(int); void _start(void) { entry_a(entry_b(entry_c(1))); }`;
/** As the kernel's: what is seldom run comes first. */
const SCRIPT = `SECTIONS { . = 0xffffffff81000000; .text : { *(.text.unlikely .text.unlikely.*) *(.text .text.*) }
  .data : { *(.data .data.*) } .bss : { *(.bss) } __mcount_loc : { *(__mcount_loc) }
  .modinfo : { *(.modinfo) } .klp.symid 0 : { *(.klp.symid) } }`;

let objtool = "";

/** Makes vmlinux.o, and vmlinux of it. @param files in the order in which they are linked */
function build(where: string, files: readonly string[], more: number): void {
  const at = join(folder, where);
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: at, encoding: "utf8" });
  for (const name of files) {
    mkdirSync(join(at, name), { recursive: true });
    writeFileSync(join(at, name, "core.c"), source(name, more));
    execFileSync("x86_64-linux-gnu-gcc", [...COMPILE, "core.c", "-o", "core.o"], { cwd: join(at, name) });
  }
  writeFileSync(join(at, "start.c"), START);
  writeFileSync(join(at, "lds"), SCRIPT);
  run("x86_64-linux-gnu-ld", "-r", ...files.map((name) => `${name}/core.o`), "-o", "vmlinux.o");
  execFileSync(objtool, ["--link", "--klp-symids", "vmlinux.o"], { cwd: at, stdio: "ignore" });
  run("x86_64-linux-gnu-gcc", ...FLAGS, "-c", "start.c", "-o", "start.o");
  run(
    "x86_64-linux-gnu-ld",
    "--no-warn-rwx-segments",
    "-T",
    "lds",
    "-e",
    "_start",
    "vmlinux.o",
    "start.o",
    "-o",
    "vmlinux",
  );
  writeFileSync(join(folder, "Module.symvers"), "0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
}

/** Of each function of a diff object the livepatch symbols that it refers to. */
function references(path: string): Record<string, string[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const read = reading(finish(readElf(bytes), { file: path }).output ?? bytes);
  const found: Record<string, string[]> = {};
  for (const name of FILES.flatMap((f) => [`entry_${f}`, `entry_${f}.cold`])) {
    const all = (meaningsOf(read, name, () => 4) ?? []).join(" ");
    found[name] = [...all.matchAll(/\.klp\.sym\.vmlinux\.((?:help|slow),\d+)/g)].map((m) => m[1] ?? "").sort();
  }
  return found;
}

const sides = ["orig/vmlinux.o", "patched/vmlinux.o"] as const;

beforeAll(() => {
  objtool = join(mustRun("bash", ["test/tools/original-tools.sh"]).trim(), "objtool");
  build("orig", FILES, 1);
  build("patched", FILES, 2);
  for (const path of sides) execFileSync(objtool, ["klp", "checksum", path], { cwd: folder });
}, 1_800_000);

/** `klplink diff` against a vmlinux. */
async function diff(vmlinux: string): Promise<{ status: number | null; said: string }> {
  const kernel = ["-k", vmlinux, "-k", "Module.symvers"];
  rmSync(join(folder, "ours.o"), { force: true });
  const { status, stdout, stderr } = await klplink(["diff", "-v", ...sides, ...kernel, "-o", "ours.o"], {
    cwd: folder,
  });
  return { status, said: stdout + stderr };
}

describe(".klp.symid", () => {
  test("positions are those of objtool klp diff", async () => {
    execFileSync(objtool, ["klp", "diff", ...sides, "theirs.o"], { cwd: folder });
    const expected = references(join(folder, "theirs.o"));
    // The order in vmlinux is another than in vmlinux.o.
    expect(expected.entry_b).toContain("help,1");
    expect(expected.entry_a).toEqual(["help,2"]);
    const { status, said } = await diff("orig/vmlinux");
    expect({ status, said }).toMatchObject({ status: 0, said: expect.stringContaining("told by its id") });
    expect(references(join(folder, "ours.o"))).toEqual(expected);
  });

  test("and so in objtool's place", async () => {
    const done = await klplink(["klp", "diff", ...sides, "klp.o"], { cwd: folder });
    expect(done).toMatchObject({ status: 0 });
    expect(references(join(folder, "klp.o"))).toEqual(references(join(folder, "theirs.o")));
  });

  test("without them, in vmlinux or in vmlinux.o, nothing is guessed", async () => {
    mustRun("objcopy", ["--remove-section", ".klp.symid", join(folder, "orig/vmlinux"), join(folder, "bare")]);
    const { status, said } = await diff("bare");
    expect(status).toBe(1);
    expect(said).toMatch(/KLP708.*help/);
    expect(existsSync(join(folder, "ours.o"))).toBe(false);
  });

  test("those of another build are not believed: its ids are the same numbers", async () => {
    build("other", ["b", "c", "a"], 1);
    const { status, said } = await diff("other/vmlinux");
    expect(status).toBe(1);
    expect(said).toMatch(/KLP708.*help/);
  });
});
