// What `klplink build` reads before anything is compiled: patches, a series, a configuration. Patches in memory, applied to a small tree; and
// the command as far as `--dry-run` goes, with the programs that stand for make and gcc in samples.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyPatches } from "../../../src/build/patch/apply.ts";
import { PatchError } from "../../../src/build/patch/file.ts";
import { withLines } from "../../../src/build/patch/lines.ts";
import { pathFault } from "../../../src/build/patch/names.ts";
import { parsePatch } from "../../../src/build/patch/parse.ts";
import { refusedFiles } from "../../../src/build/refused.ts";
import { klplink } from "../../cli/run.ts";
import { root } from "../../helpers.ts";
import { hasHidden } from "../../hidden.ts";
import { filesIn, type Outcome, type Target } from "../frame/target.ts";
import { generator } from "../mutate.ts";
import { editText } from "./mutators.ts";

const FIXTURES = join(root, "test/fixtures/diag");
const PATH = "fs/proc/version.c";
const SOURCE = readFileSync(join(FIXTURES, "build/tree", PATH), "latin1");
const HEADER = Array.from({ length: 60 }, (_, i) => `#define N${i % 7} ${i % 5}\n`).join("");

const git = (path: string, body: string): string => `diff --git a/${path} b/${path}\n${body}`;
const CHANGE = `--- a/${PATH}\n+++ b/${PATH}\n@@ -1,6 +1,7 @@\n // SPDX-License-Identifier: MIT\n int version(void)\n {\n+\t/* patched */\n \treturn 1;\n }\n \n`;
const HEADERS = `--- a/h.h\n+++ b/h.h\n@@ -3,4 +3,5 @@\n #define N2 2\n #define N3 3\n+#define N9 9\n #define N4 4\n #define N5 0\n@@ -40,3 +41,2 @@\n #define N4 4\n-#define N5 0\n #define N6 1\n`;
const PATCHES = [
  CHANGE,
  HEADERS,
  git(PATH, CHANGE) + git("h.h", HEADERS),
  git(PATH, `similarity index 100%\nrename from ${PATH}\nrename to fs/proc/v.c\n`) +
    git("fs/proc/v.c", "old mode 100644\nnew mode 100755\n"),
  git(
    "new.h",
    "new file mode 100644\n--- /dev/null\n+++ b/new.h\n@@ -0,0 +1,2 @@\n+int more;\n+int less;\n\\ No newline at end of file\n",
  ),
  git("h.h", `copy from h.h\ncopy to "i\\303\\244.h"\n`),
  git(PATH, `deleted file mode 100644\n--- a/${PATH}\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n`),
  `From ${"0".repeat(40)} Mon Sep 17 00:00:00 2001\nSubject: [PATCH 1/2] x\n\ntext\n---\n fs | 1 +\n\n${git(PATH, CHANGE)}-- \n2.39.5\n\n`,
].map((text) => new Uint8Array(Buffer.from(text, "latin1")));

const samples = (): readonly Uint8Array[] => [
  ...PATCHES,
  ...filesIn(["test/fixtures/diag/build", "samples/patches"], /\.patch$/),
];

/** Numbers of hunks are what much depends on; the rest as in any text. */
function editPatch(sample: Uint8Array, seed: number, others: readonly Uint8Array[]): Uint8Array {
  const next = generator(seed);
  if (next(2) === 0) return editText(sample, seed, others);
  const numbers = ["0", "1", "2", "3", "7", "999999999", "4294967296", "-1", ""];
  const lines = Buffer.from(sample).toString("latin1").split("\n");
  for (let edits = 1 + next(3); edits > 0; edits--) {
    const heads = [...lines.keys()].filter((i) => /^@@|^(?:---|\+\+\+|rename|copy|diff)/.test(lines[i] ?? ""));
    const at = heads[next(heads.length)] ?? 0;
    const kind = next(4);
    if (kind === 0) lines[at] = (lines[at] ?? "").replace(/\d+/, () => numbers[next(numbers.length)] ?? "");
    else if (kind === 1)
      lines[at] = (lines[at] ?? "").replace(/[ab]\//, () => ["../", "/", "a/../", "", "a//", '"\\377/'][next(6)] ?? "");
    else if (kind === 2) lines.splice(next(lines.length), 0, ...lines.slice(at, at + next(9)));
    else lines.splice(next(lines.length), 1 + next(2));
  }
  return new Uint8Array(Buffer.from(lines.join("\n"), "latin1"));
}

const patch: Target = {
  count: 1500,
  samples,
  mutate: editPatch,
  run: (bytes, seed) => {
    const tree = new Map([
      [PATH, SOURCE],
      ["h.h", HEADER],
    ]);
    try {
      const parts = parsePatch(bytes, "in.patch", seed % 5 === 0 ? 0 : 1);
      for (const { from, to } of parts)
        for (const path of [from, to]) if (pathFault(path) !== null) throw new Error(`a path out of the tree: ${path}`);
      refusedFiles(parts);
      const { files, adjusted } = applyPatches(parts, (path) => tree.get(path) ?? null, seed % 3);
      const most = bytes.length + parts.length * (SOURCE.length + HEADER.length);
      for (const { path, text, before, groups } of files) {
        if ((text ?? "").length > most) throw new Error(`${path} has ${text?.length} characters`);
        if (text === null || before === null) continue;
        // With the directives taken out again, nothing but the patch is left.
        const marked = withLines(path, text, groups);
        if (marked.replace(/^#line .*\n/gm, "") !== text.replace(/^#line .*\n/gm, ""))
          throw new Error(`${path}: directives change the text`);
      }
      return { end: files.length === 0 ? "changes nothing" : "applied", output: JSON.stringify([files, adjusted]) };
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      return { end: `refused: ${error.fault.kind}`, output: JSON.stringify(error.fault) };
    }
  },
};

const folder = mkdtempSync(join(tmpdir(), "klplink-fuzz-build-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const CONFIG = new Uint8Array(readFileSync(join(FIXTURES, "build/config")));

/** Which part of the input is changed: the patch, the configuration, or the series that lists patches. */
const partOf = (seed: number): "patch" | "config" | "series" =>
  seed % 8 === 0 ? "config" : seed % 8 === 1 ? "series" : "patch";
const SERIES = new Uint8Array(
  Buffer.from("# first\nin.patch -p1 # why\nother.patch\n\nseries -p0\n../none.patch -p99\n"),
);

const command: Target = {
  count: 24,
  samples: () => [...PATCHES.slice(0, 3), CONFIG],
  mutate: (sample, seed, others) => {
    const part = partOf(seed);
    if (part === "patch") return editPatch(sample === CONFIG ? (PATCHES[0] ?? sample) : sample, seed, others);
    return editText(part === "config" ? CONFIG : SERIES, seed, others);
  },
  run: async (bytes, seed): Promise<Outcome> => {
    const part = partOf(seed);
    const [patchFile, config, series] = [join(folder, "in.patch"), join(folder, "config"), join(folder, "series")];
    writeFileSync(patchFile, part === "patch" ? bytes : (PATCHES[0] ?? bytes));
    writeFileSync(join(folder, "other.patch"), PATCHES[1] ?? bytes);
    writeFileSync(config, part === "config" ? bytes : CONFIG);
    writeFileSync(series, part === "series" ? bytes : SERIES);
    const cache = join(folder, "cache");
    mkdirSync(cache, { recursive: true });
    const form = seed % 3 === 0 ? ["--format", "json"] : [];
    const words = [
      "build",
      part === "series" ? series : patchFile,
      "--source",
      "build/tree",
      "-k",
      "../kernel/vmlinux-x86_64",
    ];
    const env = { PATH: `${join(FIXTURES, "build/bin")}:${process.env.PATH}`, KLPLINK_CACHE: cache };
    const ran = await klplink([...words, "--config", config, "--dry-run", ...form], { cwd: FIXTURES, env });
    const { status, stdout, stderr } = ran;
    const said = `${stderr}${stdout}`;
    if (status === null || status > 3) throw new Error(said.slice(0, 1500));
    if (said.split(/[\n\t]/).some(hasHidden))
      throw new Error(`control characters: ${JSON.stringify(said.slice(0, 1500))}`);
    if (form.length > 0 && status < 2) JSON.parse(stdout);
    // Steps are told of once only; where the cache has what they make, they are not taken.
    return { end: `${part} ${status}`, output: said.replace(/^klplink: .*\n/gm, "") };
  },
};

export const buildTargets = { patch, "command-build": command } satisfies Record<string, Target>;
