import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeSet } from "../../../src/cli/files/writeSet.ts";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

const temporary = mkdtempSync(join(tmpdir(), "klplink-glue-"));
afterAll(() => rmSync(temporary, { recursive: true }));
let count = 0;
const fresh = (): string => join(temporary, `${++count}`);
/** All files below a folder, by name; empty if it is not there. */
const filesOf = (folder: string, below = ""): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
      const name = join(below, entry.name);
      return entry.isDirectory()
        ? Object.entries(filesOf(folder, name))
        : [[name, readFileSync(join(folder, name), "utf8")]];
    }),
  );
const all = filesOf(join(root, "glue"));

test("writes the package's files, into a folder that it makes; again: nothing to do", async () => {
  const folder = join(fresh(), "deep", "patch");
  const { status, stdout } = await klplink(["glue", folder]);
  expect(status).toBe(0);
  for (const name of Object.keys(all)) expect(stdout).toContain(name);
  expect(filesOf(folder)).toEqual(all);
  expect(Object.keys(all).sort()).toEqual(
    [
      "Kbuild",
      "klplink-init.c",
      "klplink.h",
      "kpatch-macros.h",
      "kpatch-syscall.h",
      "linux/livepatch_helpers.h",
    ].sort(),
  );
  const before = statSync(join(folder, "Kbuild")).mtimeMs;
  expect((await klplink(["glue", folder])).stdout).toBe(`${folder}: all files are there already\n`);
  expect(statSync(join(folder, "Kbuild")).mtimeMs).toBe(before);
});

test("a file that says something else: none is written, unless forced", async () => {
  const folder = fresh();
  mkdirSync(folder);
  writeFileSync(join(folder, "klplink.h"), "mine\n");
  writeFileSync(join(folder, "other.c"), "kept\n");
  const { status, stderr } = await klplink(["glue", folder]);
  expect([status, stderr]).toEqual([3, expect.stringContaining("error[KLP462]: is there already") as string]);
  expect(filesOf(folder)).toEqual({ "klplink.h": "mine\n", "other.c": "kept\n" });
  expect((await klplink(["glue", folder, "--force"])).status).toBe(0);
  expect(filesOf(folder)).toEqual({ ...all, "other.c": "kept\n" });
});

test("JSON", async () => {
  const folder = fresh();
  await klplink(["glue", folder]);
  rmSync(join(folder, "klplink.h"));
  const { stdout } = await klplink(["glue", folder, "--format", "json"]);
  expect(JSON.parse(stdout)).toEqual({
    schema: "klplink-glue/1",
    folder,
    files: Object.keys(all)
      .sort()
      .map((name) => ({ name, written: name === "klplink.h" })),
  });
});

test.each(["a file in the place of the folder", "a folder in which no file can be made"])("%s", async (what) => {
  const folder = fresh();
  if (what.startsWith("a file")) writeFileSync(folder, "");
  else mkdirSync(folder, { mode: 0o500 });
  // For root no folder is closed.
  if (!what.startsWith("a file") && process.getuid?.() === 0) return;
  const { status, stderr } = await klplink(["glue", folder]);
  expect([status, stderr]).toEqual([3, expect.stringContaining("error[KLP105]: cannot be written") as string]);
});

test("one file that cannot be moved to its place: the others are taken back, and what was there is there", () => {
  const folder = fresh();
  mkdirSync(join(folder, "b"), { recursive: true });
  writeFileSync(join(folder, "a"), "old a");
  writeFileSync(join(folder, "b", "in it"), "old");
  const named = (name: string) => ({ name, bytes: Buffer.from(`new ${name}`) });
  // Nothing can be made below `a`, which is a file.
  expect(() => writeSet(folder, [named("a"), named("c/d"), named("a/below")])).toThrow();
  expect(filesOf(folder)).toEqual({ a: "old a", "b/in it": "old" });
  expect(() => writeSet(join(folder, "a", "x"), [named("a")])).toThrow("a part of the path is not a folder");
});
