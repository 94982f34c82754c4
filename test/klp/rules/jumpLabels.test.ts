// Held against what objtool does to the same module: safe-objtool.o is safe-raw.o after objtool of 7.2. What the kernel expects:
// jump_label_init_type (kernel/jump_label.c), __jump_label_patch (arch/x86/kernel/jump_label.c) of 6.1, 6.12 and 7.2.

import { expect, test } from "vitest";
import { kernelOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { keep } from "../collect.ts";
import { Part } from "../part.ts";
import { found, later, placeOf, unfinished } from "./later.ts";

const raw = later("safe-raw");
const seen = later("safe-objtool");
keep("KLP473", raw);

/** Offsets in .text of instructions that objtool changed, by their first byte. */
function changed(): number[] {
  const text = (bytes: Uint8Array): Uint8Array => {
    const { sections } = readElf(bytes);
    return sections.data(sections.findByName(".text") ?? 0);
  };
  const [before, after] = [text(raw), text(seen)];
  return [...before.keys()].filter((i) => before[i] !== after[i] && (before[i] === 0xeb || before[i] === 0xe9));
}

test("jumps that objtool makes nops, in both forms, and no others", () => {
  const sites = changed();
  expect(sites).toHaveLength(3);
  const problems = found(raw, "KLP473");
  expect(problems.map((p) => p.at.offset).sort()).toEqual(sites.sort());
  expect(problems.map((p) => p.data)).toEqual(sites.map(() => ({ found: "jump", expected: "nop" })));
  expect(problems.map(placeOf)).toContain("far_branches+0x8");
  expect(kernelOf(problems[0] as (typeof problems)[0])).toMatch(/^jump_label: Fatal kernel bug, unexpected op at /);
});

test("nothing after objtool: nops for what begins off, jumps for what begins on", () => {
  expect(found(seen, "KLP473")).toEqual([]);
});

test("an object that is still to be linked: objtool comes later", () => {
  expect(found(unfinished(raw), "KLP473")).toEqual([]);
});

/** After objtool, with bytes at a place of near_branches. */
function withBytes(at: number, ...bytes: number[]): Uint8Array {
  const part = new Part(seen);
  part.edits.patch(part.section(".text"), part.at("near_branches") + at, new Uint8Array(bytes));
  return writeElf(part.edits);
}

test("a nop where the key's initial value wants a jump, and another instruction", () => {
  expect(found(withBytes(0x16, 0x66, 0x90), "KLP473").map((p) => p.data)).toEqual([{ found: "nop", expected: "jump" }]);
  expect(found(withBytes(0x8, 0x89, 0xc0), "KLP473").map((p) => p.data)).toEqual([{ found: "other", expected: "nop" }]);
});

test("a key of another object: without a mark both are possible, anything else is not", () => {
  const part = new Part(seen);
  const table = part.table(".rela__jump_table");
  const far = part.symbol("far_key");
  const rows = [...Array(table.count).keys()].filter((row) => table.offset(row) % 16 === 8);
  for (const row of rows) {
    const bits = table.addend(row) & 1n;
    part.edits.removeRelocation(table, row);
    part.edits.addRelocation(table.section, { offset: table.offset(row), type: 24, addend: bits, symbol: far });
  }
  expect(found(writeElf(part.edits), "KLP473")).toEqual([]);
  part.edits.patch(part.section(".text"), part.at("near_branches") + 0x16, new Uint8Array([0x31, 0xc0]));
  expect(found(writeElf(part.edits), "KLP473").map((p) => p.data)).toEqual([{ found: "other", expected: null }]);
});
