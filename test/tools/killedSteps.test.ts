// Runs that are killed at each of their calls that change anything in the file system, one after the other, and half-way through each write; and
// runs for which the disk is full from each such call on (test/tools/endAt.cjs counts the calls in the program as it is installed). What was
// there is there, or what was to be, whole; the next run takes away what was left, or finishes it. With KLPLINK_KILLS set, every call; else some.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";

const isLong = process.env.KLPLINK_KILLS !== undefined;
/** So many calls of a run are tried in the short form, spread over all. */
const SOME = { kill: 6, half: 2, full: 3 } as const;

const folder = mkdtempSync(join(tmpdir(), "klplink-steps-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const work = join(folder, "work");
const cache = join(folder, "cache");
const counted = join(folder, "count");
const IN = join(work, "in.o");
const RAW = join(work, "raw");
const OUT = join(work, "out");
const MEMINFO = join(root, "samples/ppc64le/meminfo");
const VMLINUX = join(root, "test/fixtures/kernel/vmlinux-x86_64");
const MODULE = join(root, "test/fixtures/kernel/demo-mod.ko");
const PAIRS = join(root, "test/fixtures/diff/pairs");
/** A tree with programs that stand for make and gcc. */
const BUILD = join(root, "test/fixtures/diag");
const DIFF = `--- a/fs/proc/version.c
+++ b/fs/proc/version.c
@@ -1,6 +1,7 @@
 // SPDX-License-Identifier: MIT
 int version(void)
 {
+\t/* patched */
 \treturn 1;
 }
 
`;

interface Way {
  readonly args: readonly string[];
  /** What the run writes: a file, or a folder. */
  readonly place: string;
  /** What is there before; nothing, unless said. */
  readonly before?: () => void;
  /** False: the run ends well without it (a cache), and its output is compared. */
  readonly isOutput?: boolean;
  readonly cwd?: string;
}

const PATCH = join(folder, "version.patch");
writeFileSync(PATCH, DIFF);
const rawBefore = (): void => {
  mkdirSync(join(RAW, "deep"), { recursive: true });
  for (const name of ["foreign", "deep/foreign", ".text", ".modinfo", "__versions"])
    writeFileSync(join(RAW, name), name);
};
const [orig = ""] = readdirSync(PAIRS)
  .filter((name) => /x86_64.*\.orig\.o$|orig\.o$/.test(name))
  .sort();
const link = ["link", IN, "-k", join(MEMINFO, "System.map"), "--force"];
const drawn = (file: string): readonly string[] => [
  ...["diff", join(PAIRS, orig), join(PAIRS, orig.replace("orig", "patched")), "--graph", file],
];

const WAYS: Readonly<Record<string, Way>> = {
  "link --in-place": { args: [...link, "--in-place"], place: IN },
  "link -o": { args: [...link, "-o", OUT], place: OUT },
  "link -o, in place of a file": { args: [...link, "-o", OUT], place: OUT, before: () => writeFileSync(OUT, "old") },
  image: { args: ["image", MODULE, "-o", OUT, "--force"], place: OUT },
  "image --raw": { args: ["image", MODULE, "--raw", RAW, "--force"], place: RAW },
  "image --raw, into a folder with files": {
    args: ["image", MODULE, "--raw", RAW, "--force"],
    place: RAW,
    before: rawBefore,
  },
  "glue --force, into a folder with files": {
    args: ["glue", "--force", RAW],
    place: RAW,
    before: () => {
      mkdirSync(join(RAW, "linux"), { recursive: true });
      for (const name of ["Kbuild", "foreign", "linux/livepatch_helpers.h"]) writeFileSync(join(RAW, name), "old");
    },
  },
  "diff --graph .svg": { args: drawn(`${OUT}.svg`), place: `${OUT}.svg` },
  "diff --graph .html": { args: drawn(`${OUT}.html`), place: `${OUT}.html` },
  "model --svg": { args: ["model", "X1", "--svg", OUT], place: OUT },
  "the index of a kernel": {
    args: ["check", MODULE, "--against", VMLINUX, "--format", "json"],
    place: join(cache, "klplink/kernels"),
    isOutput: false,
  },
  "the program's own code": { args: ["show", MODULE], place: join(cache, "klplink/code"), isOutput: false },
  "the cache of build": {
    args: [
      ...["build", PATCH, "--source", "build/tree", "-k", "../kernel/vmlinux-x86_64", "--config", "build/config"],
      "--dry-run",
    ],
    place: join(cache, "build"),
    isOutput: false,
    cwd: BUILD,
  },
};

/** Fresh surroundings. */
function prepare({ before }: Way): void {
  for (const part of [work, cache]) rmSync(part, { recursive: true, force: true });
  mkdirSync(work);
  mkdirSync(cache);
  copyFileSync(join(MEMINFO, "meminfo.o"), IN);
  before?.();
}

// The program as it is installed, but for the code that a build leaves beside it.
builtCommand();
for (const part of ["bin", "dist/klplink.cjs", "dist/capstone", "dist/apart", "glue"])
  cpSync(join(root, part), join(folder, part), { recursive: true });
const START = join(folder, "start.cjs");
// As a program that starts klplink, not as a flag of Node: with flags the program's own code is not kept.
writeFileSync(
  START,
  `require(${JSON.stringify(join(root, "test/tools/endAt.cjs"))});
process.argv.splice(1, 1, ${JSON.stringify(join(folder, "bin/klplink.js"))});
require(process.argv[1]);`,
);

function run(way: Way, when: string): { status: number | null; signal: NodeJS.Signals | null; said: string } {
  const env = {
    ...process.env,
    XDG_CACHE_HOME: cache,
    KLPLINK_CACHE: cache,
    PATH: `${join(BUILD, "build/bin")}:${process.env.PATH}`,
    KLPLINK_END_AT: when,
    KLPLINK_END_COUNT: counted,
    NODE_OPTIONS: "",
  };
  const done = spawnSync(process.execPath, [START, ...way.args], { cwd: way.cwd ?? folder, env });
  // Steps that a later run need not take again are not told of.
  const stderr = done.stderr.toString().replace(/^klplink: (?:copies|configures) .*\n/gm, "");
  return { status: done.status, signal: done.signal, said: done.stdout.toString() + stderr };
}

/** What stands at a place, to be compared, but for what a run has not finished; null: nothing. */
function contentOf(place: string): string | null {
  const there = statSync(place, { throwIfNoEntry: false });
  if (there === undefined) return null;
  if (!there.isDirectory()) return readFileSync(place).toString("base64");
  return readdirSync(place)
    .filter((name) => !name.startsWith(".klplink-"))
    .sort()
    .map((name) => `${name}: ${contentOf(join(place, name))}`)
    .join("\n");
}

/** Files below a folder that were never to stay. */
const LEFT = /(?:^|\/)(?:\.klplink-[^/]*\.tmp|[^/]*\.\d+\.tmp|[^/]*\.draft|(?:lock|stale)-\d+)(?:$|\/)/;
const left = (): string[] =>
  [work, cache].flatMap((at) =>
    readdirSync(at, { recursive: true, encoding: "utf8" }).filter((path) => LEFT.test(path)),
  );

/** Numbers of the calls that are tried, of so many. */
function calls(count: number, how: keyof typeof SOME): number[] {
  const all = Array.from({ length: count }, (_, i) => i + 1);
  const at = (n: number): number => Math.floor((n * SOME[how]) / count);
  return isLong ? all : all.filter((n) => at(n) !== at(n - 1));
}

describe.each(Object.entries(WAYS))("%s", (name, way) => {
  const { place, isOutput = true } = way;
  /** The undisturbed run. */
  function whole(): {
    before: string | null;
    after: string | null;
    said: string;
    status: number | null;
    count: number;
  } {
    prepare(way);
    const before = contentOf(place);
    const { status, said } = run(way, "count");
    return { before, after: contentOf(place), said, status, count: Number(readFileSync(counted, "utf8")) };
  }

  test.each(["kill", "half"] as const)("%s", (how) => {
    const { before, after, said, status, count } = whole();
    expect([status === 0 || status === 1, after === before, count > 1, left()]).toEqual([true, false, true, []]);
    for (const n of calls(count, how)) {
      const at = `${how} ${n} of ${count}`;
      prepare(way);
      expect([at, run(way, `${how} ${n}`).signal]).toEqual([at, "SIGKILL"]);
      if (isOutput) {
        // A folder may be amid the renames: then the next run finishes them, even one that can write nothing itself.
        if (left().some((path) => existsSync(join(work, path, "moves.json")))) run(way, "full 1");
        const now = contentOf(place);
        expect([at, now === before || now === after]).toEqual([at, true]);
      }
      const next = run(way, "count");
      expect([at, next.status, left()]).toEqual([at, status, []]);
      if (isOutput) expect([at, contentOf(place) === after]).toEqual([at, true]);
      else expect([at, next.said]).toEqual([at, said]);
    }
    if (isLong) console.log(name, how, count);
  });

  test("a full disk", () => {
    const { before, after, said, status, count } = whole();
    for (const n of calls(count, "full")) {
      const at = `full from ${n} of ${count} on`;
      prepare(way);
      const ended = run(way, `full ${n}`);
      // The last calls may be such as need no room.
      const isDone = isOutput && contentOf(place) === after;
      if (isOutput && !isDone)
        expect([at, ended.status, ended.said, contentOf(place) === before]).toEqual([
          at,
          3,
          expect.stringMatching(/KLP105.*no space left/s),
          true,
        ]);
      else if (isDone) expect([at, ended.status]).toEqual([at, status]);
      else if (name === "the cache of build")
        expect([at, ended.status, ended.said]).toEqual([
          at,
          expect.toBeOneOf([0, 3]),
          expect.stringMatching(/no space\s+left|nothing was compiled/),
        ]);
      else expect([at, ended.status, ended.said]).toEqual([at, status, said]);
      expect([at, left()]).toEqual([at, []]);
      const next = run(way, "count");
      expect([at, next.status, left()]).toEqual([at, status, []]);
      if (isOutput) expect([at, contentOf(place) === after]).toEqual([at, true]);
      else expect([at, next.said]).toEqual([at, said]);
    }
    if (isLong) console.log(name, "full", count);
  });
});
