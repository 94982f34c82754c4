// What is installed is bin/, dist/, glue/ and package.json, without node_modules.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";

describe("bin and dist alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-installed-"));
  beforeAll(() => {
    builtCommand();
    for (const part of ["bin", "dist", "glue", "package.json"])
      cpSync(join(root, part), join(folder, part), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs it with a note on standard error of each file that node loads as code or WebAssembly. */
  function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const done = spawnSync(process.execPath, [join(folder, "bin/klplink.js"), ...args], {
      cwd: join(root, "test/fixtures"),
      env: { PATH: process.env.PATH },
    });
    return { status: done.status, stdout: done.stdout.toString(), stderr: done.stderr.toString() };
  }

  test("a run that never comes to its end is not taken for a good one", () => {
    const never = join(folder, "never.cjs");
    writeFileSync(never, "Blob.prototype.stream = () => new ReadableStream();\n");
    const args = ["--require", never, join(folder, "bin/klplink.js"), "check", "diag/zeros.ko.xz"];
    const done = spawnSync(process.execPath, args, {
      cwd: join(root, "test/fixtures"),
      env: { PATH: process.env.PATH },
    });
    expect(done.status).toBe(70);
    expect(done.stderr.toString()).toMatch(/^klplink: internal error in version \S+: it did not come to an end$/m);
  });

  test("a diagnostic with its instructions", () => {
    const { status, stderr } = run("check", "diag/meminfo-debug.o");
    expect(status).toBe(1);
    expect(stderr).toContain("bl     show_val_kb");
    expect(stderr).toContain("meminfo.c:36:2");
  });

  test("the glue", () => {
    const to = join(folder, "patch");
    expect(run("glue", to)).toMatchObject({ status: 0, stderr: "" });
    for (const name of ["klplink-init.c", "klplink.h", "Kbuild"])
      expect(readFileSync(join(to, name))).toEqual(readFileSync(join(root, "glue", name)));
  });

  test("debug sections compressed with zstd", () => {
    const { stdout } = run(
      "explain",
      "--format",
      "json",
      "--module",
      "dwarf/linked-zstd.o",
      "linked_zstd: Unknown symbol show (err -2)",
    );
    const lines = (JSON.parse(stdout) as { lines: { candidates: { source: { line: number }[] }[] }[] }).lines;
    expect(lines[0]?.candidates[0]?.source[0]?.line).toBeGreaterThan(0);
  });

  test("the disassembler is not there unless a diagnostic is shown", () => {
    rmSync(join(folder, "dist/capstone"), { recursive: true });
    expect(run("check", "rules/good.o", "-q")).toMatchObject({ stderr: expect.stringContaining("KLP301") as string });
    const linked = run("rules/good.o", "-o", join(folder, "out.o"));
    expect(linked).toMatchObject({ status: 0, stderr: "" });
    expect(run("check", join(folder, "out.o"))).toMatchObject({ status: 0, stderr: "" });
  });
});
