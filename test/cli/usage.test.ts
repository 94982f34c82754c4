// Wrong usage is answered with what was probably meant, and help is short enough to be read.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { klplink } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-usage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "mod.ko"), "no module");
writeFileSync(join(folder, "System.map"), "");

const run = (line: string): ReturnType<typeof klplink> => klplink(line.split(" "), { cwd: folder });

test.each([
  ["chek mod.ko -k x", "there is no command chek; did you mean `klplink check mod.ko -k x`?"],
  ["explian KLP301", "there is no command explian; did you mean `klplink explain KLP301`?"],
  ["help chek", "there is no command chek; did you mean `klplink help check`?"],
  ["check --kernl x mod.ko", "unknown option '--kernl'; did you mean `--kernel`?"],
  ["--vesion", "unknown option '--vesion'; did you mean `--version`?"],
  ["check mod.ko --format jsn", "--format jsn: the choices are text, json, sarif, github, html; did you mean `json`?"],
  ["mod.ko --from kpath", "did you mean `kpatch`?"],
  ["check", "missing required argument 'module': the form is `klplink check [options] <module...>`"],
  ["mod.ko System.map", "A kernel's symbols go with -k"],
  ["explain KLP31", "KLP31 is not a diagnostic of this version; did you mean"],
  ["check mod.ko --sympos f", "The form is NAME=N"],
  ["model Z1", "there is no protocol Z1"],
])("klplink %s", async (line, said) => {
  const { status, stdout, stderr } = await run(line);
  expect(stderr.replace(/\s+/g, " ")).toContain(said);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
});

test.each([
  ["chekc", "there is no command chekc; did you mean `klplink check`?"],
  ["verfy", "there is no command verfy; did you mean `klplink verify`?"],
  ["verfy --format json", "did you mean `klplink verify --format json`?"],
  ["check mod", "did you mean `mod.ko`?"],
  ["check mod.k", "did you mean `mod.ko`?"],
  ["check mod.ko -k Sytem.map", "did you mean `System.map`?"],
  [".", "only `klplink check FOLDER` looks at all modules below a folder"],
])("a file that is not there: klplink %s", async (line, said) => {
  const { status, stderr } = await run(line);
  expect(stderr.replace(/\s+/g, " ")).toContain(said);
  expect(status).toBe(3);
});

test("the near command stands before what is wrong with the file", async () => {
  expect((await run("verfy")).stderr).toMatch(/^klplink: there is no command verfy.*\nerror\[KLP104\]/);
});

test("nothing to explain", async () => {
  const { status, stdout } = await klplink(["explain"], { input: new Uint8Array() });
  expect(stdout).toContain("the text is empty");
  expect(status).toBe(1);
});

describe("help", async () => {
  const program = (await klplink(["--help"])).stdout;
  const commands = program
    .slice(program.indexOf("Commands:"), program.indexOf("Examples:"))
    .match(/(?<=^ {2})[a-z]+/gm);

  test("the program's fits a screen", () => {
    const lines = program.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(commands?.length).toBeGreaterThanOrEqual(9);
  });

  test.each(commands ?? [])("of %s: two examples at least, and two screens at most", async (command) => {
    const { status, stdout } = await klplink([command, "--help"]);
    expect(status).toBe(0);
    const [, examples = ""] = stdout.split("Examples:\n");
    expect(examples.match(/klplink /g)?.length).toBeGreaterThanOrEqual(2);
    expect(stdout.trimEnd().split("\n").length).toBeLessThanOrEqual(48);
  });
});
