// Held against binutils: the lengths that objdump reads (forms.txt), and the fields in which gas puts a reference.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import {
  decodeInsn,
  displacementAt,
  displacementBytes,
  immediateAt,
  immediateBytes,
  insnLength,
  isBranch,
  isNearReturn,
  isRip,
  lengthOf,
} from "../../src/reloc/x86Insn.ts";

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
    const found = lengthOf(decodeInsn(code, at));
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
    const inDisplacement = displacementBytes(insn) !== 0 && displacementAt(insn) === offset - at;
    const type = table.type(row);
    const name = `${type} at ${offset.toString(16)}`;
    expect(inDisplacement ? displacementAt(insn) : immediateAt(insn), name).toBe(offset - at);
    expect(inDisplacement ? displacementBytes(insn) : immediateBytes(insn), name).toBe(type === 1 ? 8 : 4); // R_X86_64_64
    // R_X86_64_PC32 and PLT32: distances; R_X86_64_32 and 32S: values.
    const isDistance = inDisplacement ? isRip(insn) : isBranch(insn);
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
    expect(decode(opcode, 0, 0, 0, 0, 0, 0, 0)).toBe(0);
  for (const opcode of [0x04, 0x0a, 0x24, 0x39, 0x7b]) expect(decode(0x0f, opcode, 0, 0, 0, 0, 0)).toBe(0);
  expect(decode(0xe8, 0, 0, 0)).toBe(0);
  expect(decode(0x48)).toBe(0);
  expect(decode()).toBe(0);
  expect(decode(...Array<number>(20).fill(0x66), 0x90)).toBe(0);
});

test("returns, as objdump reads them", () => {
  const isReturns = listed.filter(({ at }) => isNearReturn(decodeInsn(code, at))).map(({ text }) => text);
  expect(isReturns.length).toBeGreaterThan(0);
  expect(isReturns).toEqual(listed.map(({ text }) => text).filter((text) => /^(?:repz? )?retq?$/.test(text.trim())));
});

/** Bytes that are mostly instructions, some of them cut off. */
const instructions = fc
  .array(
    fc.tuple(
      fc.constantFrom([], [], [0x66], [0xf3], [0x67], [0x48], [0x41], [0x66, 0x48], [0xc5], [0xc4], [0x62], [0x8f]),
      fc.constantFrom([], [], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]),
      fc.array(fc.nat(0xff), { minLength: 1, maxLength: 12 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Uint8Array.from(parts.flat(2)));

test("lengths alone are those of whole instructions", () => {
  fc.assert(
    fc.property(instructions, (bytes) => {
      const places = Array.from({ length: bytes.length + 1 }, (_, at) => at);
      expect(places.map((at) => insnLength(bytes, at))).toEqual(places.map((at) => lengthOf(decodeInsn(bytes, at))));
    }),
    { numRuns: 2000 },
  );
  for (let first = 0; first < 0x10000; first++) {
    const bytes = Uint8Array.of(first >> 8, first & 0xff, 0x05, 0x25, 5, 6, 7, 8, 9, 10, 11, 12);
    if (insnLength(bytes, 0) !== lengthOf(decodeInsn(bytes, 0))) expect.fail(`of ${first.toString(16)}`);
  }
});
