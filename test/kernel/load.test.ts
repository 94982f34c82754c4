// Islands under load: patched and unpatched again and again, while several processes read the patched files all the
// time. The module's functions are put into one .text first, so that klplink has to move them (rule I9).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { type Boot, boot } from "./boot.ts";
import { mustRun, run } from "./run.ts";
import { complaints, klplink, LOAD, type Planned, stepOf } from "./scenario.ts";

const lab = inject("lab");
const cross = "powerpc64le-linux-gnu-";
/** Boots, and rounds in each: fifty in all; a boot has a time limit. */
const BOOTS = 2;
const ROUNDS = 25;

const merged = join(lab.folder, "klp_sibling.merged.ko");
const linked = join(lab.folder, "klp_sibling.moved.ko");
const readers = join(lab.folder, "readers");
const sysfs = "/sys/kernel/livepatch/klp_sibling";

const round: readonly Planned[] = [
  { line: LOAD },
  { line: `wait ${sysfs}/transition 0` },
  { line: `write ${sysfs}/enabled 0` },
  { line: `gone ${sysfs}` },
  { line: "rmmod klp_sibling" },
];
const plan: readonly Planned[] = [
  ...Array.from({ length: ROUNDS }, () => round).flat(),
  { line: "read /count" },
  { line: "read /bad", output: () => "" },
];

/** What five readers see of three files (readers.c), each in both states. */
const seen = ["cmdline", "execdomains", "execdomains", "uptime", "uptime"].flatMap((file) => [
  `/proc/${file} original`,
  `/proc/${file} patched`,
]);

function bootWithReaders(module: string, steps: readonly Planned[]): Promise<Boot> {
  const files = [
    { name: "guest", data: readFileSync(lab.init), executable: true },
    { name: "module.ko", data: readFileSync(module) },
    { name: "count", data: new Uint8Array(0) },
    { name: "bad", data: new Uint8Array(0) },
  ];
  const lines = steps.map((planned) => planned.line);
  return boot(lab.vmlinux, readFileSync(readers), files, lines);
}

beforeAll(() => {
  mustRun(`${cross}gcc`, ["-static", "-O2", "-Wall", "-Wextra", "-o", readers, join(import.meta.dirname, "readers.c")]);
  const script = join(lab.folder, "merge.lds");
  writeFileSync(script, "SECTIONS { .text : { *(.text .text.*) } }\n");
  mustRun(`${cross}ld`, ["-r", "-T", script, join(lab.modules, "klp_sibling.ko"), "-o", merged]);
  const { status, stdout, stderr } = klplink(merged, "-k", lab.systemMap, "-o", linked);
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/ 2 sibling islands, 1 local-call island, /);
});

describe("islands under load", () => {
  test("the functions share a section", () => {
    const table = run(`${cross}readelf`, ["-sW", linked]).stdout;
    const sections = [...table.matchAll(/FUNC .* (\d+) klp_sibling_(?:cmdline|uptime|execdomains)$/gm)].map(
      (m) => m[1],
    );
    expect(sections.length).toBe(3);
    expect(new Set(sections).size).toBe(1);
  });

  test("left alone, the same module breaks the kernel", async () => {
    const asIs = join(lab.folder, "klp_sibling.merged-as-is.ko");
    expect(klplink(merged, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs).status).toBe(1);
    const result = await bootWithReaders(asIs, round);
    expect(result.console).toMatch(/Oops: /);
    expect(complaints(result, round)).not.toEqual([]);
  });

  test.each(Array.from({ length: BOOTS }, (_, i) => i + 1))("boot %i", async () => {
    const result = await bootWithReaders(linked, plan);
    expect(complaints(result, plan)).toEqual([]);
    expect(stepOf(result, "read /count").output.trim().split("\n").sort()).toEqual([...seen].sort());
  });
});
