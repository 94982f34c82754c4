// Modules of a distribution's kernels: each image equals memory straight after relocation, before init, and (where the
// kernel may not write) when the module runs; spoiled modules are refused in the foreseen words. Needs an unpacked kernel
// package (linux-image-*: boot/ and lib/modules/) for each architecture, named by an environment variable, and QEMU:
//   KLPLINK_DISTRO_PPC64LE=DIR KLPLINK_DISTRO_ARM64=DIR KLPLINK_DISTRO_X86_64=DIR npm run test:kernel
// An architecture without one is skipped. KLPLINK_MODULES="ext4 nfs …" takes others than those below.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import type { ImageResult } from "../../src/image.ts";
import { type Captured, neededNames, writeGolden } from "../image/captured.ts";
import { type Comparison, compare, imageOf, verifyCaptured } from "../image/compare.ts";
import { type ArchName, capture, dumpsOf } from "./capture.ts";
import { LoadedKernel, loadOrder, openDistro } from "./distro.ts";
import { buildOwn } from "./own.ts";
import { foreseen, saidAbout, withoutAddresses } from "./refusals.ts";
import { mustRun } from "./run.ts";
import { spoil } from "./spoiled.ts";

const lab = inject("lab");
const DEFAULT = `ext4 xfs btrfs nfsd cifs f2fs ocfs2 fuse overlay squashfs vfat ntfs3 ubifs 9p twofish_generic
camellia_generic chacha20poly1305 cmac rmd160 lz4 zstd af_alg algif_hash curve25519_generic bridge bonding vxlan macvlan
tun veth ip_tables openvswitch tipc wireguard mac80211 bluetooth batman_adv can sch_cake cls_flower e1000e igb mlx4_core
virtio_net virtio_blk nvme sd_mod megaraid_sas xhci_hcd usb_storage dm_crypt raid10 loop zram snd_pcm drm kvm vfio_pci
target_core_mod test_bpf`;
/** The default list, with what it depends on, is more than this. */
const least = (row: Row): number => (row.modules === wanted && process.env.KLPLINK_MODULES === undefined ? 80 : 3);
const wanted = (process.env.KLPLINK_MODULES ?? DEFAULT).split(/\s+/);

interface Row {
  readonly arch: ArchName;
  readonly title: string;
  readonly compiler: string;
  readonly root: string | undefined;
  readonly cpu?: string;
  readonly erratum?: boolean;
  readonly modules: readonly string[];
}

const { KLPLINK_DISTRO_PPC64LE, KLPLINK_DISTRO_ARM64, KLPLINK_DISTRO_X86_64 } = process.env;
const arm = { arch: "arm64", compiler: "aarch64-linux-gnu-gcc", root: KLPLINK_DISTRO_ARM64 } as const;
const rows: readonly Row[] = [
  {
    arch: "ppc64le",
    title: "ppc64le",
    compiler: "powerpc64le-linux-gnu-gcc",
    root: KLPLINK_DISTRO_PPC64LE,
    modules: wanted,
  },
  { ...arm, title: "arm64", modules: wanted },
  { ...arm, title: "arm64 with erratum 843419", cpu: "cortex-a53", erratum: true, modules: ["ext4", "nfs", "overlay"] },
  { arch: "x86_64", title: "x86_64", compiler: "x86_64-linux-gnu-gcc", root: KLPLINK_DISTRO_X86_64, modules: wanted },
];

for (const row of rows) {
  describe.skipIf(row.root === undefined)(row.title, () => {
    test("every image is what the kernel had: relocated, loaded, and running", { timeout: 1_800_000 }, async () => {
      const distro = openDistro(row.root ?? "");
      const modules = loadOrder(distro, row.modules);
      expect(modules.size).toBeGreaterThan(least(row));
      const [model] = modules.values();
      const own = row.arch === "ppc64le" || model === undefined ? null : buildOwn(row.arch, model, lab.folder);
      if (own !== null) modules.set("own", own);
      const init = join(lab.folder, `capture.${row.arch}`);
      const source = new URL("capture.c", import.meta.url).pathname;
      mustRun(row.compiler, ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", init, source]);

      const names = new Set([...modules.values()].flatMap((bytes) => [...neededNames(bytes)]));
      let kernel: LoadedKernel | null = null;
      let kallsyms = "";
      const faults: string[] = [];
      const erratum843419 = row.erratum === true;
      const sums = {
        modules: 0,
        bytes: 0,
        unknown: 0,
        relocations: 0,
        stubs: 0,
        loadedBytes: 0,
        loadedUnknown: 0,
        running: 0,
        runningEqual: 0,
        runningExplained: 0,
      };
      const check = (what: string, name: string, result: ImageResult, captured: Captured): Comparison => {
        const comparison = compare(result, captured);
        for (const p of result.problems) faults.push(`${name}, ${what}: ${p.code} ${titleOf(p)}`);
        for (const d of comparison.differences) faults.push(`${name}, ${what}: ${d}`);
        return comparison;
      };
      const known = (captured: Captured): { bytes: Uint8Array; symbols: LoadedKernel } => {
        const bytes = modules.get(captured.module);
        if (bytes === undefined || kernel === null) throw new Error(`${captured.module} was not asked for`);
        return { bytes, symbols: kernel };
      };
      const all: Captured[] = [];
      const run = await capture({
        arch: row.arch,
        kernel: distro.kernel,
        init: readFileSync(init),
        modules,
        ...(row.cpu === undefined ? {} : { cpu: row.cpu }),
        start: async (text, memory) => {
          kallsyms = text;
          kernel = new LoadedKernel(text);
          await kernel.readExports([...names], memory, row.arch !== "ppc64le");
        },
        each: (captured) => {
          all.push(captured);
          const { bytes, symbols } = known(captured);
          const result = imageOf(bytes, captured, symbols, { erratum843419 });
          const { compared, unknown } = check("relocated", captured.module, result, captured);
          sums.modules++;
          sums.bytes += compared;
          sums.unknown += unknown;
          sums.relocations += result.image?.applied ?? 0;
          sums.stubs += result.image?.stubs.length ?? 0;
          if (result.image !== null) symbols.add(result.image);
          if (captured.module === "own" && process.env.KLPLINK_UPDATE_CAPTURES === "1" && !erratum843419) {
            const release = /(\d+\.\d+.*)$/.exec(distro.kernel)?.[1] ?? "";
            writeGolden(`${row.arch}-own`, `${row.arch} ${release}`, bytes, captured, kallsyms);
          }
        },
        loaded: (captured) => {
          const { bytes, symbols } = known(captured);
          const result = imageOf(bytes, captured, symbols, { stage: "loaded", erratum843419 });
          const { compared, unknown } = check("loaded", captured.module, result, captured);
          sums.loadedBytes += compared;
          sums.loadedUnknown += unknown;
        },
        running: async (stayed, memory) => {
          for (const captured of all) {
            if (!stayed.has(captured.module)) continue;
            const { bytes, symbols } = known(captured);
            const dumps = await dumpsOf(captured, memory);
            const result = verifyCaptured(bytes, captured, symbols, dumps, { erratum843419 });
            for (const p of result.problems) faults.push(`${captured.module}, running: ${p.code} ${titleOf(p)}`);
            sums.running++;
            for (const section of result.sections) {
              sums.runningEqual += section.equal;
              for (const n of section.explained.values()) sums.runningExplained += n;
            }
          }
        },
      });
      if (own !== null && kernel !== null && row.erratum !== true) {
        const spoiled = spoil(row.arch === "arm64" ? "arm64" : "x86_64", own);
        const bad = new Map([...spoiled].map(([name, { bytes }]) => [name, bytes]));
        const refused = await capture({
          arch: row.arch,
          kernel: distro.kernel,
          init: readFileSync(init),
          modules: bad,
        });
        for (const [name, one] of spoiled) {
          const said = saidAbout(name, refused.console);
          expect(said, one.what).toHaveLength(1);
          expect(withoutAddresses(foreseen(one, kernel)), one.what).toBe(withoutAddresses(said[0] ?? ""));
        }
      }
      console.log(`${row.title}: ${JSON.stringify(sums)}`);
      expect(faults).toEqual([]);
      expect(sums.modules).toBeGreaterThan(least(row));
      expect(sums.loadedBytes).toBeGreaterThan(sums.bytes / 2);
      expect(sums.running).toBeGreaterThan(sums.modules / 2);
      expect(sums.runningEqual).toBeGreaterThan(sums.runningExplained * 10);
      const said = /^@m \/own\.ko .*$/m.exec(run.console)?.[0];
      const log = run.console.split("\n").filter((line) => /^@k .*(own|odule)/.test(line));
      if (own !== null) expect(said, log.slice(-5).join("\n")).toBe("@m /own.ko 0");
    });
  });
}
