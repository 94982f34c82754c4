import { expect, test } from "vitest";
import { matchFiles } from "../../../src/diff/correlate/files.ts";

const pairs = (a: string, b: string): string =>
  [...matchFiles(a.split(""), b.split(""))]
    .sort(([x], [y]) => x - y)
    .map(([x, y]) => `${x}${y}`)
    .join(" ");

// Letters stand for names of source files, in the order in which a linker put them together.
test.each([
  ["abc", "abc", "11 22 33"],
  ["abc", "abxc", "11 22 34"],
  // Which a is gone, its neighbours do not tell.
  ["aaba", "aba", "32 43"],
  ["xaby", "xabay", "11 22 33 45"],
  ["aab", "axab", "11 23 34"],
  ["abc", "xyz", ""],
  ["", "a", ""],
])("%s and %s: %s", (a, b, wanted) => {
  expect(pairs(a, b)).toBe(wanted);
});

test("lists too long for a table keep what is the same at both ends", () => {
  const many = Array.from({ length: 9000 }, (_, i) => `${i}`);
  const found = matchFiles(["a", ...many, "z"], ["a", ...many.map((n) => `x${n}`), "z"]);
  expect([...found]).toEqual([
    [1, 1],
    [9002, 9002],
  ]);
});
