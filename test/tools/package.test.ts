// The packed package as a stranger gets it: through npx, installed for all, and as a library in a project of its own and in a browser.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../helpers.ts";
import { apiExamples } from "../library/examples.ts";

const top = mkdtempSync(join(tmpdir(), "klplink-package-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

interface Done {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd = root): Done {
  // Of npm's own settings only those that a stranger has.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const home = join(top, "home");
  mkdirSync(home, { recursive: true });
  const done = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...env, HOME: home, XDG_CACHE_HOME: join(top, "cache"), npm_config_cache: join(top, "npm") },
  });
  if (done.error !== undefined) throw done.error;
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

let tarball = "";
let paths: string[] = [];
beforeAll(() => {
  // `npm run test:boot` builds all; elsewhere only the command line may be there.
  if (!existsSync(join(root, "dist/lib/index.d.ts"))) run(process.execPath, ["scripts/build.mjs"]);
  const packed = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", top]);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  tarball = join(top, filename);
  paths = files.map(({ path }) => path);
});

const sample = "samples/ppc64le/meminfo/meminfo.o";
const QUIET = ["--no-audit", "--no-fund", "--offline"];

test("fewer than a hundred files, and nothing that runs when it is installed", () => {
  expect(paths.length).toBeLessThan(100);
  expect(paths).toEqual(expect.arrayContaining(["dist/lib/index.d.ts", "dist/lib/browser.js", "docs/klplink.1"]));
  expect(paths.filter((path) => path.endsWith(".d.ts"))).toEqual(["dist/lib/index.d.ts"]);
  const { scripts, dependencies, homepage, repository, bugs, keywords, author } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as Record<string, unknown>;
  for (const name of ["preinstall", "install", "postinstall"]) expect(scripts).not.toHaveProperty(name);
  expect(dependencies).toBeUndefined();
  for (const value of [homepage, repository, bugs, keywords, author]) expect(value).toBeDefined();
});

test("npx runs it from the tarball", () => {
  const { status, stderr } = run("npx", ["--yes", "--offline", "--package", tarball, "klplink", "check", sample]);
  expect(stderr).toContain("error[KLP301]");
  expect(stderr).not.toMatch(/npm warn/i);
  expect(status).toBe(1);
});

describe("npm install -g", () => {
  const prefix = join(top, "prefix");
  const command = join(prefix, "bin/klplink");

  test("without a warning, with its man page", () => {
    const { status, stderr } = run("npm", ["install", "-g", "--prefix", prefix, ...QUIET, tarball]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(lstatSync(join(prefix, "share/man/man1/klplink.1")).isSymbolicLink()).toBe(true);
    expect(run("man", ["--warnings", "-l", join(prefix, "share/man/man1/klplink.1")]).stderr).toBe("");
  });

  test("the command, what it says of itself, and the files that it takes out of its package", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(run(command, ["--version"], top).stdout.trim()).toBe(version);
    expect(run(command, ["check", sample]).stderr).toContain("bl     show_val_kb");
    expect(run(command, ["explain", "301"], top).stdout).toContain("An example:");
    expect(run(command, ["glue", join(top, "glue")], top)).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(join(top, "glue"))).toContain("klplink-init.c");
    expect(run(command, ["setup", "--prefix", prefix], top).stdout.match(/^wrote /gm)).toHaveLength(4);
  });

  test("npm rm -g leaves what setup wrote, and nothing else", () => {
    run(command, ["setup", "--remove", "--prefix", prefix], top);
    run("npm", ["rm", "-g", "--prefix", prefix, ...QUIET, "klplink"]);
    const left = readdirSync(prefix, { recursive: true, withFileTypes: true });
    // npm's list of what is installed stays.
    expect(left.filter((e) => !e.isDirectory() && !e.name.startsWith(".")).map((e) => e.name)).toEqual([]);
  });
});

describe("as a library", () => {
  const project = join(top, "project");
  beforeAll(() => {
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }\n');
    expect(run("npm", ["install", ...QUIET, tarball], project)).toMatchObject({ status: 0, stderr: "" });
  });

  test.each(apiExamples())("docs/api.md: $title", ({ code, output }) => {
    const file = join(project, "example.mjs");
    writeFileSync(file, code);
    expect(run(process.execPath, [file])).toEqual({ status: 0, stdout: output, stderr: "" });
  });

  test.each(["nodenext", "bundler"])(
    "its types are whole, for programs that are compiled strictly (%s)",
    (resolution) => {
      writeFileSync(
        join(project, "typed.ts"),
        `import { check, type CheckResult, link, openKernel, openModule, type Problem, titleOf } from "klplink";
const module = openModule(new Uint8Array(64), "mod.ko");
const result: CheckResult = check(module, { kernel: openKernel([]) });
export const titles: string[] = result.problems.map((p: Problem) => titleOf(p));
export const output: Uint8Array | null = link(module, { force: true }).output;
// @ts-expect-error: there is no such option
link(module, { forced: true });
`,
      );
      const flags = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2023"];
      const forms = ["--module", resolution === "bundler" ? "esnext" : resolution, "--moduleResolution", resolution];
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      expect(run(process.execPath, [tsc, ...flags, ...forms, "typed.ts"], project)).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
    },
  );

  test("in a browser: the same results, without Node.js", () => {
    const file = join(project, "node_modules/klplink/dist/lib/browser.js");
    expect(readFileSync(file, "utf8")).not.toMatch(/(?:from|import\() ?"node:|\brequire\("/);
    writeFileSync(
      join(project, "page.mjs"),
      `import { readFileSync } from "node:fs";
const read = (path) => new Uint8Array(readFileSync(path));
const given = [${JSON.stringify([sample, "samples/ppc64le/meminfo/System.map", "test/fixtures/dwarf/linked-zlib-gabi.o"])}].flat().map(read);
const say = console.log.bind(console);
const said = await results(await import("klplink"));
for (const name of ["Buffer", "process", "require", "setImmediate"]) delete globalThis[name];
const page = await results(await import(${JSON.stringify(file)}));
async function results({ check, explain, link, openKernel, summary, titleOf }) {
  const kernel = openKernel([{ name: "System.map", bytes: given[1] }]);
  const { output } = link(given[0], { kernel });
  const lines = await explain("module_64: meminfo: Expect noop after relocate, got 38210080", { module: given[0] });
  const problems = [...check(given[0], { kernel }).problems, ...check(given[2]).problems].map(titleOf);
  return JSON.stringify([[...output], problems, summary(output), lines[0].found.candidates[0].at]);
}
say(said === page, said.length > 10000);
`,
    );
    expect(run(process.execPath, [join(project, "page.mjs")])).toEqual({
      status: 0,
      stdout: "true true\n",
      stderr: "",
    });
  });
});
