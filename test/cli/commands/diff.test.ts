import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

const cwd = join(root, "test/fixtures/diff/cases");
const run = (...args: readonly string[]) => klplink(["diff", ...args], { cwd });

describe.each([
  ["x86_64", "f+0x10:  83 ff 05  cmpl   $5,%edi", "f+0x10:  83 ff 06  cmpl   $6,%edi"],
  ["arm64", "cmp    w0,5", "cmp    w0,6"],
  ["ppc64le", "cmpwi  r3,5", "cmpwi  r3,6"],
])("%s", (arch, before, after) => {
  test("-v shows the instruction on both sides", async () => {
    const { stdout, status } = await run("-v", `constant.${arch}.orig.o`, `constant.${arch}.patched.o`);
    expect(status).toBe(0);
    const [, minus, plus] = /^ {2}- (.*)\n {2}\+ (.*)$/m.exec(stdout) ?? [];
    expect(minus).toContain(before.replace(/^f\+0x10: /, ""));
    expect(plus).toContain(after.replace(/^f\+0x10: /, ""));
    expect(stdout).toMatch(/functions 1 changed, 0 new, 0 removed, 2 same/);
  });

  test("an object and itself: no functional change, status 0", async () => {
    const { stdout, status } = await run(`constant.${arch}.orig.o`, `constant.${arch}.orig.o`);
    expect(stdout).toMatch(/: no functional change$/m);
    expect(status).toBe(0);
  });

  test("a line number that a call reports is listed under -v", async () => {
    const { stdout } = await run("-v", `line.${arch}.orig.o`, `line.${arch}.patched.o`);
    expect(stdout).toMatch(/f: line \d+ became 41 in a call of __might_sleep/);
  });
});

test("wrong usage", async () => {
  expect((await run("a.o")).status).toBe(2);
  expect((await run("constant.arm64.orig.o", "constant.arm64.orig.o", "--pair", "x")).status).toBe(2);
  expect((await run("constant.arm64.orig.o", "missing.o")).status).toBe(3);
});

test("--entry-size states the size of an entry", async () => {
  const pair = ["odd-bug-table.x86_64.orig.o", "odd-bug-table.x86_64.patched.o"];
  expect((await run(...pair)).status).toBe(1);
  expect((await run(...pair, "--entry-size", "__bug_table=20")).status).toBe(0);
  const wrong = await run(...pair, "--entry-size", "__bug_table=8");
  expect([wrong.status, wrong.stdout.includes("KLP734") || wrong.stderr.includes("KLP734")]).toEqual([1, true]);
  for (const text of ["__bug_table", "__bug_table=", "__bug_table=0", "=4", "__bug_table=-4"])
    expect((await run(...pair, "--entry-size", text)).status, text).toBe(2);
});

test("where there is no debug information, -v says that types were not compared", async () => {
  const { stdout } = await run("-v", "constant.x86_64.orig.o", "constant.x86_64.patched.o");
  expect(stdout).toContain("structures, enums and parameters are not compared: no debug information");
  const quiet = await run("constant.x86_64.orig.o", "constant.x86_64.patched.o");
  expect(quiet.stdout).not.toContain("structures");
});

test("--graph draws what is taken, in the form that the name asks for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-graph-"));
  const pair = ["constant.x86_64.orig.o", "constant.x86_64.patched.o"];
  for (const [name, begin] of [
    ["a.svg", "<svg"],
    ["a.html", "<!doctype html>"],
    ["a.dot", "digraph"],
    ["a.txt", "constant"],
  ] as const) {
    expect((await run(...pair, "--graph", join(folder, name))).status).toBe(0);
    expect(readFileSync(join(folder, name), "utf8").startsWith(begin), name).toBe(true);
  }
  expect((await run(...pair, "--graph", join(folder, "a.png"))).status).toBe(2);
  expect((await run(...pair, "--graph", join(folder, "none", "a.svg"))).status).toBe(3);
  rmSync(folder, { recursive: true });
});
