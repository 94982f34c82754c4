// Unwind tables and notes for objtool in what diff writes, judged by 7.2's own objtool: run on the diff object it must come to the same
// ORC entries as diff carried over from objects that it had been run on before, and find nothing wrong that the notes explain.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { diffObjects, extractDiff } from "../../src/passes/diff/diff.ts";
import { mustRun, run } from "../boot/run.ts";
import { kernelWith } from "../diff/targetOf.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-objtool-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A frame, saved registers, a part that is split off, an indirect call that a note says to be safe, and what does not change. */
const SOURCE = `
extern int ext(int); extern void say(const char *); extern void fatal(int) __attribute__((cold, noreturn));
extern int (*hook)(int);
static int count;
__attribute__((noinline)) static int helper(int x) { count += x; return ext(x) + count; }
int f(int x) { int a[4]; for (int i = 0; i < 4; i++) a[i] = ext(x + i); say("f"); return helper(a[x & 3]) + STEP; }
int split(int x) { if (x > 9) { say("much"); ext(STEP); return ext(x) * helper(x); } return ext(x + STEP); }
int g(int x)
{
	int (*h)(int) = hook;
	/* ANNOTATE_RETPOLINE_SAFE of include/linux/annotate.h */
	asm volatile("1:\\n.pushsection .discard.annotate_insn,\\"M\\",@progbits,8\\n.long 1b - ., 2\\n.popsection\\ncall *%1"
		     : "+D"(x) : "a"(h) : "memory", "cx", "dx", "si", "r8", "r9", "r10", "r11");
	return x + STEP;
}
int same(int x) { return ext(x) * 3; }
`;
const CC: readonly string[] = [
  ...["-O2", "-ffunction-sections", "-fdata-sections", "-fno-PIE", "-ffreestanding", "-fno-asynchronous-unwind-tables"],
  ...["-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-pg", "-mfentry"],
];
const at = (name: string): string => join(folder, name);
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(at(name)));

/** What objtool says of a file, which it rewrites. */
let objtool = "";
const runObjtool = (name: string): string => {
  const { stdout, stderr, status } = run(objtool, ["--orc", "--retpoline", "--mcount", at(name)]);
  return `${status} ${stdout}${stderr}`.replaceAll(at(name), name);
};

async function diffObject(orig: string, patched: string, to: string): Promise<void> {
  const one = bytesOf(orig);
  const result = await diffObjects({ bytes: one, path: orig }, { bytes: bytesOf(patched), path: patched });
  const { bytes, problems } = extractDiff(result, {
    kernel: kernelWith(one, ["ext", "say", "hook"]),
    object: "vmlinux",
  });
  expect(problems).toEqual([]);
  writeFileSync(at(to), bytes ?? "");
}

/** Entries by section: offset and the six bytes of struct orc_entry; those that say nothing at the end of a function left out. */
function orcOf(name: string): Map<string, string[]> {
  const { sections, relocations, symbols } = readElf(bytesOf(name));
  const [places, entries] = [".orc_unwind_ip", ".orc_unwind"].map((s) => sections.findByName(s) ?? 0);
  const data = sections.data(entries ?? 0);
  const found = new Map<string, string[]>();
  for (const table of relocations) {
    if (table.target !== places) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols?.sectionOf(symbol) ?? 0;
      const offset = (symbols?.offset(symbol) ?? 0) + table.addendNumber(row);
      const at = (table.offset(row) / 4) * 6;
      const entry = Buffer.from(data.subarray(at, at + 6)).toString("hex");
      if (offset >= sections.size(section) && entry === "000000000000") continue;
      const list = found.get(sections.name(section)) ?? [];
      found.set(sections.name(section), [...list, `${offset.toString(16)} ${entry}`]);
    }
  }
  return found;
}

beforeAll(() => {
  objtool = join(mustRun("bash", ["test/tools/original-tools.sh"]).trim(), "objtool");
  writeFileSync(at("file.c"), SOURCE);
  for (const [name, step] of [
    ["orig", 1],
    ["patched", 2],
  ] as const) {
    // biome-ignore format: pairs
    mustRun("x86_64-linux-gnu-gcc", [...CC, `-DSTEP=${step}`, "-c", "-o", at(`${name}.o`), at("file.c")]);
    writeFileSync(at(`${name}.done.o`), bytesOf(`${name}.o`));
    expect(runObjtool(`${name}.done.o`)).toBe("0 ");
  }
});

describe("objtool of 7.2", () => {
  test("makes of the diff object what diff carried over", async () => {
    await diffObject("orig.done.o", "patched.done.o", "carried.o");
    await diffObject("orig.o", "patched.o", "made.o");
    expect(orcOf("made.o").size).toBe(0);
    expect(runObjtool("made.o")).toBe("0 ");
    const [carried, made] = [orcOf("carried.o"), orcOf("made.o")];
    expect([...made.keys()].filter((s) => !s.includes("cold")).sort()).toEqual([".text.f", ".text.g", ".text.split"]);
    for (const [section, entries] of made) expect([section, carried.get(section)]).toEqual([section, entries]);
    expect(carried.size).toBe(made.size);
    expect([...made.values()].flat().length).toBeGreaterThan(15);
  });

  test("is told by the notes of taken code what it would warn of", async () => {
    await diffObject("orig.o", "patched.o", "noted.o");
    writeFileSync(at("bare.o"), bytesOf("noted.o"));
    const without = [".discard.annotate_insn", ".rela.discard.annotate_insn"].flatMap((s) => ["--remove-section", s]);
    mustRun("x86_64-linux-gnu-objcopy", [...without, at("bare.o")]);
    expect(runObjtool("noted.o")).toBe("0 ");
    expect(runObjtool("bare.o")).toMatch(/g\+0x[0-9a-f]+: indirect call found in MITIGATION_RETPOLINE build/);
  });
});
