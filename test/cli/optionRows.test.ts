// Options whose values are names of files: a device or a pipe is refused by each that reads, and none waits. Every option of every command
// has to be in one of the lists below, so that one that comes is asked for it.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import * as rows from "../../src/cli/optionRows.ts";
import { root } from "../helpers.ts";
import { klplink } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-options-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
spawnSync("mkfifo", [at("pipe")]);
const BAD = ["/dev/zero", at("pipe")];

const MODULE = join(root, "test/fixtures/kernel/demo-mod.ko");
const PATCH = at("a.patch");
writeFileSync(PATCH, "--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n");
const PATCHED = join(root, "samples/x86_64/convert/convert.o");
const OUT = at("out");

/** By option as it is written in help: command lines in which a path that is none to be read stands for its value. */
const READS: Readonly<Record<string, (path: string) => readonly (readonly string[])[]>> = {
  "--kernel": (p) => [
    ["link", PATCHED, "-o", OUT, "-k", p],
    ["check", MODULE, "-k", p],
    ["diff", PATCHED, PATCHED, "-o", OUT, "-k", p],
    ["image", MODULE, "-o", OUT, "-k", p],
    ["show", "-k", p],
    ["explain", "x: Unknown symbol f (err -2)", "-m", MODULE, "-k", p],
    ["sites", MODULE, "-k", p],
  ],
  "--module": (p) => [
    ["link", PATCHED, "-o", OUT, "-m", p],
    ["check", MODULE, "-m", p],
    ["check", MODULE, "-m", `x=${p}`],
    ["image", MODULE, "-o", OUT, "-k", MODULE, "-m", `${MODULE}@${p}`],
    ["explain", "x: Unknown symbol f (err -2)", "-m", p],
  ],
  "--reference": (p) => [["check", MODULE, "--reference", p]],
  "--sections": (p) => [["image", MODULE, "-o", OUT, "--sections", p]],
  "--patched-by": (p) => [["image", MODULE, "-o", OUT, "--stage", "loaded", "--patched-by", p]],
};
/** Of `build`, which asks for the kernel first: here it ends there, whatever these name. */
const OF_BUILD = ["--source", "--config", "--previous", "--oot", "--sign"];
/** Folders, releases and lists of kernels. */
const FOLDERS: Readonly<Record<string, (path: string) => readonly string[]>> = {
  "--root": (p) => ["check", MODULE, "-k", "6.1.0-1-none", "--root", p],
  "--against": (p) => ["check", MODULE, "--against", p],
};
/** Written, not read. */
const WRITES = ["--output", "--raw", "--map", "--svg", "--graph", "--prefix"];
/** No names of files. */
const WORDS = [
  ...[
    "--format",
    "--color",
    "--sympos",
    "--kernel-version",
    "--toc-restore",
    "--siblings",
    "--livepatch-stack",
    "--from",
  ],
  ...[
    "--shard",
    "--object",
    "--pair",
    "--entry-size",
    "--form",
    "--rev",
    "--make",
    "--name",
    "--cross",
    "--cc",
    "--jobs",
  ],
  ...[
    "--strip",
    "--fuzz",
    "--only",
    "--x86",
    "--at",
    "--stage",
    "--late",
    "--param",
    "--kernel-toc",
    "--paca-toc-offset",
  ],
  ...["--function", "--as", "--target", "--ops", "--section", "--tasks", "--assume-empty"],
];

const tables = Object.entries(rows).filter(([name]) => name.endsWith("Rows")) as [
  string,
  Record<string, { flags: string }>,
][];

test("each option that takes a value is in one list", () => {
  const all = tables.flatMap(([, table]) => Object.values(table).map((row) => row.flags));
  const valued = all.filter((flags) => /[<[]/.test(flags)).map((flags) => /--[\w-]+/.exec(flags)?.[0] ?? flags);
  const known = [...Object.keys(READS), ...OF_BUILD, ...Object.keys(FOLDERS), ...WRITES, ...WORDS];
  expect([...new Set(valued)].sort()).toEqual([...known].sort());
});

const refused = /it is a (?:device|pipe)|is a (?:device|pipe)|KLP101|KLP104|KLP109/;

describe.each(BAD)("%s", (path) => {
  test.each(Object.keys(READS))("%s", async (option) => {
    for (const line of READS[option]?.(path) ?? []) {
      const { status, stderr } = await klplink(line);
      expect([line.join(" "), status, stderr]).toEqual([line.join(" "), 3, expect.stringMatching(refused)]);
    }
  });

  test.each([...OF_BUILD, ...Object.keys(FOLDERS)])("%s ends", async (option) => {
    const line = FOLDERS[option]?.(path) ?? ["build", PATCH, "--source", folder, option, path];
    const { status } = await klplink(line);
    expect([line.join(" "), status]).toEqual([line.join(" "), expect.toSatisfy((n) => n >= 1 && n <= 3)]);
  });

  test("as an argument", async () => {
    const lines = [
      ...["link", "check", "image", "show", "sites", "verify", "model"].map((command) => [command, path]),
      ...[
        ["diff", path, MODULE],
        ["diff", MODULE, path],
        ["merge", path, path],
        ["build", path, "--source", folder],
      ],
    ];
    for (const line of lines) {
      const { status, stderr } = await klplink(line);
      expect([line.join(" "), status, stderr]).toEqual([line.join(" "), 3, expect.stringMatching(/KLP|is a/)]);
    }
  });
});
