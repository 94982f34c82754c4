// x86: the fields of test/fixtures/later/forms.o in which gas put references are those that relocations may stand at, and no other
// bytes of these instructions are.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { readElf } from "../../src/elf/reader.ts";
import { needsInstruction, outsideField } from "../../src/reloc/stand.ts";
import { decodeInsn } from "../../src/reloc/x86Insn.ts";

const folder = fileURLToPath(new URL("../fixtures/later/", import.meta.url));
const file = readElf(new Uint8Array(readFileSync(`${folder}forms.o`)));
const code = file.sections.data(file.sections.findByName(".text") ?? 0);
const starts = readFileSync(`${folder}forms.txt`, "utf8")
  .split("\n")
  .flatMap((line) => /^ *([0-9a-f]+):\t/.exec(line)?.[1] ?? [])
  .map((at) => Number.parseInt(at, 16));

interface Reference {
  readonly name: string;
  readonly start: number;
  /** Bytes from the instruction's first. */
  readonly at: number;
}

const [table] = file.relocations;
if (table === undefined) throw new Error("no relocations");
const references = [...Array(table.count).keys()].map((row): Reference => {
  const start = starts.findLast((s) => s <= table.offset(row)) ?? -1;
  return { name: x86_64.relocs.defs.get(table.type(row))?.name ?? "", start, at: table.offset(row) - start };
});
const defs = [...x86_64.relocs.defs.values()].filter(needsInstruction);
const insnAt = (start: number) => {
  const insn = decodeInsn(code, start);
  if (insn === 0) throw new Error(`no instruction at ${start}`);
  return insn;
};
/** Types that write a value or a distance of the same size are one: the compiler chooses by the sign, or by tradition. */
const kindOf = (name: string): string =>
  name
    .replace(/^R_X86_64_(?:PC32|PLT32)$/, "distance")
    .replace(/^R_X86_64_32S?$/, "value of 4 bytes")
    .replace(/^R_X86_64_(?:PC)?64$/, "value of 8 bytes");

test("where gas puts a reference, its type may stand", () => {
  expect(references.length).toBeGreaterThan(60);
  for (const { name, start, at } of references) {
    const def = defs.find((d) => d.name === name);
    expect(def === undefined ? name : outsideField(def, insnAt(start), at), `${name} at ${start}+${at}`).toBeNull();
  }
});

test("another kind may not stand there, and none at another byte before the field's end", () => {
  for (const { name, start, at } of references) {
    const all = references.filter((r) => r.start === start);
    for (const def of defs) {
      if (kindOf(def.name) !== kindOf(name)) expect(outsideField(def, insnAt(start), at)).not.toBeNull();
      for (let other = 0; other <= at; other++) {
        if (all.some((r) => r.at === other)) continue;
        expect(outsideField(def, insnAt(start), other), `${def.name} at ${start}+${other}`).not.toBeNull();
      }
    }
  }
});
