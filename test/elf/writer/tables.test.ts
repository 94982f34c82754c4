// Names without strings against NameTable's with them: the same table, the same offsets.

import fc from "fast-check";
import { expect, test } from "vitest";
import { fromLatin1 } from "../../../src/base/bytes.ts";
import { StringTable } from "../../../src/elf/views/strings.ts";
import { CopiedNames, NameTable } from "../../../src/elf/writer/tables.ts";

/** Both ways, for names at some offsets. */
function both(from: Uint8Array, starts: readonly number[]) {
  const strings = new StringTable(from);
  const expected = new NameTable();
  const offsets = starts.map((start) => expected.add(strings.at(start)));
  const names = new CopiedNames(from, starts.length);
  const rows = Int32Array.from(starts.flatMap((start) => [7, start, 9]));
  names.replace(rows, 1, 3, rows.length);
  return {
    found: { rows: [...rows], bytes: [...names.bytes()] },
    expected: { rows: offsets.flatMap((at) => [7, at, 9]), bytes: [...expected.bytes()] },
  };
}

test("each name once, those that share their ends in the other table and those beyond it, too", () => {
  const given = fc
    .array(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }), { maxLength: 30 })
    .map((names) => Uint8Array.from([0, ...names.flatMap((name) => [...name, 0])]))
    .chain((from) => fc.tuple(fc.constant(from), fc.array(fc.nat(from.length + 2), { maxLength: 80 })));
  fc.assert(
    fc.property(given, ([from, starts]) => {
      const { found, expected } = both(from, starts);
      expect(found).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test("more names than were spoken of, and many that begin within one", () => {
  const from = fromLatin1(`\0${"x".repeat(300)}\0`);
  const starts = Array.from({ length: 300 }, (_, i) => i + 1);
  const { found, expected } = both(from, [...starts, ...starts]);
  expect(found).toEqual(expected);
});

test("an index that is full", () => {
  const names = Array.from({ length: 200 }, (_, i) => `name${i}\0`);
  const from = fromLatin1(`\0${names.join("")}`);
  const starts = names.map((_, i) => 1 + names.slice(0, i).join("").length);
  const few = new CopiedNames(from, 1);
  const [first, again] = [Int32Array.from(starts), Int32Array.from(starts)];
  for (const rows of [first, again]) few.replace(rows, 0, 1, rows.length);
  expect([...first]).toEqual(starts);
  expect(again).toEqual(first);
  expect([...few.bytes()]).toEqual([...from]);
});
