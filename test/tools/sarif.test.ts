// SARIF logs as Microsoft's multitool (npm: @microsoft/sarif-multitool) judges them, with its rules for all and those of GitHub.
// The package, 100 MB, is fetched once into the cache folder; its part for Linux has a program of its own.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { klplinkProcess } from "../cli/run.ts";

const VERSION = "5.7.0";
const { KLPLINK_CACHE, XDG_CACHE_HOME } = process.env;
const cache = join(
  KLPLINK_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "klplink"),
  `sarif-multitool-${VERSION}`,
);
const program = join(cache, "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool");
const folder = mkdtempSync(join(tmpdir(), "klplink-sarif-"));

beforeAll(() => {
  if (existsSync(program)) return;
  mkdirSync(cache, { recursive: true });
  const args = ["install", "--prefix", cache, "--no-audit", "--no-fund", "--ignore-scripts"];
  const done = spawnSync("npm", [...args, `@microsoft/sarif-multitool-linux@${VERSION}`], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`the multitool cannot be fetched: ${done.stderr}`);
  chmodSync(program, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What it says of a log: a line each, without the place. */
function judged(log: string): string[] {
  const path = join(folder, "log.sarif");
  writeFileSync(path, log);
  const { error, stdout, stderr } = spawnSync(program, ["validate", path, "--rule-kind", "Sarif;Ghas"], {
    encoding: "utf8",
    // The program looks for a library of languages, which it does not need.
    env: { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: "1" },
  });
  if (error !== undefined) throw error;
  expect(stdout + stderr).toContain("Analysis completed successfully.");
  return stdout.split("\n").flatMap((line) => /: (?:error|warning|note) .*/.exec(line)?.[0].slice(2) ?? []);
}

test.each([
  ["one module", ["samples/ppc64le/meminfo/meminfo.o"]],
  ["a tree, and a file that is none", ["samples", "package.json"]],
  ["modules with many faults", ["test/fixtures/rules", "test/fixtures/diag/broken"]],
])("%s", (_, files) => {
  const { stdout } = klplinkProcess(["check", "--format", "sarif", ...files]);
  // SARIF2017 wants lines or bytes of each place: without debug information there is the section and the offset in it (`address`).
  expect(judged(stdout).filter((line) => !line.startsWith("warning SARIF2017"))).toEqual([]);
});

test("it does find what is wrong", () => {
  const { stdout } = klplinkProcess(["check", "--format", "sarif", "samples/ppc64le/meminfo/meminfo.o"]);
  const log = JSON.parse(stdout) as {
    runs: [{ results: { ruleIndex: number }[]; tool: { driver: { informationUri?: string } } }];
  };
  for (const result of log.runs[0].results) result.ruleIndex = 99;
  log.runs[0].tool.driver.informationUri = "not an address";
  expect(judged(JSON.stringify(log)).length).toBeGreaterThan(1);
});
