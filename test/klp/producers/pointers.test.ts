import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import type { SymbolTable } from "../../../src/elf/views/symbols.ts";
import { LEADS, PlaceCursor, Pointers } from "../../../src/klp/producers/pointers.ts";
import { buildElf } from "../../elf/build.ts";

const ABSOLUTE = 1;
const relocations = [
  { offset: 8, symbol: 1, type: ABSOLUTE, addend: 4n },
  { offset: 16, symbol: 1, type: 2, addend: 0n },
  { offset: 20, symbol: 1, type: ABSOLUTE, addend: -8n },
  { offset: 24, symbol: 2, type: ABSOLUTE, addend: 5n },
  { offset: 800, symbol: 1, type: ABSOLUTE, addend: 0n },
  { offset: 804, symbol: 1, type: ABSOLUTE, addend: 2n ** 60n },
  // Twelve more of offsets that have no place of their own in the section.
  ...Array.from({ length: 12 }, (_, i) => ({ offset: 801 + 16 * i, symbol: 1, type: ABSOLUTE, addend: BigInt(i) })),
];

const table = (type: number, rows: typeof relocations) => ({
  name: type === 4 ? ".rela.table" : ".rel.table",
  ...{ type, link: ".symtab", info: ".table", entsize: type === 4 ? 24 : 16 },
  relocations: rows,
});

function pointersOf(littleEndian: boolean): { pointers: Pointers; symbols: SymbolTable } {
  const file = readElf(
    buildElf({
      littleEndian,
      sections: [
        { name: ".table", type: 1, data: new Uint8Array(30) },
        { name: ".strings", type: 1, data: new Uint8Array(64) },
        table(4, relocations),
        // A later relocation of a place takes the place of the one before; those of SHT_REL have no addends.
        table(4, [{ offset: 0, symbol: 1, type: ABSOLUTE, addend: 6n }]),
        table(9, [{ offset: 0, symbol: 1, type: ABSOLUTE, addend: 0n }]),
      ],
      symbols: [
        { name: "at", home: ".strings", value: 3n, bind: 1 },
        { name: "outside", bind: 1 },
      ],
    }),
  );
  return { pointers: new Pointers(file, 1, ABSOLUTE), symbols: file.symbols as SymbolTable };
}

test.each([true, false])("where the pointers of a section lead (little-endian: %s)", (littleEndian) => {
  const { pointers, symbols } = pointersOf(littleEndian);
  const place = new PlaceCursor();
  const lead = (offset: number): number | null | undefined => {
    const found = pointers.lead(offset, symbols, place);
    return found === LEADS.missing ? undefined : found === LEADS.nowhere ? null : place.offset;
  };
  expect(lead(0)).toBe(3);
  expect(lead(8)).toBe(7);
  expect(place.section).toBe(2);
  expect([lead(1), lead(16), lead(4000)]).toEqual([undefined, undefined, undefined]);
  // Before the section; of no section; too far to be one.
  expect([lead(20), lead(24), lead(804)]).toEqual([null, null, null]);
  expect([lead(800), lead(801), lead(801 + 16 * 11)]).toEqual([3, 3, 14]);
});

test("a pointer as its symbol and its addend", () => {
  const { pointers } = pointersOf(true);
  expect(pointers.at(20)).toEqual({ symbol: 1, addend: -8n, type: ABSOLUTE });
  expect(pointers.at(804)).toEqual({ symbol: 1, addend: 2n ** 60n, type: ABSOLUTE });
  expect(pointers.at(16)).toBe(null);
  expect(pointers.find(16)).toBe(-1);
  expect(pointers.symbol(pointers.find(24))).toBe(2);
});
