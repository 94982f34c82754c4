// Patches of any kind, applied by klplink and by the tools that everyone applies them with: patch and git.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { applyPatches } from "../../src/build/patch/apply.ts";
import { PatchError } from "../../src/build/patch/file.ts";
import { parsePatch } from "../../src/build/patch/parse.ts";
import { run } from "../boot/run.ts";

const lab = mkdtempSync(join(tmpdir(), "klplink-patch-"));
afterAll(() => rmSync(lab, { recursive: true, force: true }));

type Tree = Readonly<Record<string, string>>;
let count = 0;

function write(folder: string, tree: Tree): string {
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, "latin1");
  }
  return folder;
}

function read(folder: string): Tree {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    paths
      .filter((path) => statSync(join(folder, path)).isFile() && !/\.(?:orig|rej)$/.test(path))
      .map((path) => [relative(folder, join(folder, path)), readFileSync(join(folder, path), "latin1")]),
  );
}

/** What klplink makes of a tree; the fault's words where it refuses. */
function ours(tree: Tree, patch: string, fuzz: number): Tree | string {
  try {
    const patches = parsePatch(readFileSync(patch), patch);
    const { files } = applyPatches(patches, (path) => tree[path] ?? null, fuzz);
    const out: Record<string, string> = { ...tree };
    for (const { path, text } of files) {
      if (text === null) delete out[path];
      else out[path] = text;
    }
    return Object.fromEntries(Object.entries(out).sort(([a], [b]) => (a < b ? -1 : 1)));
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    return error.fault.kind === "unfit" ? error.fault.why : error.fault.kind;
  }
}

const byPatch = (folder: string, patch: string, fuzz: number): Tree | null =>
  run("patch", ["-p1", "-s", "-f", `-F${fuzz}`, "--no-backup-if-mismatch", "-i", patch], folder).status === 0
    ? read(folder)
    : null;

// Few different lines, so that context is often the same in several places. Some have odd ends.
const line = fc
  .constantFrom("a", "b", "c", "e", "f", "g", "\t}", "", "-- x", "+y", "\\ z", "é", "d\r")
  .map((text) => `${text}\n`);
const lines = fc.array(line, { minLength: 0, maxLength: 24 });
/** Edits of a file's lines: at a place so many lines go, and these come. */
const edits = fc.array(fc.record({ at: fc.nat(24), gone: fc.nat(2), come: fc.array(line, { maxLength: 3 }) }), {
  minLength: 1,
  maxLength: 3,
});
type Edits = readonly { readonly at: number; readonly gone: number; readonly come: readonly string[] }[];
const edited = (text: readonly string[], by: Edits): string[] => {
  const out = [...text];
  for (const { at, gone, come } of by) out.splice(Math.min(at, out.length), gone, ...come);
  return out;
};
const cutEnd = (text: string, yes: boolean): string => (yes ? text.replace(/\n$/, "") : text);

const scene = fc.record({
  text: lines,
  change: edits,
  // Lines that came into the tree since.
  drift: fc.option(fc.record({ at: fc.nat(8), gone: fc.constant(0), come: fc.array(line, { maxLength: 3 }) }), {
    freq: 2,
  }),
  endless: fc.tuple(fc.boolean(), fc.boolean()),
  context: fc.constantFrom(3, 3, 1, 2),
  tool: fc.constantFrom("git", "diff"),
  fuzz: fc.constantFrom(0, 0, 1, 2),
});

test("what klplink applies, patch and git apply to the same; what it refuses for its context, patch refuses", () => {
  const seen = { applied: 0, refused: 0, moved: 0 };
  fc.assert(
    fc.property(scene, ({ text, change, drift, endless, context, tool, fuzz }) => {
      const folder = join(lab, String(count++));
      const before = cutEnd(text.join(""), endless[0]);
      const after = cutEnd(edited(text, change).join(""), endless[1]);
      // An empty file is one that is not there, for patch.
      if (before === after || before === "" || after === "") return;
      const path = "dir/ä file.c";
      write(join(folder, "a"), { [path]: before });
      write(join(folder, "b"), { [path]: after });
      const made =
        tool === "git"
          ? spawnSync("git", ["diff", "--no-index", `-U${context}`, "a", "b"], { cwd: folder })
          : spawnSync("diff", [`-U${context}`, "-r", "-N", "a", "b"], { cwd: folder });
      const patch = join(folder, "x.patch");
      // As git reads it from a file: our own run reads bytes of latin1.
      const name = Buffer.from(path).toString("latin1");
      writeFileSync(patch, made.stdout);
      const target = drift === null ? before : edited(text, [drift]).join("");
      if (target === "") return;
      const tree = { [name]: target };
      const result = ours(tree, patch, fuzz);
      write(join(folder, "c"), {});
      mkdirSync(join(folder, "c", "dir"));
      writeFileSync(join(folder, "c", path), target, "latin1");
      const theirs = byPatch(join(folder, "c"), patch, fuzz);
      if (typeof result === "string") {
        seen.refused++;
        // klplink does not choose among several places, nor insert where nothing can be compared.
        if (result !== "several" && result !== "bare" && result !== "applied")
          expect([result, theirs]).toEqual([result, null]);
      } else {
        seen.applied++;
        if (drift !== null) seen.moved++;
        expect(Object.values(result)).toEqual(Object.values(theirs ?? {}));
        if (drift === null) {
          expect(Object.values(result)).toEqual([after]);
          if (tool === "git") {
            const git = join(folder, "d");
            mkdirSync(join(git, "dir"), { recursive: true });
            writeFileSync(join(git, path), target, "latin1");
            run("git", ["init", "-q", git]);
            expect(run("git", ["apply", patch], git).status).toBe(0);
            expect(readFileSync(join(git, path), "latin1")).toBe(after);
          }
        }
      }
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 100, seed: 15 },
  );
  expect(seen.applied).toBeGreaterThan(15);
  expect(seen.moved).toBeGreaterThan(3);
  expect(seen.refused).toBeGreaterThan(10);
});
