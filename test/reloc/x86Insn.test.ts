// Held against binutils: the lengths that objdump reads (forms.txt), and the fields in which gas puts a reference.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { decodeInsn } from "../../src/reloc/x86Insn.ts";

const folder = fileURLToPath(new URL("../fixtures/later/", import.meta.url));
const file = readElf(new Uint8Array(readFileSync(`${folder}forms.o`)));
const code = file.sections.data(file.sections.findByName(".text") ?? 0);

/** Offset and text of each instruction, as objdump has them. */
const listed = readFileSync(`${folder}forms.txt`, "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, at, text] = /^ *([0-9a-f]+):\t(.*)$/.exec(line) ?? [];
    return at === undefined || text === undefined ? [] : [{ at: Number.parseInt(at, 16), text }];
  });

test("lengths, as objdump reads them", () => {
  expect(listed.length).toBeGreaterThan(110);
  const wrong = listed.flatMap(({ at, text }, i) => {
    const length = (listed[i + 1]?.at ?? code.length) - at;
    const found = decodeInsn(code, at)?.length ?? null;
    return found === length ? [] : [{ text, length, found }];
  });
  expect(wrong).toEqual([]);
});

test("fields, where gas puts references", () => {
  const [table] = file.relocations;
  if (table === undefined) throw new Error("no relocations");
  const kinds = new Set<string>();
  for (let row = 0; row < table.count; row++) {
    const offset = table.offset(row);
    const at = listed.findLast((l) => l.at <= offset)?.at ?? -1;
    const insn = decodeInsn(code, at);
    const inDisplacement = insn?.displacementBytes !== 0 && insn?.displacementAt === offset - at;
    const type = table.type(row);
    const name = `${type} at ${offset.toString(16)}`;
    expect(inDisplacement ? insn?.displacementAt : insn?.immediateAt, name).toBe(offset - at);
    expect(inDisplacement ? insn?.displacementBytes : insn?.immediateBytes, name).toBe(type === 1 ? 8 : 4); // R_X86_64_64
    // R_X86_64_PC32 and PLT32: distances; R_X86_64_32 and 32S: values.
    const isDistance = inDisplacement ? insn?.isRip : insn?.isBranch;
    expect(isDistance, name).toBe(type === 2 || type === 4);
    kinds.add(`${type} ${inDisplacement ? "displacement" : "immediate"}`);
  }
  expect([...kinds].sort()).toEqual([
    "1 immediate",
    "10 immediate",
    "11 displacement",
    "11 immediate",
    "2 displacement",
    "4 immediate",
  ]);
});

test("what is not an instruction, and what ends too early", () => {
  const decode = (...bytes: number[]) => decodeInsn(new Uint8Array(bytes), 0);
  for (const opcode of [0x06, 0x27, 0x60, 0x82, 0x9a, 0xce, 0xd6, 0xea])
    expect(decode(opcode, 0, 0, 0, 0, 0, 0, 0)).toBe(null);
  for (const opcode of [0x04, 0x0a, 0x24, 0x39, 0x7b]) expect(decode(0x0f, opcode, 0, 0, 0, 0, 0)).toBe(null);
  expect(decode(0xe8, 0, 0, 0)).toBe(null);
  expect(decode(0x48)).toBe(null);
  expect(decode()).toBe(null);
  expect(decode(...Array<number>(20).fill(0x66), 0x90)).toBe(null);
});
