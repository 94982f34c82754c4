// Modules of our own, loaded into the kernels that the tests build: what klplink makes of each file is what the kernel had in
// memory, straight after relocation, before init, and in use; of the livepatch for a module that comes later, too.
// With KLPLINK_UPDATE_CAPTURES=1 what was seen becomes test/golden/image.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { addressesOf, type KernelAddresses } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import type { ImageOptions } from "../../src/passes/image/image.ts";
import { patchedNames } from "../../src/passes/patchedBy.ts";
import { type Captured, type Moments, writeGolden } from "../passes/image/captured.ts";
import { compare, imageOf, MITIGATIONS_OFF, verifyCaptured } from "../passes/image/compare.ts";
import { capture, dumpsOf } from "./capture.ts";
import { buildModules, captureInit, type LabKernel, labKernels, treeOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { buildOwn } from "./own.ts";
import { foreseen, saidAbout, withoutAddresses } from "./refusals.ts";
import { klplink } from "./scenario.ts";
import { spoil } from "./spoiled.ts";

const lab = labOf(import.meta.url);
const here = fileURLToPath(new URL(".", import.meta.url));
/** Milliseconds; a limit against hanging. */
const LONG = 900_000;

/** The kernel's names of a module's symbols, from its own table in memory, as lines of kallsyms. */
function listed(module: Uint8Array, captured: Captured): string[] {
  const { symbols } = readElf(module);
  const table = captured.sections.find((s) => s.index === symbols?.section);
  if (symbols === null || table === undefined) return [];
  const memory = Buffer.from(table.bytes);
  return Array.from({ length: symbols.count }, (_, i) => i).flatMap((i) => {
    if (symbols.sectionOf(i) === null || !/^(?:late_|(?:__ksymtab_)?varied_)/.test(symbols.name(i))) return [];
    const value = memory
      .readBigUInt64LE(i * 24 + 8)
      .toString(16)
      .padStart(16, "0");
    return [`${value} t ${symbols.name(i)}\t[${captured.module}]`];
  });
}

/** Modules that only some kernels are shown. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  ppc64le: ["klp_nonop", "klp_sibling"],
  "ppc64le-pcrel": ["far"],
};

describe.each(labKernels)("$name", (target: LabKernel) => {
  const { arch } = target;
  const names = ["varied", "late", "late_target", ...(MORE[target.name] ?? [])];
  const livepatches = names.filter((name) => name.startsWith("klp_"));
  const cpu = target.cpu === undefined ? {} : { cpu: target.cpu };
  /** Each module as it was loaded, and what it looked like in memory. */
  const seen = new Map<string, { bytes: Uint8Array } & Moments>();
  let kallsyms = "";
  let kernel: KernelAddresses | null = null;
  let release = "";
  let init: Uint8Array = new Uint8Array(0);
  let image = "";

  beforeAll(async () => {
    const tree = treeOf(target);
    image = join(tree, target.image);
    release = /Linux version (\S+)/.exec(readFileSync(join(tree, "vmlinux"), "latin1"))?.[1] ?? "";
    const folder = join(lab.folder, `image-${target.name}`);
    mkdirSync(folder);
    captureInit(target.compiler, join(folder, "capture"));
    init = readFileSync(join(folder, "capture"));
    buildModules(target, tree, join(here, "image/varied"), join(folder, "varied"));
    buildModules(target, tree, join(here, "image/late"), join(folder, "late"));
    const modules = new Map<string, Uint8Array>();
    const link = (name: string, path: string, ...more: string[]): void => {
      const linked = join(folder, `${name}.linked.ko`);
      const run = klplink(path, "-k", join(tree, "System.map"), ...more, "-o", linked);
      expect(run, run.stderr).toMatchObject({ status: 0 });
      modules.set(name, readFileSync(linked));
    };
    modules.set("varied", readFileSync(join(folder, "varied/varied.ko")));
    const object = join(folder, "late/late_target.ko");
    link("late", join(folder, "late/late.ko"), "-m", object);
    modules.set("late_target", readFileSync(object));
    for (const name of livepatches) link(name, join(lab.modules, `${name}.ko`));
    if (names.includes("far")) {
      buildModules(target, tree, join(here, "image/far"), join(folder, "far"));
      modules.set("far", readFileSync(join(folder, "far/far.ko")));
    }
    const loaded = new Map<string, Captured>();
    const running = new Map<string, Map<bigint, Uint8Array>>();
    const { captured } = await capture({
      arch,
      ...cpu,
      kernel: image,
      init,
      modules,
      start: (text) => {
        kallsyms = text;
      },
      loaded: (one) => {
        loaded.set(one.module, one);
      },
      running: async (stayed, memory) => {
        for (const one of loaded.values())
          if (stayed.has(one.module)) running.set(one.module, await dumpsOf(one, memory));
      },
    });
    for (const one of captured) {
      const bytes = modules.get(one.module);
      if (bytes === undefined) continue;
      const objects = one.module === "late" ? [...running.keys()].filter((name) => name === "late_target") : [];
      if (/^(?:late_target|varied)$/.test(one.module)) kallsyms = [kallsyms, ...listed(bytes, one)].join("\n");
      const moments = { captured: one, loaded: loaded.get(one.module) ?? null, objects };
      seen.set(one.module, { bytes, ...moments, running: running.get(one.module) ?? null });
    }
    kernel = addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));
  }, LONG);

  const get = (name: string): { bytes: Uint8Array } & Moments => {
    const one = seen.get(name);
    if (one === undefined) throw new Error(`${name} was not loaded`);
    return one;
  };

  describe.each(names)("%s", (name) => {
    test("straight after relocation the image is what the kernel had", () => {
      const { bytes, captured } = get(name);
      const result = imageOf(bytes, captured, kernel);
      expect(result.problems).toEqual([]);
      const { differences, compared } = compare(result, captured);
      expect(differences).toEqual([]);
      expect(compared).toBeGreaterThan(1000);
      if (process.env.KLPLINK_UPDATE_CAPTURES === "1" && name !== "late_target")
        writeGolden(`${target.name}-${name}`, `${target.name} ${release}`, bytes, get(name), kallsyms);
    });

    // The module that comes later is patched by then.
    test.skipIf(name === "late_target")("before init, too", () => {
      const { bytes, captured, loaded } = get(name);
      if (loaded === null) throw new Error(`${name} did not get so far`);
      const result = imageOf(bytes, captured, kernel, { stage: "loaded", x86: MITIGATIONS_OFF });
      expect(result.problems).toEqual([]);
      const { differences, compared } = compare(result, loaded);
      expect(differences).toEqual([]);
      expect(compared).toBeGreaterThan(1000);
    });

    // A livepatch is refused while another one is in transition.
    test.skipIf(/klp_/.test(name))("and in use", () => {
      const { bytes, captured, running, objects } = get(name);
      if (running === null || kernel === null) throw new Error(`${name} did not stay`);
      const { problems, sections } = verifyCaptured(bytes, captured, kernel, running, {
        objects,
        x86: MITIGATIONS_OFF,
      });
      expect(problems.map((p) => titleOf(p))).toEqual([]);
      expect(sections.length).toBeGreaterThan(5);
    });
  });

  test("the module that comes later, before init: its sites are as the livepatch in force says, and listed if nothing is said", () => {
    const { bytes, captured, loaded } = get("late_target");
    if (loaded === null) throw new Error("late_target did not get so far");
    const patched = patchedNames(get("late").bytes, "late.ko", "late_target");
    expect(patched).toEqual([{ name: "late_answer", position: 0 }]);
    const against = (said: NonNullable<ImageOptions["patched"]> | null) => {
      const result = imageOf(bytes, captured, kernel, { stage: "loaded", x86: MITIGATIONS_OFF, patched: said });
      expect(result.problems).toEqual([]);
      return compare(result, loaded);
    };
    const [told, untold, none] = [against(patched), against(null), against([])];
    expect(told.differences).toEqual([]);
    expect(told.compared).toBeGreaterThan(1000);
    expect(untold.differences).toEqual([]);
    // Other functions' sites are nops then, and each is a range if nothing is said.
    expect(told.unknown).toBeLessThan(untold.unknown);
    // The kernel did write a call.
    expect(none.differences).not.toEqual([]);
  });

  test("the livepatch's late relocations were applied, and are in the image", () => {
    const { bytes, captured, running, objects } = get("late");
    expect(objects).toEqual(["late_target"]);
    const before = imageOf(bytes, captured, kernel, { stage: "loaded" }).image;
    const after = imageOf(bytes, captured, kernel, { stage: "loaded", late: objects });
    expect(after.problems).toEqual([]);
    let compared = 0;
    for (const table of after.image?.file.relocations ?? []) {
      if (!after.image?.file.sections.name(table.section).startsWith(".klp.rela.late_target.")) continue;
      const section = after.image.sections.find((s) => s.index === table.target);
      const memory = running?.get(section?.address ?? 0n);
      for (let row = 0; row < table.count; row++) {
        const at = table.offset(row);
        const four = (b: Uint8Array | undefined): string => Buffer.from(b?.subarray(at, at + 4) ?? []).toString("hex");
        expect(four(section?.bytes)).toBe(four(memory));
        expect(four(section?.bytes)).not.toBe(four(before?.sections.find((s) => s.index === table.target)?.bytes));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(3);
  });

  test(
    "what the kernel says to spoiled modules is what klplink foresees",
    async () => {
      const { bytes } = get("varied");
      const spoiled = spoil(target.name, arch !== "arm64" ? bytes : buildOwn(arch, bytes, lab.folder));
      const modules = new Map([...spoiled].map(([name, { bytes }]) => [name, bytes]));
      let there: KernelAddresses | null = null;
      const start = (text: string): void => {
        there = addressesOf(parseSymbols(Buffer.from(`${text}\n`), "kallsyms"));
      };
      const { console } = await capture({ arch, ...cpu, kernel: image, init, modules, start });
      for (const [name, one] of spoiled) {
        const said = saidAbout(name, console);
        expect(said, one.what).toHaveLength(1);
        expect(withoutAddresses(there === null ? null : foreseen(one, there)), one.what).toBe(
          withoutAddresses(said[0] ?? ""),
        );
      }
    },
    LONG,
  );

  test(
    "and to spoiled livepatches",
    async () => {
      const spoiled = spoil("livepatch", get("late").bytes);
      // The module that is patched is there, so that its relocations are applied as the livepatch is enabled.
      const modules = new Map([["late_target", get("late_target").bytes]]);
      for (const [name, { bytes }] of spoiled) modules.set(name, bytes);
      let there: KernelAddresses | null = null;
      const start = (text: string): void => {
        there = addressesOf(parseSymbols(Buffer.from(`${text}\n`), "kallsyms"));
      };
      const { console } = await capture({ arch, ...cpu, kernel: image, init, modules, start });
      const wording = /^@k <3>(livepatch: (?:symbol|section|unresolvable|invalid access).*)$/gm;
      const said = [...console.matchAll(wording)].map((m) => m[1]);
      const words = [...spoiled.values()].map((one) => there && foreseen(one, there, ["late_target"]));
      expect(words).toEqual(said);
      expect(words).toHaveLength(7);
    },
    LONG,
  );
});
