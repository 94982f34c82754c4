// On a terminal (of script, package bsdutils): text is as wide as the terminal, and coloured; long lists go through a pager.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, expect, test } from "vitest";
import { root } from "../helpers.ts";

const CHECK = ["check", "samples/ppc64le/meminfo/meminfo.o"];

/** Lines that a run writes to a terminal. @param args of simple words */
function onTerminal(columns: number, args: readonly string[] = CHECK, more: NodeJS.ProcessEnv = {}): string[] {
  const command = `stty cols ${columns} rows 40; ${process.execPath} bin/klplink.js ${args.join(" ")}`;
  const { FORCE_COLOR: _force, NO_COLOR: _no, PAGER: _pager, LESS: _less, ...env } = process.env;
  const { error, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    cwd: root,
    encoding: "utf8",
    input: "",
    env: { ...env, TERM: "xterm", ...more },
  });
  if (error !== undefined) throw new Error(`script: ${error.message}: apt-get install bsdutils`);
  return stdout.replaceAll("\r", "").split("\n");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are what is looked for
const bare = (line: string): string => line.replace(/\u001b\[[0-9;]*m/g, "");

test.each([80, 110, 140])("%i columns", (columns) => {
  const lines = onTerminal(columns);
  expect(lines.join("")).toContain("\u001b[");
  // The kernel's words and commands are not broken: they are there to be compared and copied.
  const prose = lines.map(bare).filter((line) => !/kernel: |`|^ *>? *[0-9a-f]+: /.test(line));
  const longest = Math.max(...prose.map((line) => line.length));
  expect(longest).toBeLessThanOrEqual(columns);
  expect(longest).toBeGreaterThan(columns - 20);
});

const MEMINFO = "samples/ppc64le/meminfo/meminfo.o";

test.each([
  CHECK,
  ["check", "samples"],
  ["show", "--no-pager", MEMINFO],
  ["sites", MEMINFO],
  ["explain", "KLP301"],
  ["explain", "-m", MEMINFO, "'module_64: meminfo: Expect noop after relocate, got 38210080'"],
  ["model", "A1"],
  ["doctor"],
  ["--help"],
  ["build", "--help"],
])("60 columns, klplink %s %s: the terminal breaks no line within a word", (...args) => {
  // The line that says how far the work is, is drawn over: what is seen stands behind the last move to the left.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's codes are what is looked for
  const lines = onTerminal(60, args).map((line) => stripVTControlCharacters(line.split(/\u001b\[1?G/).at(-1) ?? ""));
  const words = (text: readonly string[]): string =>
    text
      .join(" ")
      .replace(/\\(?= )/g, "")
      .replace(/\s+/g, " ")
      .trim();
  // What is longer is one word.
  for (const line of lines) if (/\S\s+\S/.test(line)) expect(line.length, line).toBeLessThanOrEqual(60);
  expect(lines.length).toBeGreaterThan(3);
  // Nothing is lost on the way: where the text is not laid out anew, it has the words that a wide terminal gets.
  if (args[0] === "show") expect(words(lines)).toBe(words(onTerminal(400, args).map(bare)));
});

test("a terminal that has no colour, by its name", () => {
  const lines = onTerminal(80, CHECK, { TERM: "dumb" });
  expect(lines.join("")).toContain("error[KLP301]");
  expect(lines.join("")).not.toContain("\u001b");
  // Asked for, it is there.
  expect(onTerminal(80, CHECK, { TERM: "dumb", FORCE_COLOR: "1" }).join("")).toContain("\u001b[");
});

const folder = mkdtempSync(join(tmpdir(), "klplink-terminal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("show goes through PAGER, which gets the manners that less is given; --no-pager, cat, a pipe and a bad PAGER go without", () => {
  const got = join(folder, "got");
  const pager = join(folder, "pager");
  writeFileSync(pager, `#!/bin/sh\necho "$LESS" > ${got}; cat >> ${got}; echo paged\n`, { mode: 0o755 });
  const shown = (args: readonly string[], PAGER: string): { text: string; paged: string } => {
    writeFileSync(got, "");
    const text = onTerminal(100, args, { PAGER }).join("\n");
    return { text, paged: readFileSync(got, "utf8") };
  };
  const show = ["show", MEMINFO];
  const { text, paged } = shown(show, pager);
  expect(text.trim()).toBe("paged");
  expect(paged).toMatch(/^FRX\n\S+meminfo\.o: ELF64[\s\S]*\nRelocations\n[\s\S]*show_val_kb/);
  for (const [args, command] of [
    [[...show, "--no-pager"], pager],
    [[...show, "--format", "json"], pager],
    [show, "cat"],
    [show, "''"],
    [show, "no-such-pager -x"],
    [[...show, "|", "cat"], pager],
  ] as const) {
    const without = shown(args, command);
    expect(without.paged, args.join(" ")).toBe("");
    expect(without.text).toMatch(/Relocations|"relocations"/);
    expect(without.text).not.toMatch(/paged|not found/);
  }
});

test.each([
  ["a file", MEMINFO],
  ["a file that takes many writes", "test/fixtures/moved/gcc-4.o"],
])("a pager that is left early ends the run well: %s", (_, path) => {
  const lines = onTerminal(100, ["show", path, "; echo status $?"], { PAGER: "head -1" });
  expect(lines.filter((line) => line !== "")).toEqual([expect.stringContaining("ELF64"), "status 0"]);
});
