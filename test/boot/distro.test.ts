// Modules of Debian's kernels: each image equals memory straight after relocation, before init, and (where the kernel may not
// write) when the module runs; spoiled modules are refused in the foreseen words. The kernel packages come from the archive
// (fetch-distro.sh) and stay in the cache.
//   KLPLINK_DISTRO=6.12/arm64 or 6.12/x86_64/safe-ret takes one row only; KLPLINK_MODULES="ext4 nfs …" takes other modules than those below.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import { Btf } from "../../src/elf/btf.ts";
import { SHF_WRITE } from "../../src/elf/consts.ts";
import { findSignature } from "../../src/elf/containers/signature.ts";
import { readElf } from "../../src/elf/reader.ts";
import { btfTypes, type KernelTypes, STRUCT_MODULE } from "../../src/load/structModule.ts";
import type { ImageResult } from "../../src/passes/image/image.ts";
import { type Captured, neededNames, writeGolden } from "../passes/image/captured.ts";
import { type Comparison, compare, imageOf, MITIGATIONS_OFF, verifyCaptured } from "../passes/image/compare.ts";
import { type ArchName, capture, dumpsOf, type ReadMemory } from "./capture.ts";
import { LoadedKernel, loadOrder, openDistro } from "./distro.ts";
import { captureInit, compilerOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { type Mitigated, mitigatedKernels, returnThunkOf } from "./mitigations.ts";
import { buildOwn } from "./own.ts";
import { foreseen, saidAbout, withoutAddresses } from "./refusals.ts";
import { mustRun } from "./run.ts";
import { spoil } from "./spoiled.ts";

const lab = labOf(import.meta.url);

/** File systems, crypto, network, block and device drivers; with what they depend on more than 40. */
const MANY =
  `ext4 xfs overlay squashfs vfat fuse isofs 9p nfs cifs twofish_generic cmac lz4 af_alg algif_hash bridge bonding
vxlan macvlan tun veth ip_tables nf_conntrack can sch_cake cls_flower mac80211 e1000e mlx4_core virtio_net nvme dm_crypt loop
zram snd_pcm drm kvm`.split(/\s+/);
/** For what an x86_64 kernel does against weaknesses of its CPU. */
const SOME = "ext4 nf_conntrack e1000e zram kvm".split(" ");
/** For the other kernels. */
const FEW = "ext4 overlay 9p lz4 veth bridge bonding nf_conntrack e1000e dm_crypt zram snd_pcm kvm".split(" ");

/** A module of the distribution that needs few others, to be spoiled where own.c has no form. */
const PLAIN = "veth";

const debian = { ppc64le: "ppc64el", arm64: "arm64", x86_64: "amd64" } as const;

interface Row {
  readonly arch: ArchName;
  readonly series: "6.1" | "6.12" | "7.2";
  readonly modules: readonly string[];
  /** A CPU with erratum 843419. */
  readonly erratum?: boolean;
  /** x86_64: what the kernel does against weaknesses of its CPU; nothing without this. */
  readonly mitigated?: Mitigated;
}

const architectures: readonly ArchName[] = ["ppc64le", "arm64", "x86_64"];
const all: readonly Row[] = [
  ...architectures.map((arch): Row => ({ arch, series: "6.12", modules: MANY })),
  ...(["7.2", "6.1"] as const).flatMap((series) => architectures.map((arch): Row => ({ arch, series, modules: FEW }))),
  { arch: "arm64", series: "6.12", erratum: true, modules: ["ext4", "nfs", "overlay"] },
  ...mitigatedKernels.map(({ series, ...mitigated }): Row => ({ arch: "x86_64", series, modules: SOME, mitigated })),
];
const { KLPLINK_DISTRO, KLPLINK_MODULES } = process.env;
const keyOf = ({ series, arch, mitigated }: Row): string =>
  `${series}/${arch}${mitigated === undefined ? "" : `/${mitigated.name}`}`;
const rows = all.filter((r) => KLPLINK_DISTRO === undefined || keyOf(r) === KLPLINK_DISTRO);

describe.each(rows)("Linux $series, $arch", ({ arch, series, modules: wanted, erratum, mitigated }) => {
  const erratum843419 = erratum === true;
  const on = erratum843419 ? ", with erratum 843419" : mitigated === undefined ? "" : `, with ${mitigated.name}`;
  test(`every image is what the kernel had${on}`, {
    timeout: 1_800_000,
  }, async () => {
    const distro = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", debian[arch], series]).trim());
    const modules = loadOrder(distro, KLPLINK_MODULES?.split(/\s+/) ?? wanted);
    const [model] = modules.values();
    const own = arch === "ppc64le" || model === undefined ? null : buildOwn(arch, model, lab.folder);
    if (own !== null) modules.set("own", own);
    const init = join(lab.folder, `capture.${arch}`);
    captureInit(compilerOf(arch), init);

    const names = new Set([...modules.values()].flatMap((bytes) => [...neededNames(bytes)]));
    let types: KernelTypes | null = null;
    const options = () => ({ erratum843419, x86: mitigated?.state ?? MITIGATIONS_OFF, types });
    let returnThunk: string | null = null;
    let kernel: LoadedKernel | null = null;
    let kallsyms = "";
    const faults: string[] = [];
    const sums = {
      modules: 0,
      bytes: 0,
      unknown: 0,
      relocations: 0,
      stubs: 0,
      mostStubs: 0,
      withPercpu: 0,
      withInit: 0,
      withWeak: 0,
      loadedBytes: 0,
      loadedUnknown: 0,
      running: 0,
      runningBytes: 0,
      runningExplained: 0,
      constantExplained: 0,
      structBytes: 0,
      structUnknown: { relocated: 0, loaded: 0 },
    };
    const check = (what: "relocated" | "loaded", name: string, result: ImageResult, captured: Captured): Comparison => {
      const comparison = compare(result, captured);
      for (const p of result.problems) faults.push(`${name}, ${what}: ${p.code} ${titleOf(p)}`);
      for (const d of comparison.differences) faults.push(`${name}, ${what}: ${d}`);
      const struct = result.image?.sections.find((s) => s.name === STRUCT_MODULE);
      if (what === "relocated") sums.structBytes += struct?.bytes.length ?? 0;
      for (const u of result.image?.unknown ?? [])
        if (u.section === struct?.index) sums.structUnknown[what] += u.end - u.start;
      return comparison;
    };
    const known = (captured: Captured): { bytes: Uint8Array; symbols: LoadedKernel } => {
      const bytes = modules.get(captured.module);
      if (bytes === undefined || kernel === null) throw new Error(`${captured.module} was not asked for`);
      return { bytes, symbols: kernel };
    };
    const seen: Captured[] = [];
    const run = await capture({
      arch,
      kernel: distro.kernel,
      init: readFileSync(init),
      modules,
      ...(erratum843419 ? { cpu: "cortex-a53" } : {}),
      ...(mitigated === undefined
        ? {}
        : { cpu: mitigated.cpu, parameters: `mitigations=auto ${mitigated.parameters}` }),
      start: async (text, memory) => {
        kallsyms = text;
        kernel = new LoadedKernel(text);
        types = await readTypes(text, memory);
        if (mitigated !== undefined) returnThunk = await returnThunkOf(text, memory);
        await kernel.readExports([...names], memory, arch !== "ppc64le");
      },
      each: (captured) => {
        seen.push(captured);
        const { bytes, symbols } = known(captured);
        symbols.learn(bytes, captured);
        const result = imageOf(bytes, captured, symbols, options());
        const { compared, unknown } = check("relocated", captured.module, result, captured);
        const stubs = result.image?.stubs.length ?? 0;
        const kinds = kindsOf(bytes);
        sums.modules++;
        sums.bytes += compared;
        sums.unknown += unknown;
        sums.relocations += result.image?.applied ?? 0;
        sums.stubs += stubs;
        sums.mostStubs = Math.max(sums.mostStubs, stubs);
        sums.withPercpu += kinds.percpu ? 1 : 0;
        sums.withInit += kinds.init ? 1 : 0;
        sums.withWeak += kinds.weak ? 1 : 0;
        if (result.image !== null) symbols.add(result.image);
      },
      loaded: (captured) => {
        const { bytes, symbols } = known(captured);
        const result = imageOf(bytes, captured, symbols, { ...options(), stage: "loaded" });
        const { compared, unknown } = check("loaded", captured.module, result, captured);
        // What is left of a weak function that another one overrides is a site, too (kvm has some).
        for (const { section, start, reason } of result.image?.unknown ?? [])
          if (reason.includes("site of another form"))
            faults.push(`${captured.module}: ${reason} at section ${section}+0x${start.toString(16)}`);
        sums.loadedBytes += compared;
        sums.loadedUnknown += unknown;
        const before = seen.find((c) => c.module === captured.module);
        if (
          captured.module === "own" &&
          before !== undefined &&
          process.env.KLPLINK_UPDATE_CAPTURES === "1" &&
          series === "6.12" &&
          on === ""
        ) {
          const release = /(\d+\.\d+.*)$/.exec(distro.kernel)?.[1] ?? "";
          const moments = { captured: before, loaded: captured, running: null, objects: [] };
          writeGolden(`${arch}-own`, `${arch} ${release}`, bytes, moments, kallsyms, types);
        }
      },
      running: async (stayed, memory) => {
        for (const captured of seen) {
          if (!stayed.has(captured.module)) continue;
          const { bytes, symbols } = known(captured);
          const result = verifyCaptured(bytes, captured, symbols, await dumpsOf(captured, memory), options());
          for (const p of result.problems) faults.push(`${captured.module}, running: ${p.code} ${titleOf(p)}`);
          sums.running++;
          const flags = new Map(result.image?.sections.map((s) => [s.name, s.flags]));
          for (const section of result.sections) {
            const explained = [...section.explained.values()].reduce((a, b) => a + b, 0);
            sums.runningBytes += section.size;
            sums.runningExplained += explained;
            if (((flags.get(section.name) ?? 0) & SHF_WRITE) === 0) sums.constantExplained += explained;
          }
        }
      },
    });
    console.log(`Linux ${series}, ${arch}${on}: ${JSON.stringify(sums)}`);
    if (mitigated !== undefined) {
      // What the kernel really does; without that the row would show nothing.
      const said = new Map([...run.console.matchAll(/^@v (\w+): (.*)$/gm)].map((m) => [m[1] ?? "", m[2] ?? ""]));
      for (const [weakness, text] of Object.entries(mitigated.says)) expect(said.get(weakness)).toContain(text);
      expect(returnThunk).toBe(mitigated.state.returns);
    }
    expect(faults).toEqual([]);
    const log = run.console.split("\n").filter((line) => /^@k .*(own|odule)/.test(line));
    if (own !== null) {
      expect(/^@m \/own\.ko .*$/m.exec(run.console)?.[0], log.slice(-5).join("\n")).toBe("@m /own.ko 0");
      // It has no checksums. Where the kernel has, it is one that is configured to be forced (KLP514).
      const hasChecksums = model !== undefined && readElf(model).sections.findByName("__versions") !== null;
      expect(log.some((line) => line.endsWith("own: module_layout: kernel tainted."))).toBe(hasChecksums);
    }
    expect(sums.running).toBeGreaterThan(sums.modules / 2);
    if (wanted === MANY && KLPLINK_MODULES === undefined) {
      expect(sums.modules).toBeGreaterThanOrEqual(40);
      expect(sums.withPercpu).toBeGreaterThan(1);
      expect(sums.withInit).toBeGreaterThan(30);
      expect(sums.withWeak).toBeGreaterThan(0);
      if (arch === "ppc64le") expect(sums.mostStubs).toBeGreaterThan(200);
      // What differed where it may, of all that stays.
      expect(sums.runningExplained / sums.runningBytes).toBeLessThan(0.03);
    } else expect(sums.modules).toBeGreaterThanOrEqual(KLPLINK_MODULES === undefined ? 3 : 1);
    // What cannot be known, of all that is loaded.
    if ((wanted === MANY || mitigated !== undefined) && KLPLINK_MODULES === undefined)
      expect(sums.loadedUnknown / (sums.loadedBytes + sums.loadedUnknown)).toBeLessThan(0.02);
    expect(sums.constantExplained / sums.runningBytes).toBeLessThan(0.02);

    if (kernel === null || erratum843419 || mitigated !== undefined || series === "6.1") return;
    const good = own ?? modules.get(PLAIN);
    if (good === undefined) throw new Error(`${PLAIN} was not loaded`);
    const spoiled = spoil(arch === "ppc64le" ? "ppc64le distribution" : arch, unsigned(good));
    const bad = new Map([...spoiled].map(([name, { bytes }]) => [name, bytes]));
    const refused = await capture({ arch, kernel: distro.kernel, init: readFileSync(init), modules: bad });
    for (const [name, one] of spoiled) {
      const said = saidAbout(name, refused.console);
      expect(said, one.what).toHaveLength(1);
      expect(withoutAddresses(foreseen(one, kernel)), one.what).toBe(withoutAddresses(said[0] ?? ""));
    }
  });
});

/** The kernel's types, from its memory; null if it was built without them. */
async function readTypes(kallsyms: string, memory: ReadMemory): Promise<KernelTypes | null> {
  const [start, end] = ["__start_BTF", "__stop_BTF"].map((name) =>
    new RegExp(`^([0-9a-f]+) \\S ${name}$`, "m").exec(kallsyms),
  );
  if (start?.[1] === undefined || end?.[1] === undefined) return null;
  const from = BigInt(`0x${start[1]}`);
  const bytes = await memory(from, Number(BigInt(`0x${end[1]}`) - from));
  return btfTypes(new Btf(bytes, true));
}

/** Without its signature: the kernel takes a module that has none, but not one that a signature does not fit. */
const unsigned = (bytes: Uint8Array): Uint8Array => bytes.slice(0, findSignature(bytes)?.start ?? bytes.length);

/** What a module has of the things that the loader treats in a way of its own. */
function kindsOf(bytes: Uint8Array): { percpu: boolean; init: boolean; weak: boolean } {
  const { sections, symbols } = readElf(bytes);
  let weak = false;
  for (let i = 1; symbols !== null && i < symbols.count; i++) weak ||= symbols.bind(i) === 2;
  return {
    percpu: sections.findByName(".data..percpu") !== null,
    init: sections.findByName(".init.text") !== null,
    weak,
  };
}
