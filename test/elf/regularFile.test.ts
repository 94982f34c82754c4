// What may be an input. The kinds of files are made by the system; nothing here may wait.

import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { InputError, readRegular } from "../../src/elf/regularFile.ts";
import { builtCommand } from "../built.ts";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-regular-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
spawnSync("mkfifo", [at("pipe")]);
symlinkSync("pipe", at("link.ko"));
const MODULE = join(root, "test/fixtures/kernel/demo-mod.ko");
const NONE = ["/dev/zero", "/dev/null", at("pipe"), at("link.ko")];

test.each(NONE)("%s is not read", (path) => {
  expect(() => readRegular(path)).toThrow(InputError);
});

test("a file, one that the kernel makes up, and an empty one are", () => {
  writeFileSync(at("empty"), "");
  expect(readRegular(at("empty")).bytes.length).toBe(0);
  expect(readRegular("/proc/self/status").bytes.length).toBeGreaterThan(99);
});

test.each<[string, () => void]>([
  ["grows", () => appendFileSync(at("file"), "more")],
  ["is written anew", () => writeFileSync(at("file"), "other content")],
  ["is emptied", () => writeFileSync(at("file"), "")],
])("a file that %s while it is read", (_, change) => {
  writeFileSync(at("file"), "as it was");
  expect(() => readRegular(at("file"), { whileOpen: change })).toThrow("it changed while it was read");
});

describe.each(NONE)("%s", (path) => {
  const empty = at("root");
  mkdirSync(join(empty, "sections"), { recursive: true });
  const given: Record<string, readonly string[]> = {
    "a module": ["check", path],
    "-k": ["check", MODULE, "-k", path],
    "-m": ["check", MODULE, "-m", path],
    "--reference": ["check", MODULE, "--reference", path],
    "--sections": ["image", MODULE, "-o", at("out"), "--sections", path],
    "image -m FILE@SECTIONS": ["image", MODULE, "-o", at("out"), "-k", MODULE, "-m", `${MODULE}@${path}`],
    "--patched-by": ["image", MODULE, "-o", at("out"), "--stage", "loaded", "--patched-by", path],
    "explain -m": ["explain", "-m", path, "x: Unknown symbol f (err -2)"],
    model: ["model", path],
    show: ["show", path],
    sites: ["sites", path],
    diff: ["diff", path, MODULE],
    verify: ["verify", path],
  };
  test.each(Object.keys(given))("%s refuses it", async (name) => {
    const { status, stderr } = await klplink(given[name] ?? []);
    expect([status, stderr]).toEqual([3, expect.stringMatching(/it is a (?:device|pipe)|KLP101|KLP109/)]);
  });

  test("verify --root refuses it in each place", async () => {
    const files = ["release", "kallsyms", "sections/.text", "System.map", "kcore", "btf"];
    for (const file of files) {
      spawnSync("ln", ["-sf", path, join(empty, file)]);
      expect((await klplink(["verify", MODULE, "--root", empty])).status).toBe(3);
    }
    rmSync(empty, { recursive: true });
    mkdirSync(join(empty, "sections"), { recursive: true });
  });
});

test("a folder: regular files only, and what is left out is said", async () => {
  const tree = at("tree");
  mkdirSync(join(tree, "a.ko"), { recursive: true });
  spawnSync("cp", [MODULE, join(tree, "b.ko")]);
  spawnSync("mkfifo", [join(tree, "c.ko")]);
  symlinkSync("/dev/zero", join(tree, "d.ko"));
  symlinkSync("..", join(tree, "a.ko", "e.ko"));
  symlinkSync("../b.ko", join(tree, "a.ko", "f.ko"));
  const { stdout, status } = await klplink(["check", tree]);
  expect(stdout.match(/\w\.ko: /g)).toEqual(["f.ko: ", "b.ko: "]);
  expect(stdout).toContain(
    `skipped: ${tree}/a.ko/e.ko (a link to a folder), ${tree}/c.ko (a pipe), ${tree}/d.ko (a device)`,
  );
  expect(status).toBeLessThan(2);
});

test("a pipe that the shell makes is read, as is standard input", () => {
  const command = `'${process.execPath}' '${builtCommand()}'`;
  const map = join(root, "test/fixtures/kernel/System.map");
  const run = (script: string) => spawnSync("bash", ["-c", script]);
  expect(run(`${command} check '${MODULE}' -k <(cat '${map}') --format json`).stdout.toString()).toContain(
    '"unchecked"',
  );
  expect(run(`cat '${MODULE}' | ${command} show -`).status).toBe(0);
});
