import { expect, test } from "vitest";
import { NumberSet } from "../../src/base/numberSet.ts";

test("indices are there once, however far apart, and come in ascending order", () => {
  const set = new NumberSet(2);
  const asked = [5, 1, 100_000, 5, 0, 63, 64, 1];
  const expected = new Set<number>();
  for (const index of asked) {
    expect(set.has(index)).toBe(expected.has(index));
    expect(set.add(index)).toBe(!expected.has(index));
    expected.add(index);
    expect(set.size).toBe(expected.size);
  }
  expect([...set]).toEqual([0, 1, 5, 63, 64, 100_000]);
  set.delete(63);
  set.delete(62);
  set.delete(1_000_000);
  expect([...set]).toEqual([0, 1, 5, 64, 100_000]);
  expect(set.size).toBe(5);
  expect(set.has(63)).toBe(false);
});
