// A table of types in which each refers to the next one twice: walked as it stands, it would not end.

import { expect, test } from "vitest";
import { readDwarfTypes } from "../../../../src/elf/dwarf/types/typeTable.ts";
import { readElf } from "../../../../src/elf/reader.ts";
import { buildElf } from "../../build.ts";

// A unit (DW_TAG_compile_unit) of 32 structs without a name, each of which has two members of the next one's type, and one with a name in front.
const ABBREVIATIONS = [
  ...[1, 0x11, 1, 0, 0],
  ...[2, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b, 0, 0],
  ...[3, 0x13, 1, 0x0b, 0x0b, 0, 0],
  ...[4, 0x0d, 0, 0x49, 0x13, 0x38, 0x0b, 0, 0],
  0,
];
test("DWARF: 32 structs, each of which holds the next one twice", async () => {
  const info = [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1];
  for (let i = 0; i < 32; i++) {
    info.push(...(i === 0 ? [2, 0x74, 0] : [3]), 64);
    // Up to this struct's end: two members of six bytes, and the mark behind them.
    const next = info.length + 13;
    for (let k = 0; k < 2; k++) info.push(4, next & 0xff, next >> 8, 0, 0, 8 * k);
    info.push(0);
  }
  info.push(3, 64, 0, 0);
  const bytes = Uint8Array.from(info);
  new DataView(bytes.buffer).setUint32(0, bytes.length - 4, true);
  const file = buildElf({
    machine: 62,
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(16) },
      { name: ".debug_info", type: 1, data: bytes },
      { name: ".debug_abbrev", type: 1, data: Uint8Array.from(ABBREVIATIONS) },
    ],
    symbols: [],
  });
  expect(await readDwarfTypes(readElf(file))).toBeNull();
});
