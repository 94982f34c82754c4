// Patch sites of a distribution's kernels: hundreds of modules of each architecture, counted by binutils, loaded into the
// kernel that they belong to, and compared with what ftrace lists and with memory, function tracer off and on. ppc64le's vmlinux
// comes with its symbols, and with its addresses in dynamic relocations: it is compared, too.
// The vmlinux of the other two is in the -dbg packages only, 1 GB each: debug-sites.sh fetches one, and names it in
// KLPLINK_SITES_VMLINUX. KLPLINK_SITES_ROOT takes an unpacked kernel package in place of the newest.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { sites } from "../../src/passes/sites.ts";
import type { ArchName } from "./capture.ts";
import { type Distro, loadOrder, openDistro } from "./distro.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { auditGuest, type Loaded } from "./siteAudit.ts";

const lab = labOf(import.meta.url);
/** The measure, for modules that are counted and for those that the kernel kept. */
const LEAST = 200;
const VERSION = { major: 6, minor: 12 };
/** More than enough: some modules want hardware and leave again. */
const WANTED = 190;
/** Modules that test, wait, or take the machine over. */
const LEFT_OUT = /test|torture|bench|kunit|wdt|watchdog|tcrypt|netconsole|rds_rdma|dlm|ocfs2_stack/;

const rows: readonly { readonly arch: ArchName; readonly debian: string }[] = [
  { arch: "x86_64", debian: "amd64" },
  { arch: "arm64", debian: "arm64" },
  { arch: "ppc64le", debian: "ppc64el" },
];
const { KLPLINK_SITES_ROOT, KLPLINK_SITES_VMLINUX } = process.env;

describe.each(rows)("$arch", ({ arch, debian }) => {
  let distro: Distro;
  const modules = new Map<string, Loaded>();

  beforeAll(() => {
    distro = openDistro(KLPLINK_SITES_ROOT ?? mustRun("bash", ["test/boot/fetch-distro.sh", debian, "6.12"]).trim());
  }, 900_000);

  test("modules: entries and sites are those that binutils count", { timeout: 600_000 }, () => {
    const names = [...distro.modules]
      .filter(([name, path]) => /\/kernel\/(fs|crypto|lib|net)\//.test(path) && !LEFT_OUT.test(name))
      .map(([name]) => name)
      .sort();
    // Evenly from all of them; what they depend on comes by itself.
    const chosen = names.filter(
      (_, i) => Math.floor((i * WANTED) / names.length) !== Math.floor(((i - 1) * WANTED) / names.length),
    );
    for (const [name, bytes] of loadOrder(distro, ["crc32c_generic", ...chosen]))
      modules.set(name, { bytes, sites: sites(bytes, name) });
    expect(modules.size).toBeGreaterThan(LEAST);

    const folder = join(lab.folder, `sites-${arch}`);
    mkdirSync(folder, { recursive: true });
    for (const [name, { bytes }] of modules) writeFileSync(join(folder, `${name}.ko`), bytes);
    const files = [...modules.keys()].map((name) => join(folder, `${name}.ko`));
    const counted = mustRun("bash", ["test/boot/count-sites.sh", arch, ...files])
      .trim()
      .split("\n");
    rmSync(folder, { recursive: true });
    expect(counted).toHaveLength(modules.size);
    let sum = 0;
    for (const line of counted) {
      const [path = "", entries, code] = line.split(" ");
      const name = path.replace(/^.*\/|\.ko$/g, "");
      const { report } = modules.get(name)?.sites ?? {};
      if (report === undefined) throw new Error(`${name} was not asked for`);
      const found = report.functions.filter((s) => s.entry !== null && s.record !== null).length;
      const behind = report.disagreements.filter((d) => d.kind === "overridden").length;
      expect([name, report.tables.entries.length, found + behind]).toEqual([name, Number(entries), Number(code)]);
      sum += found;
    }
    console.log(`${arch}: ${modules.size} modules, ${sum} sites counted`);
  });

  test("ftrace lists the same functions, and memory holds the bytes of --as", { timeout: 900_000 }, async () => {
    const path = KLPLINK_SITES_VMLINUX ?? (arch === "ppc64le" ? distro.kernel : null);
    const vmlinux = path === null ? null : sites(new Uint8Array(readFileSync(path)), "vmlinux");
    const { faults, ...sums } = await auditGuest({
      arch,
      kernel: distro.kernel,
      version: VERSION,
      folder: lab.folder,
      modules,
      vmlinux,
    });
    console.log(`${arch}: ${JSON.stringify(sums)}`);
    expect(faults.slice(0, 20)).toEqual([]);
    expect(sums.modules).toBeGreaterThanOrEqual(LEAST);
    expect(sums.on).toBe(sums.off);
    expect(sums.calls).toBeGreaterThan(sums.on * 0.9);
    expect(sums.off).toBeGreaterThan(8000);
  });
});
