import { expect, test } from "vitest";
import { groupsOf } from "../../../src/build/patch/apply.ts";
import { withLines } from "../../../src/build/patch/lines.ts";

/** The numbers that a compiler gives to the lines of a text (C11 6.10.4), by their text. Conditionals count as true. */
function numbers(text: string): Map<string, number> {
  const found = new Map<string, number>();
  let next = 1;
  for (const line of text.split("\n").slice(0, -1)) {
    const set = /^#line (\d+)$/.exec(line);
    if (set === null) found.set(line, next++);
    else next = Number(set[1]);
  }
  return found;
}
const rewritten = (before: string, after: string, path = "f.c"): string =>
  withLines(path, after, groupsOf(before, after));
const file = (...lines: string[]): string => lines.map((l) => `${l}\n`).join("");

test("lines behind a change keep their numbers", () => {
  const before = file("a", "b", "c", "d", "e", "f", "g", "h", "i");
  const after = file("a", "b", "new", "newer", "c", "d", "e", "f", "h", "i");
  const out = rewritten(before, after);
  expect(out).toBe(file("a", "b", "new", "newer", "#line 3", "c", "d", "e", "f", "#line 8", "h", "i"));
  const was = numbers(before);
  for (const [line, n] of numbers(out)) if (was.has(line)) expect([line, n]).toEqual([line, was.get(line)]);
});

test("none where nothing moved, in files of other kinds, or with directives of their own", () => {
  expect(rewritten(file("a", "b", "c", "d", "e"), file("a", "B", "c", "d", "e"))).not.toContain("#line");
  expect(rewritten(file("a", "b"), file("a", "x", "b"), "f.S")).not.toContain("#line");
  expect(rewritten(file("#line 7", "b"), file("#line 7", "x", "b"))).toBe(file("#line 7", "x", "b"));
});

test.each([
  ["a line that goes on", ["#define M \\", "\tone \\", "\ttwo"], "\tnew \\", 2],
  ["a comment", ["/*", " * one", " */"], " * new", 2],
  ["arguments", ["f(a,", "  b,", "  c);"], "  new,", 2],
])("not in %s: behind it", (_, lines, added, at) => {
  const before = file("start", ...lines, "after", "end", "last");
  const changed = [...lines.slice(0, at - 1), added, ...lines.slice(at - 1)];
  const out = rewritten(before, file("start", ...changed, "after", "end", "last"));
  expect(out).toBe(file("start", ...changed, `#line ${lines.length + 2}`, "after", "end", "last"));
});

test("under a condition, and again where it ends: the compiler may pass over the first", () => {
  const before = file("#ifdef A", "one", "#else", "two", "#endif", "after");
  const out = rewritten(before, file("#ifdef A", "new", "one", "#else", "two", "#endif", "after"));
  expect(out).toBe(file("#ifdef A", "new", "#line 2", "one", "#else", "two", "#endif", "#line 6", "after"));
});

test("an apostrophe in an #error is no character, and one in a comment none either", () => {
  const before = file("#error don't", "// isn't", "a", "b", "c", "d");
  const out = rewritten(before, file("#error don't", "// isn't", "new", "a", "b", "c", "d"));
  expect(out).toBe(file("#error don't", "// isn't", "new", "#line 3", "a", "b", "c", "d"));
});
