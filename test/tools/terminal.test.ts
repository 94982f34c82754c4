// On a terminal (of script, package bsdutils): text is as wide as the terminal, and coloured.

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { root } from "../helpers.ts";

function onTerminal(columns: number): string[] {
  const command = `stty cols ${columns} rows 40; ${process.execPath} bin/klplink.js check samples/ppc64le/meminfo/meminfo.o`;
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
  const { error, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    cwd: root,
    encoding: "utf8",
    input: "",
    env: { ...env, TERM: "xterm" },
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
