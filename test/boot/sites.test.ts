// `klplink sites` against kernels built here, vmlinux and a module: counts of binutils, the functions that ftrace lists, and
// the bytes in memory with the function tracer off and on.

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Form } from "../../src/ftrace/forms.ts";
import type { KernelVersion } from "../../src/kernel/version.ts";
import { type Sites, sites } from "../../src/passes/sites.ts";
import type { ArchName } from "./capture.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo } from "./run.ts";
import { auditGuest, type Loaded } from "./siteAudit.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 900_000;

/** A function of arm64 with two nops in front of it and two at its entry, as objdump shows it. */
const TWO_AND_TWO =
  /\tnop\n[^\n]*\tnop\n\n([0-9a-f]+) <[^\n]*>:\n(?:[^\n]*\tbti\tc\n)?[^\n]*\tnop\n[^\n]*\tnop\n(?!\n)/g;

/** A function of ppc64le that begins with a nop: a few do that have no site, before an instruction that must be aligned. */
const ONE = /\n([0-9a-f]+) <[^\n]*>:\n[^\n]*\tnop\n/g;

interface Row {
  readonly name: string;
  readonly arch: ArchName;
  /** Another CPU than usual. */
  readonly cpu?: string;
  readonly version: KernelVersion;
  readonly form: Form;
  readonly tree: () => string;
  readonly image: string;
  readonly make: readonly string[];
  /** Sites in objdump's words: calls, or functions by address with nops. */
  readonly calls?: RegExp;
  readonly nops?: RegExp;
  /** Functions with such nops and no site, at most. */
  readonly others?: number;
  readonly objdump: string;
}

const rows: readonly Row[] = [
  {
    name: "ppc64le",
    arch: "ppc64le",
    version: { major: 6, minor: 1 },
    form: "profile two",
    tree: () => join(lab.vmlinux, ".."),
    image: "vmlinux",
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
    calls: /\tbl +[0-9a-f]+ <_mcount>$/gm,
    objdump: "powerpc64le-linux-gnu-objdump",
  },
  {
    name: "ppc64le-pcrel",
    arch: "ppc64le",
    cpu: "power10",
    version: { major: 7, minor: 2 },
    form: "out of line",
    tree: () => mustRun("bash", ["test/boot/build-pcrel-kernel.sh"]).trim(),
    image: "vmlinux",
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
    nops: ONE,
    others: 20,
    objdump: "powerpc64le-linux-gnu-objdump",
  },
  {
    name: "x86_64",
    arch: "x86_64",
    version: { major: 6, minor: 1 },
    form: "fentry",
    tree: () => mustRun("bash", ["test/boot/build-x86_64-kernel.sh"]).trim(),
    image: "arch/x86/boot/bzImage",
    make: ["ARCH=x86_64", "CROSS_COMPILE=x86_64-linux-gnu-"],
    calls: /\tcall +[0-9a-f]+ <__fentry__>$/gm,
    objdump: "x86_64-linux-gnu-objdump",
  },
  {
    name: "arm64",
    arch: "arm64",
    version: { major: 7, minor: 2 },
    form: "patchable before",
    tree: () => mustRun("bash", ["test/boot/build-arm64-kernel.sh"]).trim(),
    image: "arch/arm64/boot/Image",
    make: ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    nops: TWO_AND_TWO,
    objdump: "aarch64-linux-gnu-objdump",
  },
];

describe.each(rows)("$name", (row) => {
  const { name, arch, cpu, version, form, tree: findTree, image, make, calls, nops, others = 0, objdump } = row;
  let tree = "";
  let vmlinux: Sites;

  beforeAll(() => {
    tree = findTree();
    vmlinux = sites(new Uint8Array(readFileSync(join(tree, "vmlinux"))), "vmlinux");
  }, LONG);

  test("every entry of the table is a site, or code of an overridden weak function", () => {
    const { report } = vmlinux;
    const used = report.functions.filter((s) => s.reason === null);
    expect(used.length).toBeGreaterThan(5000);
    expect(new Set(used.map((s) => s.entry?.form))).toEqual(new Set([form]));
    expect(report.disagreements.filter((d) => d.kind !== "overridden")).toEqual([]);
    const real = report.tables.entries.filter((e) => !e.isZero).length;
    expect(used.length + report.disagreements.length).toBe(real);
  });

  test("the sites that objdump counts are the entries", () => {
    const { report } = vmlinux;
    const text = mustRun(objdump, ["-d", "--no-show-raw-insn", join(tree, "vmlinux")]);
    const used = report.functions.filter((s) => s.reason === null);
    if (calls !== undefined) {
      expect(text.match(calls)).toHaveLength(used.length + report.disagreements.length);
      return;
    }
    const found = new Set([...text.matchAll(nops ?? TWO_AND_TWO)].map((m) => BigInt(`0x${m[1]}`)));
    const { sections } = vmlinux.file;
    const starts = new Set(used.map(({ function: f }) => sections.addr(f.section) + BigInt(f.start)));
    expect([...starts].filter((at) => !found.has(at))).toEqual([]);
    expect([...found].filter((at) => !starts.has(at)).length).toBeLessThanOrEqual(others);
  });

  test("ftrace lists the same functions, and memory holds the bytes of --as", { timeout: LONG }, async () => {
    const folder = join(lab.folder, `sites-${name}`);
    cpSync(join(repo, "test/boot/producers"), folder, { recursive: true });
    mustRun("make", ["-s", "-C", tree, `M=${folder}`, ...make, "KBUILD_MODPOST_WARN=1", "modules"]);
    const bytes = new Uint8Array(readFileSync(join(folder, "lp_target.ko")));
    const modules = new Map<string, Loaded>([["lp_target", { bytes, sites: sites(bytes, "lp_target.ko") }]]);
    const { faults, ...sums } = await auditGuest({
      arch,
      cpu,
      kernel: join(tree, image),
      version,
      folder: lab.folder,
      modules,
      vmlinux,
    });
    console.log(`${name}: ${JSON.stringify(sums)}`);
    expect(faults.slice(0, 20)).toEqual([]);
    expect(sums.modules).toBe(1);
    expect(sums.functions).toBe(sums.listed);
    expect(sums.vmlinux).toBeGreaterThan(5000);
    expect(sums.on).toBe(sums.off);
    expect(sums.calls).toBeGreaterThan(sums.on * 0.9);
  });
});
