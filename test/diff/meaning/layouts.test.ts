// What holds a struct of another layout, of types that no compiler writes: how much is looked through is counted. The rest is held by
// test/passes/diff/meaning.test.ts, of compiled objects.

import { expect, test, vi } from "vitest";
import { TooMuchWork, Work, WorkPool } from "../../../src/base/work.ts";
import { compareTypes } from "../../../src/diff/meaning/layouts.ts";
import type { Aggregate, Member, TypeTable } from "../../../src/elf/typeTable.ts";

const integer = (path: string, at: number): Member => ({
  ...{ path, at, bits: 32, isBitField: false },
  type: { kind: "integer", size: 4, word: "s32", holds: null },
});
const held = (name: string): Member => ({
  ...{ path: name, at: 0, bits: null, isBitField: false },
  type: { kind: "struct", size: 8, word: name, holds: name },
});
const struct = (name: string, members: readonly Member[]): [string, Aggregate] => [
  name,
  { name, scope: null, size: 8, members, declared: null },
];
const table = (aggregates: readonly [string, Aggregate][]): TypeTable => ({
  source: "DWARF",
  aggregates: new Map(aggregates),
  ...{ enumerators: new Map(), signatures: new Map(), uses: new Map(), variables: new Map() },
});

const COUNT = 40;
/** So many structs in each of which two members change places, and a chain of as many, each in the one before, the first with all of these in it. */
const tables = [0, 1].map((side) => {
  const turned = Array.from({ length: COUNT }, (_, i) =>
    struct(`t${i}`, [integer("a", side * 32), integer("b", 32 - side * 32)]),
  );
  const first = struct(
    "c0",
    Array.from({ length: COUNT }, (_, i) => held(`t${i}`)),
  );
  const chain = Array.from({ length: COUNT - 1 }, (_, i) => struct(`c${i + 1}`, [held(`c${i}`)]));
  return table([...turned, first, ...chain]);
}) as [TypeTable, TypeTable];

test("each of many structs is held by all of a chain, and each step counts", () => {
  const work = new Work("patched.o", 0);
  const take = vi.spyOn(work, "take");
  const { layouts } = compareTypes(...tables, work);
  const names = Array.from({ length: COUNT }, (_, i) => `c${i}`);
  expect(layouts.map((l) => l.holders)).toEqual(Array.from({ length: COUNT }, () => names));
  const steps = take.mock.calls.reduce((sum, [n]) => sum + n, 0);
  expect(steps).toBeGreaterThanOrEqual(COUNT * COUNT);
  expect(steps).toBeLessThanOrEqual(2 * COUNT * COUNT);
});

test("where more are held by more than is in proportion, it is given up", () => {
  const pool = new WorkPool();
  pool.take((1 << 28) - COUNT * COUNT);
  const search = (): unknown => compareTypes(...tables, new Work("patched.o", 0, pool));
  expect(search).toThrow(expect.objectContaining({ what: "looking for what holds a struct" }));
  expect(search).toThrow(TooMuchWork);
});

test("structs in a circle, as damaged debug information has them, are looked at once", () => {
  const [one, other] = [0, 1].map((side) =>
    table([
      struct("t", [integer("a", side * 32), integer("b", 32 - side * 32)]),
      struct("x", [held("t"), held("y")]),
      struct("y", [held("x")]),
    ]),
  ) as [TypeTable, TypeTable];
  expect(compareTypes(one, other, new Work("x.o", 0)).layouts.map((l) => l.holders)).toEqual([["x", "y"]]);
});
