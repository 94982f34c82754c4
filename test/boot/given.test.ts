// Module parameters that are given when a module is loaded: before init memory is what the image with `--param` says, and nothing but what
// the image without it lists is different. Modules of Debian's kernels, with parameters of each kind. A livepatch that is in force when its
// module comes is in image.test.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import type { GivenParameter } from "../../src/load/facts.ts";
import { neededNames } from "../passes/image/captured.ts";
import { compare, imageOf, MITIGATIONS_OFF } from "../passes/image/compare.ts";
import { type ArchName, capture } from "./capture.ts";
import { LoadedKernel, loadOrder, openDistro } from "./distro.ts";
import { captureInit, compilerOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";

const lab = labOf(import.meta.url);

/** By module; those that an architecture does not have are left out. */
const GIVEN = new Map([
  ["zram", "num_devices=2"],
  ["brd", "rd_nr=3 rd_size=0x1000 max_part=010"],
  ["overlay", "redirect_dir=on metacopy=N index xino_auto=y redirect_max=300"],
  // A charp, an array of them, and what is misspelled with a dash.
  ["bonding", "max_bonds=0 miimon=100 mode=active-backup tx-queues=4 arp_ip_target=10.0.0.1,10.0.0.2"],
  ["e1000e", "InterruptThrottleRate=3,1,4000 copybreak=128 debug=-1 IntMode=1"],
  ["null_blk", "nr_devices=0 bs=4096 cache_size=7 zoned=1 mbps=0"],
  ["netconsole", "netconsole=@/,@10.0.0.2/ oops_only"],
  ["snd_dummy", "index=1,-2 enable=1,0 pcm_devs=2,3 model=emu10k1 hrtimer=off"],
  // A function of its own sets `proto`.
  ["psmouse", "proto=bare rate=40 resolution=0x64 smartscroll=0"],
]);

const rows: readonly { readonly arch: ArchName; readonly debian: string; readonly series: string }[] = [
  { arch: "x86_64", debian: "amd64", series: "6.12" },
  { arch: "arm64", debian: "arm64", series: "6.12" },
  { arch: "ppc64le", debian: "ppc64el", series: "6.12" },
  { arch: "x86_64", debian: "amd64", series: "7.2" },
];

const parametersOf = (text: string | undefined): GivenParameter[] =>
  (text ?? "")
    .split(" ")
    .filter((one) => one !== "")
    .map((one) => {
      const [, name = one, value = null] = /^([^=]+)=(.*)$/.exec(one) ?? [];
      return { name, value };
    });

describe.each(rows)("Debian's $series for $debian", ({ arch, debian, series }) => {
  test("memory before init is what the parameters that were given make of it", { timeout: 1_200_000 }, async () => {
    const distro = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", debian, series]).trim());
    const modules = loadOrder(distro, [...GIVEN.keys()]);
    const init = join(lab.folder, `given.${arch}`);
    captureInit(compilerOf(arch), init);
    const names = new Set([...modules.values()].flatMap((bytes) => [...neededNames(bytes)]));
    let kernel: LoadedKernel | null = null;
    const faults: string[] = [];
    /** Modules that were given parameters: bytes that are not known with and without a word on them, and that these changed. */
    const seen = new Map<string, { told: number; untold: number; changed: boolean }>();
    const known = (module: string): { bytes: Uint8Array; symbols: LoadedKernel } => {
      const bytes = modules.get(module);
      if (bytes === undefined || kernel === null) throw new Error(`${module} was not asked for`);
      return { bytes, symbols: kernel };
    };
    await capture({
      arch,
      kernel: distro.kernel,
      init: readFileSync(init),
      modules,
      given: GIVEN,
      start: async (text, memory) => {
        kernel = new LoadedKernel(text);
        await kernel.readExports([...names], memory, arch !== "ppc64le");
      },
      each: (captured) => {
        const { bytes, symbols } = known(captured.module);
        symbols.learn(bytes, captured);
        const { image } = imageOf(bytes, captured, symbols);
        if (image !== null) symbols.add(image);
      },
      loaded: (captured) => {
        const { bytes, symbols } = known(captured.module);
        const against = (parameters: readonly GivenParameter[] | null) => {
          const options = { stage: "loaded", x86: MITIGATIONS_OFF, parameters } as const;
          const result = imageOf(bytes, captured, symbols, options);
          for (const p of result.problems) faults.push(`${captured.module}: ${p.code} ${titleOf(p)}`);
          return compare(result, captured);
        };
        const [told, untold] = [against(parametersOf(GIVEN.get(captured.module))), against(null)];
        for (const d of [...told.differences, ...untold.differences]) faults.push(`${captured.module}: ${d}`);
        if (!GIVEN.has(captured.module)) return;
        const changed = against([]).differences.length > 0;
        seen.set(captured.module, { told: told.unknown, untold: untold.unknown, changed });
      },
    });
    expect(faults).toEqual([]);
    console.log(`Linux ${series}, ${arch}: ${JSON.stringify([...seen])}`);
    expect(seen.size).toBeGreaterThanOrEqual(7);
    for (const [module, { told, untold, changed }] of seen) {
      expect(changed, `${module}: the kernel wrote something`).toBe(true);
      expect(told, module).toBeLessThanOrEqual(untold);
      // Less is open once it is told, but where the function of its own that sets `proto` may write anything.
      if (module !== "psmouse") expect(told, module).toBeLessThan(untold);
    }
  });
});
