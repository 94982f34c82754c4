// Islands under load: patched and unpatched fifty times, while several threads read the patched files all the time.
// The functions of klp_sibling are put into one .text first, so that klplink has to move them (rule I9).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Boot, boot } from "./boot.ts";
import { labOf } from "./lab.ts";
import { mustRun, run } from "./run.ts";
import { complaints, klplink, LOAD, type Planned, stepOf } from "./scenario.ts";

const lab = labOf(import.meta.url);
const cross = "powerpc64le-linux-gnu-";
/** Boots, and rounds in each: fifty in all; a boot has a time limit. */
const BOOTS = 2;
const ROUNDS = 25;

const merged = join(lab.folder, "klp_sibling.merged.ko");
const readers = join(lab.folder, "readers");

interface Load {
  readonly name: string;
  readonly module: "klp_nonop" | "klp_sibling";
  readonly input: string;
  readonly args: readonly string[];
  readonly told: RegExp;
  /** The files that the threads read (readers.c). */
  readonly files: readonly string[];
}

const SIBLING_FILES = ["cmdline", "execdomains", "execdomains", "uptime", "uptime"];
const LOADS: readonly Load[] = [
  {
    name: "return islands",
    module: "klp_nonop",
    input: join(lab.modules, "klp_nonop.ko"),
    args: [],
    told: / 9 return islands, /,
    files: Array.from({ length: 5 }, () => "cmdline"),
  },
  {
    name: "framed sibling islands",
    module: "klp_sibling",
    input: merged,
    args: ["--siblings", "framed"],
    told: / 2 framed sibling islands, \d+ bytes/,
    files: SIBLING_FILES,
  },
  {
    name: "frameless sibling islands",
    module: "klp_sibling",
    input: merged,
    args: [],
    told: / 2 sibling islands, 1 local-call island, /,
    files: SIBLING_FILES,
  },
];

const roundOf = (module: string): readonly Planned[] => {
  const sysfs = `/sys/kernel/livepatch/${module}`;
  return [
    { line: LOAD },
    { line: `wait ${sysfs}/transition 0` },
    { line: `write ${sysfs}/enabled 0` },
    { line: `gone ${sysfs}` },
    { line: `rmmod ${module}` },
  ];
};

function bootWithReaders({ module }: Load, path: string, steps: readonly Planned[]): Promise<Boot> {
  const empty = new Uint8Array(0);
  const files = [
    { name: "guest", data: readFileSync(lab.init), executable: true },
    { name: "module.ko", data: readFileSync(path) },
    { name: "count", data: empty },
    { name: "bad", data: empty },
    ...(module === "klp_nonop" ? [{ name: "nonop", data: empty }] : []),
  ];
  const lines = steps.map((planned) => planned.line);
  return boot(lab.vmlinux, readFileSync(readers), files, lines);
}

beforeAll(() => {
  const source = join(import.meta.dirname, "readers.c");
  mustRun(`${cross}gcc`, ["-static", "-pthread", "-O2", "-Wall", "-Wextra", "-o", readers, source]);
  const script = join(lab.folder, "merge.lds");
  writeFileSync(script, "SECTIONS { .text : { *(.text .text.*) } }\n");
  mustRun(`${cross}ld`, ["-r", "-T", script, join(lab.modules, "klp_sibling.ko"), "-o", merged]);
});

describe.each(LOADS)("$name under load", (load) => {
  const linked = join(lab.folder, `${load.name.replaceAll(" ", "-")}.ko`);
  const round = roundOf(load.module);

  beforeAll(() => {
    const { status, stdout, stderr } = klplink(load.input, "-k", lab.systemMap, ...load.args, "-o", linked);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(load.told);
  });

  test.runIf(load.module === "klp_sibling")("the functions share a section", () => {
    const table = run(`${cross}readelf`, ["-sW", linked]).stdout;
    const sections = [...table.matchAll(/FUNC .* (\d+) klp_sibling_(?:cmdline|uptime|execdomains)$/gm)].map(
      (m) => m[1],
    );
    expect(sections.length).toBe(3);
    expect(new Set(sections).size).toBe(1);
  });

  test.each(Array.from({ length: BOOTS }, (_, i) => i + 1))("boot %i", async () => {
    const plan: readonly Planned[] = [
      ...Array.from({ length: ROUNDS }, () => round).flat(),
      { line: "read /count" },
      { line: "read /bad", output: () => "" },
    ];
    const result = await bootWithReaders(load, linked, plan);
    expect(complaints(result, plan)).toEqual([]);
    // Each thread has seen both answers.
    const seen = load.files.flatMap((file) => [`/proc/${file} original`, `/proc/${file} patched`]);
    expect(stepOf(result, "read /count").output.trim().split("\n").sort()).toEqual(seen.sort());
  });
});

test("left alone, the same module breaks the kernel", async () => {
  const load = LOADS.find((l) => l.module === "klp_sibling") as Load;
  const round = roundOf(load.module);
  const asIs = join(lab.folder, "klp_sibling.merged-as-is.ko");
  expect(klplink(merged, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs).status).toBe(1);
  const result = await bootWithReaders(load, asIs, round);
  expect(result.console).toMatch(/Oops: /);
  expect(complaints(result, round)).not.toEqual([]);
});
