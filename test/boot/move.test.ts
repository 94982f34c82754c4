// A module whose functions share a section, in a real kernel: as kbuild made it, and with its functions moved apart. It
// tells the same: jump tables, exception-table entries, pointers and the warning's place all followed. That the kernel
// takes each place in __mcount_loc for a profiling call shows that they did, too: else it complains in its log.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { FunctionIndex } from "../../src/klp/functions.ts";
import { applyMove, planMove } from "../../src/klp/move/move.ts";
import { labOf } from "./lab.ts";
import { bootWith, complaints, LOAD, type Planned, stepOf } from "./scenario.ts";

const lab = labOf(import.meta.url);
const plan: readonly Planned[] = [
  { line: LOAD },
  { line: "read /proc/twenty" },
  { line: "read /proc/twenty" },
  { line: "rmmod twenty" },
];
const script = plan.map((planned) => planned.line);

/** The module with room behind each function of .text. @param size bytes of room behind the n-th function */
function moved(bytes: Uint8Array, size: (n: number) => number): Uint8Array {
  const file = readElf(bytes);
  const symbols = file.symbols;
  const text = file.sections.findByName(".text");
  if (symbols === null || text === null) throw new Error("no symbols or no .text");
  const functions = new FunctionIndex(file, symbols);
  const ends = functions.inSection(text).map((f) => f.start + f.size);
  const gaps = [...new Set(ends)].map((at, n) => ({ at, size: size(n) }));
  const move = planMove(file, symbols, functions, new Map([[text, gaps]]));
  expect([...move.obstacles.values()]).toEqual([]);
  const edits = new ElfEdits(file);
  applyMove(edits, symbols, move);
  return writeElf(edits);
}

/** What the module tells, and where the kernel says that the warning stands: function and offset, without its length. */
async function run(bytes: Uint8Array): Promise<{ output: string; again: string; warning: string | undefined }> {
  const result = await bootWith(lab, bytes, script);
  const [first, second] = result.steps.filter((s) => s.line === "read /proc/twenty");
  const warning = first?.log
    .map((l) => /WARNING: CPU: 0 PID: \d+ at (?:\S+:\d+ )?(\S+)\/0x/.exec(l.text)?.[1])
    .find((w) => w !== undefined);
  // The warning is wanted, once; nothing else may be said.
  const others = complaints({ ...result, steps: result.steps.map((s) => (s === first ? { ...s, log: [] } : s)) }, plan);
  expect(others).toEqual([]);
  return { output: first?.output ?? "", again: second?.output ?? "", warning };
}

describe("functions moved apart", () => {
  const input = readFileSync(join(lab.modules, "twenty.ko"));
  let before: Awaited<ReturnType<typeof run>>;

  beforeAll(async () => {
    before = await run(input);
    expect(before.warning).toMatch(/^f14_warn\+0x[0-9a-f]+$/);
    // 72 numbers that are not errors, then: a fault, a word, a fault, a word.
    expect(before.output.split("\n").length).toBe(11);
    expect(before.output).toMatch(/\n-\d+ \d+ -\d+ \d+\n$/);
    expect(before.again).toBe(before.output);
  }, 300_000);

  test("the module has what is to follow", () => {
    const file = readElf(input);
    const targets = file.relocations.map((t) => file.sections.name(t.target));
    for (const name of ["__ex_table", "__bug_table", "__mcount_loc", ".rodata", ".toc"])
      expect(targets).toContain(name);
    expect(namesOf(file).filter((n) => /^f\d+_/.test(n)).length).toBe(20);
  });

  test("by 0 bytes: the same file", () => {
    expect(Buffer.from(moved(input, () => 0)).equals(input)).toBe(true);
  });

  test.each([
    ["16 bytes behind each", () => 16],
    ["from 16 to 1024 bytes, each other", (n: number) => 16 * (1 + ((n * 37) % 64))],
    ["4 KiB behind each", () => 4096],
  ] as const)("%s: the module tells the same", async (_name, size) => {
    const bytes = moved(input, size);
    expect(bytes.length).toBeGreaterThan(input.length);
    expect(await run(bytes)).toEqual(before);
  });

  test("an exception-table entry that did not follow is caught", async () => {
    const bytes = moved(input, () => 64);
    const file = readElf(bytes);
    const table = file.relocations.find((t) => file.sections.name(t.target) === "__ex_table");
    if (table === undefined) throw new Error("no exceptions");
    const edits = new ElfEdits(file);
    for (let row = 0; row < table.count; row += 2) edits.setAddend(table, row, table.addend(row) - 64n);
    const result = await bootWith(lab, writeElf(edits), script.slice(0, 2));
    expect(stepOf(result, "read /proc/twenty").output).not.toBe(before.output);
  });
});

function namesOf({ symbols }: ElfFile): string[] {
  return Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i) ?? "");
}
