// `check FOLDER` on a pseudo-terminal (of python3): how wide it is, and Ctrl-C.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, expect, test } from "vitest";
import { root } from "../helpers.ts";

interface Ended {
  readonly output: string;
  /** As a shell has it in `$?`: 128 and the number of the signal that ended the command. */
  readonly status: number;
  readonly timedOut: boolean;
  readonly interrupted: boolean;
}

const folder = mkdtempSync(join(tmpdir(), "klplink-tree-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const FILES = 400;
// None of them has a problem, so all that standard error gets is the line that says how far the work is.
for (let i = 0; i < FILES; i++) copyFileSync(join(root, "test/fixtures/kernel/demo-mod.ko"), join(folder, `m${i}.ko`));

/** @param interrupt once this was written, Ctrl-C is typed; empty: never. */
function onTerminal(columns: number, interrupt: string): Ended {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
  const done = spawnSync(
    "python3",
    [
      join(root, "test/tools/onTerminal.py"),
      `${columns}`,
      "240",
      interrupt,
      process.execPath,
      join(root, "bin/klplink.js"),
      "check",
      folder,
    ],
    { encoding: "utf8", env: { ...env, TERM: "xterm" }, maxBuffer: 1 << 28 },
  );
  const ended = JSON.parse(done.stdout.trim().split("\n").at(-1) ?? "") as Ended;
  return { ...ended, output: Buffer.from(ended.output, "base64").toString("utf8") };
}

test.each([0, 20, 80])("%i columns: the line says how far the work is, and the run ends", (columns) => {
  const { output, status, timedOut } = onTerminal(columns, "");
  expect({ status, timedOut }).toEqual({ status: 0, timedOut: false });
  // A state of the line stands between two moves to the start of the line; colours and other codes take no room.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's codes are what is looked for
  const [, ...states] = output.split(/\u001b\[1?G|\r(?!\n)/);
  const shown = states.map(stripVTControlCharacters).filter((s) => / of 400/.test(s) && !s.includes("\n"));
  expect(shown.length).toBeGreaterThan(0);
  for (const state of shown) expect([...state].length).toBeLessThan(columns === 0 ? 80 : columns);
  // One line a file, and what the progress line adds; a state of it for each file would be 400.
  expect(output.split("\n").length).toBeGreaterThan(FILES);
  expect(states.length).toBeLessThan(FILES);
});

test("Ctrl-C ends the run by the signal", () => {
  const { output, status, interrupted, timedOut } = onTerminal(80, "m1.ko: no error found");
  expect({ interrupted, timedOut, status }).toEqual({ interrupted: true, timedOut: false, status: 128 + 2 });
  expect(output).not.toContain("m99.ko: no error found");
});
