import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { root } from "../helpers.ts";
import { klplink } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-tree-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = (path: string): string => join(root, "test/fixtures", path);
const kernel = ["-k", fixture("kernel/vmlinux-x86_64")];

test("modules of one folder are known to each other, and the run ends with a total", async () => {
  const [alone, together] = ["alone", "together"].map((name) => join(folder, name));
  for (const path of [alone, together]) {
    mkdirSync(path ?? "");
    copyFileSync(fixture("kernel/demo-mod.ko"), join(path ?? "", "demo-mod.ko"));
    copyFileSync(fixture("diag/broken/KLP411.ko"), join(path ?? "", "user.ko"));
  }
  rmSync(join(alone ?? "", "demo-mod.ko"));
  copyFileSync(fixture("tree/exporter.ko"), join(alone ?? "", "other.ko"));
  const without = await klplink(["check", alone ?? "", ...kernel]);
  expect(without.stdout).toContain("(-m demo_mod.ko)");
  const withIt = await klplink(["check", together ?? "", ...kernel]);
  expect(withIt.stdout).not.toContain("(-m demo_mod.ko)");
  // As with -m, on the command line.
  const given = await klplink([
    "check",
    join(together ?? "", "user.ko"),
    ...kernel,
    "-m",
    fixture("kernel/demo-mod.ko"),
  ]);
  const codes = (text: string): string[] =>
    [...text.matchAll(/^(?:error|warning)\[(KLP\d+)\]/gm)].map((m) => m[1] ?? "");
  expect(codes(withIt.stderr)).toEqual(codes(given.stderr));
  expect(codes(given.stderr)).toEqual(["KLP411"]);
  expect(withIt.stdout).toMatch(/^total: 2 files, 1 error \(KLP411: 1\), 0 warnings$/m);
});

describe("modules that do not say what they need", () => {
  const tree = (name: string, files: Readonly<Record<string, string>>): string => {
    const path = join(folder, name);
    for (const [file, from] of Object.entries(files)) {
      mkdirSync(join(path, file, ".."), { recursive: true });
      copyFileSync(fixture(`tree/${from}`), join(path, file));
    }
    return path;
  };
  const kernelSays = (document: string): (string | null)[] =>
    (JSON.parse(document) as { files: { problems: { kernel: string | null }[] }[] }).files.flatMap((f) =>
      f.problems.map((p) => p.kernel),
    );

  // Each line is what resolve_symbol and check_version (kernel/module/main.c, version.c) print for what make.sh broke.
  test.each([
    ["user.ko", []],
    ["user-crc.ko", ["tree_user: disagrees about version of symbol tree_open"]],
    ["user-unversioned.ko", ["tree_user: no symbol version for tree_open"]],
    [
      "user-namespace.ko",
      ["tree_user: module uses symbol (tree_spaced) from namespace TREE_NS, but does not import it."],
    ],
    ["user-licence.ko", ["tree_user: Unknown symbol tree_gpl (err -2)"]],
  ])("%s", async (name, lines) => {
    for (const [file, exporter] of [
      ["a/tree-exporter.ko", "exporter.ko"],
      // Neither a name nor symbols of tables: what it exports and is called stands in it.
      ["renamed.ko", "exporter-stripped.ko"],
    ] as const) {
      const path = tree(`${name}-${exporter}`, { [file]: exporter, "b/user.ko": name });
      for (const given of [kernel, []]) {
        const ran = await klplink(["check", path, ...given, "--format", "json"]);
        expect(kernelSays(ran.stdout), `${exporter} ${given.length}`).toEqual(lines);
        expect(ran.stdout).not.toContain("-m ");
        expect(ran.status).toBe(lines.length === 0 ? 0 : 1);
      }
    }
  });

  test("without the exporter vmlinux alone is asked", async () => {
    const path = tree("without", { "user.ko": "user.ko", "other/demo.ko": "../kernel/demo-mod.ko" });
    const ran = await klplink(["check", join(path, "user.ko"), join(path, "other"), ...kernel]);
    expect([...ran.stderr.matchAll(/(tree_\w+) is not in/g)].map((m) => m[1])).toEqual([
      "tree_gpl",
      "tree_open",
      "tree_spaced",
    ]);
  });

  test("of two exporters the nearer one counts", async () => {
    const path = tree("two", {
      "new/exporter.ko": "exporter.ko",
      "new/user.ko": "user.ko",
      "old/exporter.ko": "exporter-other.ko",
      "old/user.ko": "user.ko",
    });
    const ran = await klplink(["check", path, ...kernel, "--format", "json"]);
    const { files } = JSON.parse(ran.stdout) as { files: { file: string; problems: { code: string }[] }[] };
    expect(files.filter((f) => f.problems.length > 0).map((f) => [f.file, f.problems[0]?.code])).toEqual([
      [join(path, "old/user.ko"), "KLP505"],
    ]);
  });

  test("the total is the same in all forms", async () => {
    const path = tree("total", {
      "exporter.ko": "exporter.ko",
      "a/user.ko": "user-crc.ko",
      "b/user.ko": "user-unversioned.ko",
      "c/user.ko": "user-crc.ko",
    });
    const run = async (...args: string[]) => (await klplink(["check", path, ...kernel, ...args])).stdout;
    const line = "total: 4 files, 3 errors (KLP505: 2, KLP506: 1), 0 warnings";
    const total = { files: 4, errors: { KLP505: 2, KLP506: 1 }, warnings: {} };
    expect((await run()).split("\n")).toContain(line);
    expect(await run("--format", "github")).toMatch(/^::notice title=klplink::total: .*$/m);
    expect((await run("--format", "github")).trim().split("\n").at(-1)).toBe(`::notice title=klplink::${line}`);
    expect(JSON.parse(await run("--format", "json"))).toMatchObject({ errors: 3, warnings: 0, total });
    const sarif = JSON.parse(await run("--format", "sarif")) as { runs: { properties: unknown; results: unknown[] }[] };
    expect(sarif.runs[0]?.properties).toEqual({ total });
    expect(sarif.runs[0]?.results).toHaveLength(3);
  });
});
