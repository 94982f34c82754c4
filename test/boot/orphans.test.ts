// Functions behind which stands the code of an overridden weak function: the kernel takes that code's site for the
// function's own, accepts the livepatch and never redirects anything. Which functions those are is foreseen (KLP602), and seen in
// the memory of a kernel that such a livepatch was loaded into.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { findFtraceRecord } from "../../src/kernel/image/ftraceLookup.ts";
import { readVmlinux, type Vmlinux } from "../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { check } from "../../src/passes/check.ts";
import { diffObjects, extractDiff } from "../../src/passes/diff/diff.ts";
import { boot } from "./boot.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { stepOf } from "./scenario.ts";
import { calledFrom } from "./siteAudit.ts";
import { trace } from "./tracing.ts";

const lab = labOf(import.meta.url);
const LONG = 600_000;

interface Foreseen {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
  /** All sites up to the next symbol. */
  readonly sites: readonly bigint[];
  readonly kind: "own" | "orphan" | "unclear";
}

describe("ppc64le 6.1", () => {
  const folder = join(lab.folder, "orphans");
  const module = join(folder, "lp_orphans.ko");
  let vmlinux: Vmlinux;
  const foreseen: Foreseen[] = [];

  beforeAll(() => {
    vmlinux = readVmlinux(new Uint8Array(readFileSync(lab.vmlinux)), "vmlinux");
    const records = vmlinux.ftraceRecords;
    if (records === null) throw new Error("vmlinux has no table of sites");
    const orphans = new Set(records.orphans);
    for (const name of vmlinux.list.names()) {
      const [symbol, twin] = vmlinux.list.find(name);
      const end = symbol === undefined ? null : vmlinux.list.nextAddress(symbol.address);
      if (symbol === undefined || end === null || twin !== undefined || !/t/i.test(symbol.letter)) continue;
      const start = symbol.address;
      if (records.init !== null && start >= records.init.start && start < records.init.end) continue;
      const sites = [...records.sites].filter((site) => site >= start && site < end);
      if (!sites.some((site) => orphans.has(site))) continue;
      const { kind } = findFtraceRecord(records, start, end);
      if (kind !== "none") foreseen.push({ name, start, end, sites, kind });
    }
    mkdirSync(folder, { recursive: true });
    // What is foreseen to stay as it is; the replacement would be noticed.
    const patched = foreseen.filter((f) => f.kind === "orphan");
    const entries = patched.map((f) => `	{ .old_name = "${f.name}", .new_func = instead },\n`).join("");
    writeFileSync(
      join(folder, "lp_orphans.c"),
      `// SPDX-License-Identifier: MIT
#include <linux/livepatch.h>
#include <linux/module.h>
static long instead(void) { panic("a replacement was called"); }
static struct klp_func funcs[] = {\n${entries}	{}\n};
static struct klp_object objs[] = { { .funcs = funcs }, {} };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };
static int __init lp_init(void) { return klp_enable_patch(&patch); }
static void __exit lp_exit(void) {}
module_init(lp_init);
module_exit(lp_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
`,
    );
    writeFileSync(join(folder, "Kbuild"), "obj-m := lp_orphans.o\n");
    const tree = join(lab.vmlinux, "..");
    const make = ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-", "KBUILD_MODPOST_WARN=1"];
    mustRun("make", ["-s", "-C", tree, `M=${folder}`, ...make, "modules"]);
  }, LONG);

  test("check tells each of them", () => {
    const orphan = foreseen.filter((f) => f.kind === "orphan").map((f) => f.name);
    // Which ones depends on the build: the kernel searches its records by halves, page by page.
    expect(orphan.length).toBeGreaterThan(0);
    const kernel = new Kernel({ vmlinux });
    const { problems } = check(new Uint8Array(readFileSync(module)), { file: "lp_orphans.ko", kernel });
    const told = problems.flatMap((p) => (p.code === "KLP602" ? [p.data.symbol] : []));
    expect(told.sort()).toEqual(orphan.sort());
  });

  test("diff tells each that a change of it would have no effect", async () => {
    const orphan = foreseen.filter((f) => f.kind === "orphan").map((f) => f.name);
    const compiled = (more: number): Uint8Array => {
      const bodies = orphan.map((name) => `int ${name}(int x) { return outside(x) + ${more}; }`);
      writeFileSync(join(folder, "names.c"), `int outside(int);\n${bodies.join("\n")}\n`);
      const flags = ["-O2", "-mcmodel=large", "-fno-PIE", "-ffunction-sections", "-pg", "-mprofile-kernel", "-w"];
      mustRun("powerpc64le-linux-gnu-gcc", [...flags, "-c", join(folder, "names.c"), "-o", join(folder, "names.o")]);
      return new Uint8Array(readFileSync(join(folder, "names.o")));
    };
    const [orig, patched] = [compiled(1), compiled(2)];
    const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
    const { bytes, problems } = extractDiff(result, { kernel: new Kernel({ vmlinux }), object: "vmlinux" });
    const told = problems.flatMap((p) => (p.code === "KLP602" ? [p.data.symbol] : []));
    expect(told.sort()).toEqual(orphan.sort());
    expect(bytes).toBeNull();
  });

  test("the kernel turns the wrong sites into calls, and the right ones not", { timeout: LONG }, async () => {
    const seen: string[] = [];
    const loaded = await trace({
      arch: "ppc64le",
      kernel: lab.vmlinux,
      folder: lab.folder,
      modules: new Map([["lp_orphans", new Uint8Array(readFileSync(module))]]),
      off: async ({ memory }) => {
        for (const f of foreseen.filter((one) => one.kind === "orphan")) {
          const dump = await memory(f.start, Number(f.end - f.start));
          const called = f.sites.filter((site) => calledFrom("ppc64le", dump, Number(site - f.start), site) !== null);
          const orphans = new Set(vmlinux.ftraceRecords?.orphans);
          if (called.length !== 1 || !orphans.has(called[0] ?? 0n))
            seen.push(`${f.name}: ${called.map(String).join()}`);
        }
      },
      on: async () => {},
    });
    expect(loaded.get("lp_orphans")).toBe(0);
    expect(seen).toEqual([]);
  });

  test("the livepatch is accepted, and nothing calls a replacement", { timeout: LONG }, async () => {
    const script = [
      "insmod /module.ko",
      "wait /sys/kernel/livepatch/lp_orphans/transition 0",
      "read /sys/kernel/livepatch/lp_orphans/enabled",
      "read /proc/loadavg",
    ];
    const files = [{ name: "module.ko", data: readFileSync(module) }];
    const result = await boot(lab.vmlinux, readFileSync(lab.init), files, script);
    expect(result.steps.map((s) => [s.line, s.result])).toEqual(script.map((line) => [line, 0]));
    expect(stepOf(result, script[2] ?? "").output).toBe("1\n");
    expect(stepOf(result, "read /proc/loadavg").output).toMatch(/^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+\/\d+ \d+\n$/);
  });
});
