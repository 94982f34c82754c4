// Held against objtool: safe-objtool.o is safe-raw.o after objtool of 7.2, which lists the thunks; what it says of plain returns stands
// in objtool.txt. The kernel's words: apply_returns (arch/x86/kernel/alternative.c of 6.1, 6.12 and 7.2), __warn_thunk (cpu/bugs.c of
// 6.12 and 7.2, absent from 6.1).

import { expect, test } from "vitest";
import { kernelOf, titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { keep } from "../collect.ts";
import { Part } from "../part.ts";
import { found, kernelFrom, kernelWith, later, objtoolOn, placeOf, unfinished } from "./later.ts";

const raw = later("safe-raw");
const seen = later("safe-objtool");
const THUNKS = kernelWith("__x86_return_thunk", "__warn_thunk");

/** Entries of .return_sites that objtool made: 4 bytes each. */
const listed = ((): number => {
  const { sections } = readElf(seen);
  return sections.size(sections.findByName(".return_sites") ?? 0) / 4;
})();

test("thunks that no list has, as many as objtool lists", () => {
  expect(listed).toBe(6);
  expect(found(raw, "KLP474").map((p) => p.data)).toEqual([{ count: listed, of: listed, warns: true }]);
  expect(found(seen, "KLP474", THUNKS)).toEqual([]);
  expect(found(seen, "KLP475", THUNKS)).toEqual([]);
});

test("what the kernel says of it: nothing before 6.9, by version or by symbol", () => {
  const words = (kernel: Parameters<typeof found>[2], minor: number): (string | null)[] =>
    found(raw, "KLP474", kernel, { major: 6, minor }).map(kernelOf);
  const warning = "Unpatched return thunk in use. This should not happen!";
  expect(words(undefined, 12)).toEqual([warning]);
  expect(words(undefined, 8)).toEqual([null]);
  expect(words(THUNKS, 6)).toEqual([warning]); // taken over
  expect(words(kernelWith("__x86_return_thunk"), 12)).toEqual([null]);
});

test("one that is not in the list, and one in the list that is elsewhere", () => {
  const part = new Part(seen);
  const table = part.table(".rela.return_sites");
  part.edits.removeRelocation(table, 2);
  const addend = table.addend(2) + 1n;
  part.edits.addRelocation(table.section, { offset: table.offset(2), type: 2, addend, symbol: table.symbol(2) });
  const bytes = writeElf(part.edits);
  keep("KLP475", bytes);
  const [missing] = found(bytes, "KLP474");
  expect(missing?.data).toEqual({ count: 1, of: listed, warns: true });
  expect(missing === undefined ? "" : titleOf(missing)).toBe("1 of 6 return thunks is not listed in .return_sites");
  const [stranger] = found(bytes, "KLP475");
  expect(stranger?.data).toEqual({ entry: table.offset(2) });
  expect(stranger === undefined ? null : kernelOf(stranger)).toMatch(/^missing return thunk: /);
});

test("one too many in the list, where each thunk has its own", () => {
  const part = new Part(seen);
  const table = part.table(".rela.return_sites");
  const addend = table.addend(2) + 1n;
  part.edits.addRelocation(table.section, { offset: table.offset(2), type: 2, addend, symbol: table.symbol(2) });
  const bytes = writeElf(part.edits);
  expect(found(bytes, "KLP474")).toEqual([]);
  expect(found(bytes, "KLP475").map((p) => p.data)).toEqual([{ entry: table.offset(2) }]);
});

test.each([-(1n << 62n), -1n << 32n, 1n << 62n])("one in the list that leads out of its section, to %i", (addend) => {
  const part = new Part(seen);
  const table = part.table(".rela.return_sites");
  part.edits.removeRelocation(table, 2);
  part.edits.addRelocation(table.section, { offset: table.offset(2), type: 2, addend, symbol: table.symbol(2) });
  const [stranger] = found(writeElf(part.edits), "KLP475");
  expect(stranger?.at).toMatchObject({ section: ".return_sites", offset: table.offset(2) });
});

test("plain returns for a kernel with thunks, in the functions that objtool names", () => {
  const said = objtoolOn("safe-returns").filter((line) => line.includes("'naked' return"));
  expect(said).toHaveLength(5);
  const problems = found(later("safe-returns"), "KLP476", THUNKS);
  expect(problems.map((p) => p.data)).toEqual([{ count: said.length }]);
  expect(problems.map(placeOf)).toEqual([said[0]?.replace(/:.*/, "")]);
  expect(problems.map(kernelOf)).toEqual([null]);
  expect(found(later("safe-returns"), "KLP476", kernelWith("takes"))).toEqual([]);
  expect(found(later("safe-returns"), "KLP476")).toEqual([]);
  // As System.map without CONFIG_RETHUNK (6.1), or CONFIG_MITIGATION_RETHUNK (6.12, 7.2), has it: a copy of the header's empty function
  // (nospec-branch.h), whose address is taken (x86_return_thunk in bugs.c).
  const local = kernelFrom("ffffffff81024160 t __x86_return_thunk\n");
  expect(found(later("safe-returns"), "KLP476", local)).toEqual([]);
});

test("a module of which a part is compiled with thunks, without a kernel", () => {
  const part = new Part(seen);
  // called_directly: pop %rbx; jmp __x86_return_thunk -> pop %rbx; ret
  const table = part.table(".rela.text");
  const at = part.at("called_directly") + 0xc;
  part.edits.removeRelocation(table, part.row(table, at + 1));
  part.edits.patch(part.section(".text"), at, new Uint8Array([0xc3, 0xcc, 0xcc, 0xcc, 0xcc]));
  const bytes = writeElf(part.edits);
  keep("KLP476", bytes);
  expect(found(bytes, "KLP476").map(placeOf)).toEqual(["called_directly+0xc"]);
});

test("an object that is still to be linked: objtool comes later", () => {
  expect(found(unfinished(raw), "KLP474")).toEqual([]);
});
