// Whole trees of Debian's modules, without a guest: what klplink reads as a module's exports is what modpost wrote of them into
// Module.symvers; and a folder that is checked needs no module from elsewhere.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import type { Export } from "../../src/kernel/symbols/exports.ts";
import { parseSymvers } from "../../src/kernel/symbols/symvers.ts";
import { openDistro, readModule } from "./distro.ts";
import { mustRun } from "./run.ts";
import { klplink } from "./scenario.ts";

const rows = [
  { debian: "arm64", series: "6.1", least: 10_000 },
  { debian: "ppc64el", series: "6.12", least: 10_000 },
  { debian: "amd64", series: "7.2", least: 10_000 },
] as const;

describe.each(rows)("Debian's $series for $debian", ({ debian, series, least }) => {
  test("exports of all modules are those that modpost listed", { timeout: 1_800_000 }, () => {
    const headers = mustRun("bash", ["test/boot/fetch-headers.sh", debian, series]).trim();
    const listed = new Map<string, Export[]>();
    for (const exported of parseSymvers(readFileSync(join(headers, "build/Module.symvers")))) {
      if (exported.owner === "vmlinux") continue;
      const of = listed.get(exported.owner) ?? [];
      listed.set(exported.owner, of);
      of.push(exported);
    }
    const byName = (all: readonly Export[]): Export[] => [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
    let count = 0;
    for (const [name, path] of openDistro(join(headers, "kernel")).modules) {
      const module = new ModuleFile(readElf(readModule(path)), path);
      expect(byName([...module.exports.values()]), path).toEqual(byName(listed.get(name) ?? []));
      count += module.exports.size;
    }
    expect(count).toBeGreaterThan(least);
  });
});

describe("a whole tree", () => {
  test("check asks for no module of the folder, and the total is that of a tree that loads", {
    timeout: 1_800_000,
  }, () => {
    const distro = mustRun("bash", ["test/boot/fetch-distro.sh", "ppc64el", "6.12"]).trim();
    const boot = readdirSync(join(distro, "boot")).find((name) => name.startsWith("vmlinux-"));
    const run = klplink("check", join(distro, "lib"), "-k", join(distro, "boot", boot ?? ""), "--color", "never");
    expect(run.status, run.stderr.slice(0, 2000)).toBe(0);
    expect(`${run.stdout}${run.stderr}`).not.toMatch(/-m \S/);
    const { size } = openDistro(distro).modules;
    expect(size).toBeGreaterThan(3000);
    expect(run.stdout).toMatch(new RegExp(`^total: ${size} files, 0 errors, `, "m"));
  });
});
