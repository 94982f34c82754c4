// One livepatch for each form that producers leave (producers/*.c), finished by klplink: loaded before the module that it
// patches, in force, and removed again. And the same livepatch broken in a dozen ways: each refused by the kernel in the words
// that klplink predicts.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { firstRefusal, kernelOf, printedRefusals, titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import type { RelocationTable } from "../../src/elf/views/relas.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { readVmlinux, type Vmlinux } from "../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import type { KernelSymbol } from "../../src/kernel/symbols/symbolColumns.ts";
import type { SymbolList } from "../../src/kernel/symbols/symbolList.ts";
import { check } from "../../src/passes/check.ts";
import { changeHeader } from "../klp/header.ts";
import { Part, renameSection } from "../klp/part.ts";
import { meaning } from "../klp/producers/originals.ts";
import { boot, type GuestFile, type Machine, PC, POWER10, type Step, VIRT } from "./boot.ts";
import { labOf } from "./lab.ts";
import { producerLife, producers } from "./producerLife.ts";
import { mustRun, repo } from "./run.ts";
import { complaints, klplink, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 900_000;

/** A kernel to boot, and how modules for it are built. */
interface Target {
  readonly arch: string;
  /** The built kernel's folder. */
  readonly tree: () => string;
  /** What is booted, in that folder. */
  readonly image: string;
  readonly init: () => string;
  readonly make: readonly string[];
  readonly machine?: Machine;
}

const targets: readonly Target[] = [
  {
    arch: "ppc64le",
    tree: () => join(lab.vmlinux, ".."),
    image: "vmlinux",
    init: () => lab.init,
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
  },
  {
    // Without a TOC.
    arch: "ppc64le-pcrel",
    tree: () => mustRun("bash", ["test/boot/build-pcrel-kernel.sh"]).trim(),
    image: "vmlinux",
    init: () => lab.init,
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
    machine: POWER10,
  },
  {
    arch: "x86_64",
    tree: () => mustRun("bash", ["test/boot/build-x86_64-kernel.sh"]).trim(),
    image: "arch/x86/boot/bzImage",
    init: () => {
      const init = join(lab.folder, "init-x86_64");
      mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
      return init;
    },
    make: ["ARCH=x86_64", "CROSS_COMPILE=x86_64-linux-gnu-"],
    machine: PC,
  },
  {
    arch: "arm64",
    tree: () => mustRun("bash", ["test/boot/build-arm64-kernel.sh"]).trim(),
    image: "arch/arm64/boot/Image",
    init: () => {
      const init = join(lab.folder, "init-arm64");
      mustRun("aarch64-linux-gnu-gcc", ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
      return init;
    },
    make: ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    machine: VIRT,
  },
];

const VERSION = ".klp.sym.vmlinux.version_proc_show,0";
const SECRET = ".klp.sym.lp_target.lp_secret,0";
const named = (from: string, to: string) => (p: Part) => p.edits.setSymbol(p.symbol(from), { name: to });
/** A string of the module, in any section, replaced by one that is not longer. */
const text = (from: string, to: string) => (p: Part) => {
  const { sections } = p.file;
  for (let i = 1; i < sections.count; i++) {
    const at = sections.type(i) === 1 ? Buffer.from(sections.data(i)).indexOf(`${from}\0`) : -1;
    if (at >= 0) return p.edits.patch(i, at, Buffer.from(to.padEnd(from.length, "\0")));
  }
  throw new Error(`no string ${from}`);
};
/** The first livepatch relocations for vmlinux. */
const vmlinuxTable = ({ file }: Part) => {
  const found = file.relocations.find((t) => file.sections.name(t.section).startsWith(".klp.rela.vmlinux."));
  if (found === undefined) throw new Error("no livepatch relocations for vmlinux");
  return found;
};

/** The first function of vmlinux, by name, of which `fits` holds; no longer than the name that it takes the place of. */
function functionWhere(list: SymbolList, fits: (twins: readonly KernelSymbol[]) => boolean): string {
  const names = [...list.names()].filter((n) => /^[a-z_]{3,17}$/.test(n)).sort();
  const found = names.find((n) => list.find(n).every((s) => /t/i.test(s.letter)) && fits(list.find(n)));
  if (found === undefined) throw new Error("no function of that kind in vmlinux");
  return found;
}

/** What is broken in the finished lp_plain. @param twin a function that occurs several times. @param hidden one that ftrace does not know. */
const broken = (twin: string, hidden: string): Readonly<Record<string, (p: Part) => void>> => ({
  "a symbol that is not a livepatch symbol": (p) =>
    p.edits.setSymbol(p.symbol(VERSION), { home: { kind: "reserved", index: 0xfff1 } }),
  // As `ld -r` leaves it; ppc64le looks for, and prints, the name without its dot.
  "a livepatch symbol that has become undefined": (p) =>
    p.edits.setSymbol(p.symbol(VERSION), { home: { kind: "reserved", index: 0 } }),
  "a symbol's name without a position": named(VERSION, ".klp.sym.vmlinux.version_proc_show"),
  "a symbol's position with a sign": named(VERSION, ".klp.sym.vmlinux.version_proc_show,+0"),
  "a symbol's name with an object that is too long": named(VERSION, `.klp.sym.${"v".repeat(56)}.version_proc_show,0`),
  "a symbol that vmlinux does not have": named(VERSION, ".klp.sym.vmlinux.version_proc_shaw,0"),
  "a symbol that occurs several times": named(VERSION, `.klp.sym.vmlinux.${twin},0`),
  "a position beyond the count": named(VERSION, `.klp.sym.vmlinux.${twin},999`),
  "no livepatch mark": text("livepatch=Y", "lovepatch=Y"),
  "another kernel's vermagic": (p) => {
    const section = p.section(".modinfo");
    const at = Buffer.from(p.file.sections.data(section)).indexOf("vermagic=");
    p.edits.patch(section, at + 9, Buffer.from("5.9"));
  },
  "no licence": text("license=Dual MIT/GPL", "license=Proprietary"),
  "a function that vmlinux does not have": text("cmdline_proc_show", "cmdline_proc_shaw"),
  "a function that occurs several times": text("cmdline_proc_show", twin),
  "a function that ftrace cannot patch": text("cmdline_proc_show", hidden),
  // R_X86_64_GOTPCREL, R_PPC64_ADDR14_BRNTAKEN
  "a relocation type that the loader does not know": (p) => {
    const table = vmlinuxTable(p);
    p.edits.removeRelocation(table, 0);
    p.edits.addRelocation(table.section, { offset: table.offset(0), type: 9, addend: 0n, symbol: table.symbol(0) });
  },
  "a symbol that nothing exports": (p) => p.edits.setSymbol(p.symbol("seq_printf"), { name: "seq_prantf" }),
  // The loader prints a line for each.
  "two symbols that nothing exports": (p) => {
    p.edits.setSymbol(p.symbol("seq_printf"), { name: "seq_prantf" });
    p.edits.setSymbol(p.symbol("klp_enable_patch"), { name: "klp_enabled_patch" });
  },
  "a common symbol": (p) => p.edits.setSymbol(p.symbol("seq_printf"), { home: { kind: "reserved", index: 0xfff2 } }),
  // SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR
  "a section that is writable and executable": (p) => {
    const data = new Uint8Array(4);
    p.edits.addSection({ name: ".wx", type: 1, flags: 7n, link: 0, info: 0, addralign: 4, entsize: 0, data });
  },
  // Refused without a word: these kernels are not configured to be forced.
  "no vermagic": (p) => {
    const section = p.section(".modinfo");
    const at = Buffer.from(p.file.sections.data(section)).indexOf("vermagic=");
    p.edits.patch(section, at, Buffer.from("w"));
  },
  "a module called vmlinux": (p) => {
    for (const [section, before] of [
      [".modinfo", "name="],
      [".gnu.linkonce.this_module", ""],
    ] as const) {
      const at = Buffer.from(p.file.sections.data(p.section(section))).indexOf(`${before}lp_plain\0`);
      p.edits.patch(p.section(section), at, Buffer.from(`${before}vmlinux\0`));
    }
  },
  "two objects for vmlinux": (p) => {
    const { table, at } = structPatch(p);
    const objects = p.row(table, at + 8);
    const symbol = table.symbol(objects);
    const home = p.file.relocations.find((t) => t.target === p.file.symbols?.sectionOf(symbol));
    if (home === undefined) throw new Error("no relocations of the objects");
    const start = (p.file.symbols?.offset(symbol) ?? 0) + Number(table.addend(objects));
    // The name of the second struct klp_object.
    p.edits.removeRelocation(home, p.row(home, start + 168));
  },
  "a patch without its module": (p) => removePointer(p, 0),
  "a patch without objects": (p) => removePointer(p, 8),
});

/** Where struct klp_patch stands: its relocations, and its offset in their section. */
function structPatch(p: Part): { table: RelocationTable; at: number } {
  for (const table of p.file.relocations) {
    if (!p.file.sections.name(table.target).startsWith(".data")) continue;
    for (let row = 0; row < table.count; row++) {
      if (p.file.symbols?.name(table.symbol(row)) === "__this_module") return { table, at: table.offset(row) };
    }
  }
  throw new Error("no struct klp_patch");
}

/** Sets a pointer of struct klp_patch to null. */
function removePointer(p: Part, offset: number): void {
  const { table, at } = structPatch(p);
  p.edits.removeRelocation(table, p.row(table, at + offset));
}

/** The section that the loader needs for code of its own, where it needs one; and what is said without it. */
const ownCode: Readonly<Record<string, string>> = { ppc64le: ".stubs", arm64: ".plt" };
const NO_ROOM = "no section for the loader's own code";

/** What x86_64 refuses, because it takes a place that is not zero for relocated before. */
const onlyX86: Readonly<Record<string, (p: Part) => void>> = {
  "a place that another relocation writes, too": (p) => {
    const table = vmlinuxTable(p);
    const { target } = table;
    const ordinary = p.file.relocations.find((t) => t.target === target && t.section !== table.section);
    if (ordinary === undefined) throw new Error("no ordinary relocations of that section");
    p.edits.addRelocation(ordinary.section, {
      offset: table.offset(0),
      type: table.type(0),
      addend: 0n,
      symbol: p.symbol("seq_printf"),
    });
  },
  "a place that is not zero in the file": (p) => {
    const table = vmlinuxTable(p);
    p.edits.patch(table.target, table.offset(0), Buffer.from([0x5a]));
  },
};
/** Where the place lies, and what belongs there, only the running kernel knows; pointers it prints hashed. */
const withoutValues = (text: string | null): string =>
  (text ?? "").replace(
    /, loc (?:[0-9a-f]+|\(_+ptrval_+\)|ADDRESS), val (?:[0-9a-f]+|VALUE)$/,
    ", loc ADDRESS, val VALUE",
  );

describe.each(targets)("$arch", ({ arch, tree: findTree, image, init: findInit, make, machine }) => {
  const folder = join(lab.folder, `producers-${arch}`);
  const built = (name: string): string => join(folder, `${name}.ko`);
  const finished = (name: string): string => join(folder, `${name}.finished.ko`);
  let tree = "";
  let init = new Uint8Array(0);
  let vmlinux: Vmlinux;
  const start = (files: readonly GuestFile[], script: readonly string[]) =>
    boot(join(tree, image), init, files, script, machine);

  beforeAll(() => {
    tree = findTree();
    init = new Uint8Array(readFileSync(findInit()));
    vmlinux = readVmlinux(new Uint8Array(readFileSync(join(tree, "vmlinux"))), "vmlinux");
    cpSync(join(repo, "test/boot/producers"), folder, { recursive: true });
    mustRun("make", ["-s", "-C", tree, `M=${folder}`, ...make, "KBUILD_MODPOST_WARN=1", "modules"]);
    for (const name of producers) {
      const linked = klplink(built(name), "-k", join(tree, "vmlinux"), "-m", built("lp_target"), "-o", finished(name));
      expect(linked, linked.stderr).toMatchObject({ status: 0 });
    }
  }, LONG);

  test("each producer's livepatch is finished, loads, patches a module that comes later, and goes", async () => {
    const plan: Planned[] = [
      { line: "read /proc/version", output: /^Linux version / },
      { line: "read /proc/cmdline", output: /rdinit=/ },
      ...producers.flatMap(producerLife),
    ];
    const files = [
      { name: "lp_target.ko", data: readFileSync(built("lp_target")) },
      ...producers.map((name) => ({ name: `${name}.ko`, data: readFileSync(finished(name)) })),
    ];
    const result = await start(
      files,
      plan.map((step) => step.line),
    );
    expect(complaints(result, plan)).toEqual([]);
    expect(result.steps).toHaveLength(plan.length);
  });

  test("kpatch's and the kernel's own tools make the same of these modules", () => {
    const tools = mustRun("bash", ["test/tools/original-tools.sh"]).trim();
    const theirs = (name: string): string => join(folder, `${name}.original.ko`);
    mustRun(join(tools, "create-klp-module"), ["-n", built("lp_kpatch"), theirs("lp_kpatch")]);
    cpSync(built("lp_objtool"), theirs("lp_objtool"));
    mustRun(join(tools, "objtool"), ["klp", "post-link", theirs("lp_objtool")]);
    for (const name of ["lp_kpatch", "lp_objtool"]) {
      const expected = meaning(new Uint8Array(readFileSync(theirs(name))));
      expect(expected.klpRelocations).toHaveLength(2);
      expect(meaning(new Uint8Array(readFileSync(finished(name)))), name).toEqual(expected);
    }
  });

  describe("broken livepatches", () => {
    let kernel: Kernel;
    const modules: { name: string; what: string; data: Uint8Array }[] = [];
    const steps: Step[] = [];

    beforeAll(async () => {
      const twin = functionWhere(vmlinux.list, (twins) => twins.length > 1);
      const hidden = functionWhere(vmlinux.list, ([one, second]) => {
        if (one === undefined || second !== undefined) return false;
        const next = vmlinux.list.nextAddress(one.address) ?? 0n;
        return next > one.address && new Kernel({ vmlinux }).hasFtraceSite(one.address, next) === false;
      });
      const target = new ModuleFile(readElf(readFileSync(built("lp_target"))), "lp_target.ko");
      kernel = new Kernel({ vmlinux, modules: [target] });
      const good = new Uint8Array(readFileSync(finished("lp_plain")));
      for (const [what, edit] of Object.entries({ ...broken(twin, hidden), ...(arch === "x86_64" ? onlyX86 : {}) })) {
        const part = new Part(good);
        edit(part);
        modules.push({ name: `broken${modules.length}.ko`, what, data: writeElf(part.edits) });
      }
      const renamed = good.slice();
      const { file } = new Part(good);
      renameSection(file, renamed, file.sections.name(vmlinuxTable(new Part(good)).section), ".klp.rela.");
      modules.push({ name: "unnamed.ko", what: "a section's name without an object", data: renamed });
      const header = good.slice();
      // sh_size
      header[file.header.sectionHeaderOffset + 32] = 5;
      modules.push({ name: "header.ko", what: "a null section header with a size", data: header });
      const wrong = new Part(good);
      named(SECRET, ".klp.sym.vmlinux.version_proc_show,0")(wrong);
      modules.push({
        name: "wrong.ko",
        what: "a symbol of vmlinux in a module's section",
        data: writeElf(wrong.edits),
      });
      const own = ownCode[arch];
      if (own !== undefined) {
        const without = changeHeader(good, own, (view) => view.setUint32(0, view.getUint32(0, true) + 1, true));
        modules.push({ name: "noroom.ko", what: NO_ROOM, data: without });
      }
      for (const { name, data } of modules) writeFileSync(join(folder, name), data);
      // With the patched module in place, what concerns it shows at once.
      const script = ["insmod /lp_target.ko", ...modules.map(({ name }) => `insmod /${name}`), "rmmod lp_target"];
      const files = [{ name: "lp_target.ko", data: readFileSync(built("lp_target")) }, ...modules];
      const result = await start(files, script);
      steps.push(...result.steps.filter((s) => !s.line.includes("lp_target")));
    }, LONG);

    test("all were tried", () => {
      expect(steps.map((s) => s.line)).toEqual(modules.map((m) => `insmod /${m.name}`));
    });

    test.each([
      ...Object.keys(broken("", "")),
      ...(arch === "x86_64" ? Object.keys(onlyX86) : []),
      "a section's name without an object",
      "a null section header with a size",
      "a symbol of vmlinux in a module's section",
      ...(arch in ownCode ? [NO_ROOM] : []),
    ])("%s", (what) => {
      const index = modules.findIndex((m) => m.what === what);
      const step = steps[index];
      const data = modules[index]?.data ?? new Uint8Array(0);
      const problems = check(data, { file: "x.ko", kernel }).problems;
      const stop = firstRefusal(problems) ?? problems[0];
      if (stop === undefined || step === undefined) throw new Error(`nothing predicted for ${what}: ${step?.result}`);
      expect(step.result, titleOf(stop)).not.toBe(0);
      const log = step.log.map((l) => withoutValues(l.text));
      if (kernelOf(stop) !== null) expect(log).toContain(withoutValues(kernelOf(stop)));
      for (const printed of printedRefusals(problems)) {
        if (kernelOf(printed) !== null) expect(log).toContain(withoutValues(kernelOf(printed)));
      }
    });
  });
});
