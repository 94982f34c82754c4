// The bundle's parts (scripts/bundle.mjs, bin/parts.js): what runs load, and that each part can be the first one.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-parts-"));
const bundle = join(root, "dist/klplink.cjs");
const { openBundle } = createRequire(import.meta.url)(join(root, "bin/parts.js")) as {
  openBundle: (
    read: (offset: number, length: number) => string,
    filename: string,
    require: NodeJS.Require,
    codeOf: (digest: string) => unknown,
  ) => (name: string) => Record<string, unknown>;
};

beforeAll(() => void builtCommand());
afterAll(() => rmSync(folder, { recursive: true }));

/** The parts that a run of the built command loads, in order. */
function loadedBy(...args: string[]): string[] {
  const hook = join(root, "scripts/loadedParts.cjs");
  const { stderr } = spawnSync(process.execPath, ["--require", hook, join(root, "bin/klplink.js"), ...args], {
    cwd: root,
    env: { XDG_CACHE_HOME: folder },
  });
  return JSON.parse(stderr.toString().trim().split("\n").at(-1) ?? "") as string[];
}

test("a run loads what it needs: one that has nothing to say no texts, one architecture not the others' tables", () => {
  expect(loadedBy("--version")).toEqual(["start"]);
  for (const [arch, sample] of [
    ["ppc64le", "samples/ppc64le/meminfo/meminfo.klp.o"],
    ["arm64", "samples/arm64/convert/convert.klp.o"],
    ["x86_64", "samples/x86_64/convert/convert.klp.o"],
  ] as const)
    expect(loadedBy("check", sample).sort()).toEqual(["check", "start", arch].sort());
  expect(loadedBy("check", "samples/ppc64le/meminfo/meminfo.o")).toContain("texts");
});

test("each part can be the first that is asked for, and has all names that others take of it", () => {
  const text = readFileSync(bundle, "latin1");
  const names = Object.keys(JSON.parse(/\*(\{.*\})\*/.exec(text)?.[1] ?? "") as object);
  expect(names.length).toBeGreaterThan(40);
  // `start` runs the command line.
  const script = `
    const { readFileSync, writeSync } = require("node:fs");
    const { openBundle } = require("./bin/parts.js");
    const text = readFileSync("dist/klplink.cjs", "latin1");
    const load = (id) =>
      id === "./codeKeeper.js" ? { keep() {} } : require(id.startsWith("./") ? "./dist/" + id : id);
    process.argv[2] = "--version";
    for (const name of ${JSON.stringify(names)}) {
      const need = openBundle((at, n) => text.slice(at, at + n), "/klplink.cjs", load, () => ({ codeOf: () => undefined }));
      let said;
      try {
        said = Object.keys(need(name));
      } catch (error) {
        said = error.stack;
      }
      writeSync(2, JSON.stringify([name, said]) + "\\n");
    }`;
  const { stderr } = spawnSync(process.execPath, ["--no-warnings", "-e", script], { cwd: root, env: {} });
  const said = stderr
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as [string, string[] | string]);
  expect(said.filter(([, exported]) => typeof exported === "string")).toEqual([]);
  const exportsOf = new Map(said);
  expect([...exportsOf.keys()]).toEqual(names);

  // In the bundle's text: at each use of a part, at its beginning, and by import().
  const uses = [...text.matchAll(/klplinkPart_(\w+)\(\)\.([\w$]+)/g)].map(([, part, name]) => [part, name] as const);
  const heads = [...text.matchAll(/[{,]([\w$]+):klplinkPart_(start|check)_\1[,}]/g)].map(([, n, p]) => [p, n] as const);
  const taken = [
    ...text.matchAll(/need\("(\w+)"\)\)\.then\((?:function\s*\()?\(?(\w+)\)?(?:=>|\s*\{\s*return )\2\.([\w$]+)/g),
  ];
  const late = taken.map(([, part, , name]) => [part, name] as const);
  expect(uses.length).toBeGreaterThan(1000);
  expect(heads.length).toBeGreaterThan(500);
  expect(late.length).toBeGreaterThan(10);
  const missing = [...uses, ...heads, ...late].filter(
    ([part = "", name = ""]) => exportsOf.get(part)?.includes(name) !== true,
  );
  expect(missing).toEqual([]);
  // No other way leads from one part to another.
  const needed = [...text.matchAll(/need\("(\w+)"\)/g)].map(([, part = ""]) => part);
  expect(needed.filter((part) => !exportsOf.has(part))).toEqual([]);
  const files = [...text.matchAll(/require\(["'](\.[^"']*)["']\)/g)].map(([, path = ""]) => path);
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((path) => !existsSync(join(root, "dist", path)))).toEqual([]);
});

test("the list of what runs need names modules that are there, each once", () => {
  const { parts } = JSON.parse(readFileSync(join(root, "scripts/parts.json"), "utf8")) as {
    parts: Record<string, string[]>;
  };
  const paths = Object.values(parts).flat();
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  expect(new Set(paths).size).toBe(paths.length);
});

test("what is no bundle, or asks for itself while it begins, is refused", () => {
  const open = (text: string) =>
    openBundle(
      (at, length) => text.slice(at, at + length),
      "/a/b.cjs",
      createRequire(import.meta.url),
      () => ({ codeOf: () => undefined }),
    );
  expect(() => open("module.exports = 1;\n")).toThrow("/a/b.cjs is not klplink's");
  const part = `(function(need){need("one")})`;
  const head = (at: number): string => `/*0123456789abcdef*//*{"one":[${at},${part.length},1]}*/\n`;
  expect(() => open(head(head(10).length) + part)("one")).toThrow("the part one is needed while it begins");
  // One that fails says why, each time.
  const failing = `(function(need,require){require("./gone")})`;
  const need = open(`/*0123456789abcdef*//*{"one":[63,${failing.length},1]}*/\n`.padEnd(63, "\n") + failing);
  for (let i = 0; i < 2; i++) expect(() => need("one")).toThrow("./gone");
});
