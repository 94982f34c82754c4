import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
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
  copyFileSync(fixture("kernel/demo-mod.ko"), join(alone ?? "", "other.ko"));
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
