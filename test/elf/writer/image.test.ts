// The symbol table of a file of either byte order, read back.

import { expect, test } from "vitest";
import { fromLatin1 } from "../../../src/base/bytes.ts";
import { StringTable } from "../../../src/elf/views/strings.ts";
import { SymbolTable } from "../../../src/elf/views/symbols.ts";
import { writeImageElf } from "../../../src/elf/writer/image.ts";

test.each([true, false])("a symbol table, little-endian: %s", (littleEndian) => {
  const rows = Int32Array.of(...[0, 0, 0, 0, 0, 0], ...[3, 0xfff1_0512, 0x89ab_cdef, 0xffff_8000, 0x10, 0x1_0001]);
  const names = fromLatin1("\0a\0bc\0");
  const header = { machine: 62, flags: 0, littleEndian };
  const pieces = writeImageElf(header, [], { rows, firstGlobal: 1, names });
  const content = pieces.find((piece) => piece.length === 48) ?? new Uint8Array(0);
  const strings = pieces.find((piece) => piece.length === 4) ?? new Uint8Array(0);
  const table = new SymbolTable(1, content, new StringTable(strings), null, littleEndian);
  expect(table.name(1)).toBe("bc");
  expect([table.info(1), table.other(1), table.rawShndx(1)]).toEqual([0x12, 5, 0xfff1]);
  expect(table.value(1)).toBe(0xffff_8000_89ab_cdefn);
  expect(table.size(1)).toBe(0x1_0001 * 2 ** 32 + 0x10);
});
