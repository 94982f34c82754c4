// Patches that are made to take long: their work is in proportion to their size, or they are given up. Work that grows with the square would
// not end within the time that a test may take.

import { expect, test } from "vitest";
import { TooMuchWork } from "../../../src/base/work.ts";
import { applyPatches } from "../../../src/build/patch/apply.ts";
import { PatchError } from "../../../src/build/patch/file.ts";
import { parsePatch } from "../../../src/build/patch/parse.ts";

const parse = (text: string) => parsePatch(new Uint8Array(Buffer.from(text, "latin1")), "p");
const apply = (text: string, tree: Readonly<Record<string, string>> = {}, fuzz = 0) =>
  applyPatches(parse(text), (path) => tree[path] ?? null, fuzz);
const change = (path: string, hunks: string): string => `--- a/${path}\n+++ b/${path}\n${hunks}`;
const added = (path: string, count: number, line: string): string =>
  `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1,${count} @@\n${`+${line}\n`.repeat(count)}`;

test("100,000 hunks of one file", () => {
  const n = 100_000;
  const source = Array.from({ length: 2 * n }, (_, i) => `line ${i}\n`).join("");
  const hunks = Array.from({ length: n }, (_, i) => `@@ -${2 * i + 1} +${2 * i + 1} @@\n-line ${2 * i}\n+new\n`);
  const [file] = apply(change("f.c", hunks.join("")), { "f.c": source }).files;
  expect(file?.text?.match(/^new$/gm)?.length).toBe(n);
});

test("a million lines and more are refused", () => {
  expect(() => parse(change("f.c", "@@ -1 +1 @@\n-a\n+b\n".repeat(400_000)))).toThrow(/p:1: malformed/);
});

test("30,000 renames, each of what the one before it made", () => {
  const n = 30_000;
  const renames = Array.from(
    { length: n },
    (_, i) => `diff --git a/f${i}.c b/f${i + 1}.c\nsimilarity index 100%\nrename from f${i}.c\nrename to f${i + 1}.c\n`,
  );
  const { files } = apply(renames.join(""), { "f0.c": "x\n" });
  expect(files.map(({ path, text }) => [path, text])).toEqual([
    ["f0.c", null],
    [`f${n}.c`, "x\n"],
  ]);
});

test.each<[string, () => string, number]>([
  [
    "a hunk that nearly fits at each of 300,000 lines, which the patch itself made",
    () => added("f.c", 300_000, "x") + change("f.c", `@@ -1,100001 +1,100000 @@\n${" x\n".repeat(100_000)}-y\n`),
    2,
  ],
  [
    "20,000 changes of one file of 200,000 lines",
    () => added("f.c", 200_000, "x") + change("f.c", "@@ -1 +1 @@\n-x\n+x\n").repeat(20_000),
    0,
  ],
  [
    "two texts that are never in step",
    () =>
      added("f.c", 2, "x") +
      change(
        "g.c",
        `@@ -1,90000 +1,90000 @@\n${Array.from({ length: 90_000 }, (_, i) => `-a${i}\n+b${i}\n`).join("")}`,
      ),
    0,
  ],
])("%s: given up, or done", (_, text, fuzz) => {
  const tree = { "g.c": Array.from({ length: 90_000 }, (__, i) => `a${i}\n`).join("") };
  let end = "done";
  try {
    apply(text(), tree, fuzz);
  } catch (error) {
    if (!(error instanceof TooMuchWork || error instanceof PatchError)) throw error;
    end = error.message;
  }
  expect(end).toMatch(/^done$|^p:\d+: unfit$|^p: applying patches takes more work/);
});

test("names of a megabyte, and numbers that no file has", () => {
  const long = "a ".repeat(500_000);
  for (const text of [
    `diff --git ${long}\nold mode 100644\nnew mode 100755\n`,
    `--- a/${long}x\n+++ b/${long}x\n@@ -1 +1 @@\n-a\n+b\n`,
    `--- a/${" ".repeat(1_000_000)}x\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n`,
    change("f.c", "@@ -999999999,999999999 +999999999,999999999 @@\n-a\n"),
  ])
    expect(() => parse(text)).toThrow(/p:\d+: malformed/);
  expect(() => apply(change("f.c", "@@ -999999999 +999999999 @@\n-b\n+c\n"), { "f.c": "a\n" })).toThrow(/unfit/);
});
