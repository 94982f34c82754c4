// Names of promoted statics (ThinLTO's NAME.llvm.HASH) in a linked object become those that the module of the kernel has.

import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { asInModule } from "../../../src/passes/diff/linkTimeNames.ts";
import { load } from "../../helpers.ts";

/** An object with other names, in their order, for the functions that it defines. */
function named(names: readonly string[]): Uint8Array {
  const file = readElf(load("test/fixtures/diff/cases/small-bug-table.x86_64.orig.o"));
  const edits = new ElfEdits(file);
  const { symbols } = file;
  let next = 0;
  for (let i = 1; i < (symbols?.count ?? 0); i++)
    if (symbols?.type(i) === 2) edits.setSymbol(i, { name: names[next++] ?? "" });
  return writeElf(edits);
}

function namesIn(bytes: Uint8Array): string[] {
  const { symbols } = readElf(bytes);
  return [...Array(symbols?.count ?? 0).keys()].flatMap((i) => (symbols?.type(i) === 2 ? [symbols.name(i)] : []));
}

test.each([
  [
    ["a.llvm.1", "b"],
    ["a.llvm.22", "b"],
    ["a.llvm.22", "b"],
  ],
  // Not promoted in one of them, or two that differ in the number alone.
  [
    ["a.llvm.1", "b"],
    ["a", "b"],
    ["a.llvm.1", "b"],
  ],
  [
    ["a", "b"],
    ["a.llvm.22", "b"],
    ["a", "b"],
  ],
  [
    ["a.llvm.1", "b"],
    ["a.llvm.22", "a.llvm.23"],
    ["a.llvm.1", "b"],
  ],
])("%j in a module with %j: %j", (own, module, expected) => {
  expect(namesIn(named(own))).toEqual(own);
  expect(namesIn(asInModule(named(own), new ModuleFile(readElf(named(module)), "m.ko")))).toEqual(expected);
});
