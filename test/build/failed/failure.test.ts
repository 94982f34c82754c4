// What is recognised in real outputs of compilers, linkers, modpost, objtool and make (test/build/failed/said; make.sh beside them captures
// them and says which versions they are of): the lines that a reader would point at, by their numbers.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Failure, lastLines } from "../../../src/build/failed/failure.ts";
import { makeFailure, Programs } from "../../../src/build/make.ts";
import { titleOf } from "../../../src/diag/catalogue.ts";

const linesOf = (name: string): string[] =>
  readFileSync(join(import.meta.dirname, "said", `${name}.txt`), "utf8")
    .replace(/\n$/, "")
    .split("\n");
const failureOf = (lines: readonly string[]): Failure => {
  const failure = new Failure();
  for (const line of lines) failure.add(line);
  return failure;
};
/** Numbers of lines, from 1: `1-3 5`. */
const numbers = (text: string): number[] =>
  text.split(" ").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });

describe("what is said of the first file that failed", () => {
  test.each([
    // Not the warnings between them, nor what follows a warning.
    ["gcc", 3, "1-7 11-19"],
    ["gcc-werror", 1, "1-10"],
    ["gcc-include", 1, "1-3"],
    ["gcc-option", 1, "1"],
    ["gcc-killed", 1, "1"],
    ["gas", 2, "1-2"],
    ["clang", 2, "1-4 16-24"],
    ["clang-werror", 1, "1-7"],
    ["clang-option", 1, "1"],
    ["clang-asm", 1, "1-6"],
    ["ld", 2, "1-2 4-6"],
    ["ld-absent", 1, "1"],
    ["lld", 1, "1-5"],
    ["make-rule", 1, "1"],
    ["make-syntax", 1, "1"],
    ["modpost-6.1", 3, "3-4"],
    ["modpost-6.12", 3, "3-4"],
    ["modpost-7.2", 7, "7-8"],
    ["objtool-7.2", 5, "5"],
  ])("%s", (name, first, kept) => {
    const lines = linesOf(name);
    const { place, lines: said } = failureOf(lines);
    expect(said).toEqual(numbers(kept).map((n) => lines[n - 1]));
    expect(place).toBe(lines[first - 1]);
  });

  test("between the lines of another compiler", () => {
    // Both say the same of the header; what is shown is of one of the two sources.
    const { lines, place } = failureOf(linesOf("make-j"));
    expect(place).toMatch(/^h\.h:3:16: error: 'not_declared' undeclared/);
    const sources = lines.flatMap((line) => /(?<![\w.])[ab]\.c/.exec(line) ?? []);
    expect(sources.length).toBeGreaterThan(3);
    expect(new Set(sources).size).toBe(1);
    expect(lines.filter((line) => line.includes(": error: "))).toHaveLength(3);
  });

  test("of many errors the first, and how many more there are", () => {
    const lines = Array.from({ length: 500 }, (_, i) => `fs/x.c:${i + 1}:1: error: expected ';' before 'x'`);
    const failure = failureOf(lines);
    expect(failure.lines).toEqual([...lines.slice(0, 20), "… and 480 more"]);
  });

  test("what two kernels' makes say of one target is no error of a compiler", () => {
    expect(
      failureOf(["  CC      fs/x.o", "make[3]: *** [scripts/Makefile.build:250: fs/x.o] Error 1"]).place,
    ).toBeNull();
  });
});

describe("where nothing is recognised, the last lines without make's way up", () => {
  test.each([
    ["script", "1-4"],
    ["killed", "1"],
    ["objtool-7.2", "1-6"],
  ])("%s", (name, kept) => {
    const lines = linesOf(name);
    expect(lastLines(lines, 8)).toEqual(numbers(kept).map((n) => lines[n - 1]));
    expect(failureOf(linesOf("script")).place).toBeNull();
  });
});

test("make that is killed", async () => {
  const programs = new Programs(process.env);
  const ended = await programs.run("sh", ["-c", "echo '  CC      fs/x.o'; kill -9 $$"]);
  const { problems, status } = makeFailure("compiles the original", ended, programs, "/tree");
  expect([status, problems.map(titleOf)]).toEqual([
    1,
    ["compiles the original failed: make was ended from outside, by SIGKILL"],
  ]);
});
