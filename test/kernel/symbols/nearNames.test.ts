// Near names against the definition: Levenshtein's distance over the whole table, by a list and by the stored index of it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { addr } from "../../../src/base/brand.ts";
import { columnsOf, StoredSymbols } from "../../../src/kernel/stored/symbols.ts";
import { NearSearch, nearNames, shapeOf } from "../../../src/kernel/symbols/nearNames.ts";
import { SymbolColumns } from "../../../src/kernel/symbols/symbolColumns.ts";

/** By the recursive definition, remembered. */
function distance(a: string, b: string): number {
  const known = new Map<string, number>();
  const of = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j;
    const key = `${i},${j}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const change = a[i - 1] === b[j - 1] ? 0 : 1;
    const value = Math.min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + change);
    known.set(key, value);
    return value;
  };
  return of(a.length, b.length);
}

/** Few letters, so that many names are near one another. */
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "_"), minLength: 1, maxLength: 9 }),
  fc
    .tuple(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 5 }), fc.nat(12))
    .map(([stem, n]) => `${stem}.${n % 2 === 0 ? `isra.${n}` : n}`),
);

test("what is near: variants of the name first, then names within one edit, two for longer ones", () => {
  fc.assert(
    fc.property(name, fc.uniqueArray(name, { maxLength: 40 }), (wanted, names) => {
      const stem = shapeOf(wanted).stem;
      const limit = wanted.length < 6 ? 1 : 2;
      const rank = (n: string): number => (n === stem || n.startsWith(`${stem}.`) ? 0 : distance(wanted, n));
      const expected = names
        .filter((n) => rank(n) <= limit)
        .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
        .slice(0, 3);
      expect(nearNames(wanted, names)).toEqual(expected);
      // A list that leaves out names of another shape, and the index of it, tell the same.
      const columns = new SymbolColumns();
      for (const n of [...names, ...names]) columns.add(n, 0x74, 0, names.indexOf(n));
      const symbols = [...names, ...names].map((n, i) => ({ name: n, address: addr(BigInt(i)), letter: "t" }));
      const stored = new StoredSymbols(columnsOf(symbols, symbols.length));
      for (const rows of [columns, stored])
        expect(new NearSearch().of(wanted, (like) => rows.namesLike(like))).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});

test("what compilers put behind a name is no part of it, however much of it there is", () => {
  for (const name of [
    "f.1",
    "f.isra.0",
    "f.isra.0.cold",
    "f.constprop.0.isra.2",
    "f.part.0",
    "f.llvm.123456",
    "f.cold",
  ])
    expect([name, shapeOf(name).stem]).toEqual([name, "f"]);
  for (const name of ["f", "f.x", "f.isra", ".isra.0", "5", `f.${"1".repeat(60)}x`])
    expect(shapeOf(name).stem).toBe(name);
  expect(shapeOf(`f${".1".repeat(200_000)}`).stem).toBe("f");
});
