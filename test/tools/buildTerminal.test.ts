// `build` on a pseudo-terminal (of python3): one line that says the step and how far it is, and Ctrl-C while make runs. Elsewhere: a line a
// step. The programs are those that stand for make and gcc in samples; make is one more in front of it, which names what it compiles.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, expect, test } from "vitest";
import { root } from "../helpers.ts";

const fixtures = join(root, "test/fixtures/diag");
const folder = mkdtempSync(join(tmpdir(), "klplink-terminal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const output = join(folder, "out.ko");
const { FORCE_COLOR: _force, NO_COLOR: _no, ...environment } = process.env;

/** A command, and its surroundings, with a cache of its own. @param then what make does once it has named the object */
function prepared(name: string, then: string): { readonly command: string[]; readonly env: NodeJS.ProcessEnv } {
  const programs = join(folder, name, "bin");
  mkdirSync(programs, { recursive: true });
  const make = `#!/bin/sh\nfor word; do target=$word; done\ncase $target in *.o) echo "  CC      $target"; ${then} ;; esac\nexec "${fixtures}/build/bin/make" "$@"\n`;
  writeFileSync(join(programs, "make"), make, { mode: 0o755 });
  const args = ["build/good.patch", "--source", "build/tree", "-k", "../kernel/vmlinux-x86_64"];
  return {
    command: [
      process.execPath,
      join(root, "bin/klplink.js"),
      "build",
      ...args,
      "--config",
      "build/config",
      "-o",
      output,
    ],
    env: {
      ...environment,
      TERM: "xterm",
      PATH: `${programs}:${join(fixtures, "build/bin")}:${environment.PATH}`,
      KLPLINK_CACHE: join(folder, name, "cache"),
    },
  };
}

interface Ended {
  readonly output: string;
  readonly status: number;
  readonly timedOut: boolean;
  readonly interrupted: boolean;
}

/** @param interrupt once this was written, Ctrl-C is typed; empty: never */
function onTerminal({ command, env }: ReturnType<typeof prepared>, interrupt: string): Ended {
  const script = join(root, "test/tools/onTerminal.py");
  const done = spawnSync("python3", [script, "100", "60", interrupt, ...command], {
    cwd: fixtures,
    encoding: "utf8",
    env,
  });
  const ended = JSON.parse(done.stdout.trim().split("\n").at(-1) ?? "") as Ended;
  return { ...ended, output: Buffer.from(ended.output, "base64").toString("utf8") };
}

const STEPS = [
  "reads the kernel",
  "looks for changes of the source",
  "copies the source",
  "configures the kernel",
  "prepares the build",
  "compiles the original",
  "compiles the patched source",
  "compares the objects",
];

test("on a terminal: each step on one line", () => {
  const { output: said, timedOut } = onTerminal(prepared("terminal", ":"), "");
  expect(timedOut).toBe(false);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's codes are what is looked for
  const states = said.split(/\u001b\[1?G/).map((state) => stripVTControlCharacters(state).replace(/^\S /, ""));
  const steps = states.filter((state) => /^[a-z ]+(?:$|:)/.test(state)).map((state) => state.replace(/:.*/s, ""));
  expect([...new Set(steps)]).toEqual(STEPS);
  expect(said).not.toMatch(/^klplink: /m);
});

test("elsewhere: a line a step, and nothing with --quiet", () => {
  const { command, env } = prepared("lines", ":");
  const run = (...more: string[]): string =>
    spawnSync(command[0] ?? "", [...command.slice(1), ...more], { cwd: fixtures, encoding: "utf8", env }).stderr;
  const lines = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("klplink: "));
  expect(lines(run())).toEqual(STEPS.map((step) => `klplink: ${step}`));
  expect(lines(run("--quiet"))).toEqual([]);
});

test("Ctrl-C while make compiles ends it, and leaves nothing but the cache", () => {
  const tree = join(fixtures, "build/tree");
  const state = (): string[] => readdirSync(tree, { recursive: true, encoding: "utf8" }).sort();
  const before = state();
  const note = join(folder, "compiler");
  const place = prepared("interrupted", `echo $$ >"${note}"; exec sleep 1000`);
  const ended = onTerminal(place, "compiles the original: 1 of 1: fs/proc/version.o");
  expect(ended).toMatchObject({ status: 130, timedOut: false, interrupted: true });
  expect(ended.output).toContain("klplink: interrupted; nothing was written");
  expect(existsSync(`/proc/${readFileSync(note, "latin1").trim()}`)).toBe(false);
  expect([state(), existsSync(output)]).toEqual([before, false]);
  const [key = ""] = readdirSync(join(folder, "interrupted/cache/build"));
  const left = readdirSync(join(folder, "interrupted/cache/build", key));
  expect(left.filter((name) => /^(?:lock|temporary|journal|stale)/.test(name))).toEqual([]);
});
