// Sibling calls (modules/klp_sibling.c): loaded as they are, and then the kernel oopses; good after klplink.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { forgottenToc } from "./sabotage.ts";
import { answered, bootWith, complaints, klplink, LOAD, lifeCycle, type Planned, stepOf, textOf } from "./scenario.ts";

const lab = inject("lab");
const ROUNDS = 20;
const UPTIME = /^\d+\.\d\d \d+\.\d\d\n$/;

const built = join(lab.modules, "klp_sibling.ko");
const linked = join(lab.folder, "klp_sibling.linked.ko");

/** One round reads each patched file once; uptime's function runs twice, the second time by the local call. */
const round = (n: number): Planned[] => [
  { line: "read /proc/cmdline", output: (first) => answered(first, "/proc/filesystems") },
  { line: "read /proc/uptime", output: (first) => answered(first, "/proc/version") },
  {
    line: "read /proc/execdomains",
    output: (first) =>
      `${answered(first, "/proc/version")}execdomains=${n} mark=7369626c696e6721 ret=0\ncmdline=${n} uptime=${2 * n}\n`,
  },
];

const life = lifeCycle(
  "klp_sibling",
  [
    { line: "read /proc/version", output: /^Linux version / },
    { line: "read /proc/filesystems", output: /^nodev\tsysfs$/m },
    { line: "read /proc/cmdline", output: /rdinit=/ },
    { line: "read /proc/uptime", output: UPTIME },
    { line: "read /proc/execdomains", output: /\[kernel\]$/m },
  ],
  Array.from({ length: ROUNDS }, (_, i) => round(i + 1)).flat(),
  [
    { line: "read /proc/cmdline", output: (first) => answered(first, "/proc/cmdline") },
    { line: "read /proc/uptime", output: UPTIME },
    { line: "read /proc/execdomains", output: (first) => answered(first, "/proc/execdomains") },
  ],
);

const script = life.map((planned) => planned.line);

describe("sibling calls", () => {
  let linkRun: ReturnType<typeof klplink>;

  beforeAll(() => {
    linkRun = klplink(built, "-k", lab.systemMap, "-o", linked);
  });

  test("as they are: loaded without a word, and the first use oopses the kernel", async () => {
    const asIs = join(lab.folder, "klp_sibling.as-is.ko");
    const { status, stderr } = klplink(built, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs);
    expect(status, stderr).toBe(1);
    const patched = "wait /sys/kernel/livepatch/klp_sibling/transition 0";
    const result = await bootWith(lab, readFileSync(asIs), [LOAD, patched, "read /proc/cmdline", "read /proc/uptime"]);
    expect(complaints({ ...result, complete: true }, [{ line: LOAD }, { line: patched }])).toEqual([]);
    expect(textOf(stepOf(result, "read /proc/cmdline"))).toMatch(/^Oops: Kernel access of bad area, sig: 11 \[#1\]$/m);
    expect(stepOf(result, "read /proc/cmdline").result).not.toBe(0);
    expect(stepOf(result, "read /proc/uptime").result).not.toBe(0);
  });

  test("klplink check finds both before the kernel does", () => {
    const { status, stdout, stderr } = klplink("check", "--format", "json", built);
    expect(status, stderr).toBe(1);
    const { files } = JSON.parse(stdout) as { files: { problems: { code: string; function: string | null }[] }[] };
    const siblings = files.flatMap((file) => file.problems).filter((problem) => problem.code === "KLP302");
    expect(siblings.map((problem) => problem.function).sort()).toEqual(["klp_sibling_cmdline", "klp_sibling_uptime"]);
  });

  test(`after klplink: right in ${ROUNDS} rounds, entered by ftrace and by a local call, disabled and removed`, async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    expect(complaints(await bootWith(lab, readFileSync(linked), script), life)).toEqual([]);
  });

  test("a local-call island that does not bring r2 back is caught", async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    const found = complaints(await bootWith(lab, forgottenToc(linked, ".text.klp_sibling_execdomains"), script), life);
    expect(found[0]).toMatch(/^read \/proc\/execdomains: /); // it loads, and its first use goes wrong
  });
});
