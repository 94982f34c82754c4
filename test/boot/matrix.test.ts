// What `check --against` says of each pair of a module and a kernel is what insmod says on that kernel, booted: whether it takes the
// module, and the first line of its refusal. Eight kernels of three architectures: Debian's, and those that the tests build. Livepatches
// are built for each kernel that has livepatch, and tried on all of the architecture; the modules of Debian's kernels without livepatch
// are their own, spoiled in one way each.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { type Boot, boot, type Machine, PC, type Step, VIRT } from "./boot.ts";
import type { ArchName } from "./capture.ts";
import { type Distro, openDistro, readModule } from "./distro.ts";
import { compilerOf, type LabKernel, labKernels, treeOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);
const machines: Readonly<Record<ArchName, Machine | undefined>> = { x86_64: PC, arm64: VIRT, ppc64le: undefined };
const objcopies: Readonly<Record<ArchName, string>> = {
  x86_64: "x86_64-linux-gnu-objcopy",
  arm64: "aarch64-linux-gnu-objcopy",
  ppc64le: "powerpc64le-linux-gnu-objcopy",
};

/** A kernel, and what --against is given. */
interface Target {
  readonly name: string;
  readonly arch: ArchName;
  readonly against: string;
  readonly image: string;
  /** Null: its modules are Debian's. */
  readonly build: { readonly tree: string; readonly make: readonly string[] } | null;
  readonly distro: Distro | null;
  /** Whether the kernel looks at the size of struct module (from 6.4 on), and has types that tell it. */
  readonly knowsStructModule: boolean;
}

interface Module {
  readonly file: string;
  readonly arch: ArchName;
  /** What it was made for. */
  readonly target: string;
  /** What the matrix is to say that is different, on that kernel; null: the kernel takes it. */
  readonly differs: string | null;
}

/** Livepatches of one function, made of the one that was built: what they patch, at which position. Names are of one length. */
const PATCHES: Readonly<
  Record<string, { readonly name: string; readonly at: number; readonly differs: string | null }>
> = {
  good: { name: "cmdline_proc_show", at: 0, differs: null },
  once: { name: "cmdline_proc_show", at: 1, differs: null },
  more: { name: "cmdline_proc_show", at: 2, differs: "position" },
  gone: { name: "cmdline_show_of_another_kernel", at: 0, differs: "symbol missing" },
  nops: { name: "ktime_get_mono_fast_ns", at: 0, differs: "no patch site" },
  // An inline function that the compiler did not inline everywhere: the kernel's `inline` is notrace, too. Some kernels have three.
  inln: { name: "zero_user_segments", at: 1, differs: "no patch site" },
  // A static function that gcc split: its beginning is inlined, and clockevents_config.part.0 is what all these kernels have.
  part: { name: "clockevents_config", at: 0, differs: "inlined" },
};
/** Room for a name, and for its position behind it in the file: bytes that are found again. */
const ROOM = 64;
const POSITION = 0x5a5a_5a5a_5a5an;

/** @param calls a function that vmlinux does not export */
const sourceOf = (calls: string | null): string => `
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
${calls === null ? "" : `extern int ${calls}(struct seq_file *m, void *v);`}
static int shown(struct seq_file *m, void *v)
{
	seq_puts(m, "another text\\n");
	return ${calls === null ? "0" : `${calls}(m, v)`};
}
static char name[${ROOM}] = "cmdline_proc_show";
static struct klp_func funcs[] = { { .old_name = name, .old_sympos = ${calls === null ? POSITION : 0}, .new_func = shown }, {} };
static struct klp_object objs[] = { { .funcs = funcs }, {} };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };
static int __init start(void) { return klp_enable_patch(&patch); }
static void __exit stop(void) {}
module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("a livepatch");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
`;

/** Writes over all places of a text in a file. */
function replaced(bytes: Buffer, from: Uint8Array, to: Uint8Array): Buffer {
  if (from.length !== to.length || bytes.indexOf(from) < 0) throw new Error(`nothing to replace by ${Buffer.from(to)}`);
  const out = Buffer.from(bytes);
  for (let at = out.indexOf(from); at >= 0; at = out.indexOf(from, at + 1)) out.set(to, at);
  return out;
}
const room = (name: string): Buffer => Buffer.concat([Buffer.from(name), Buffer.alloc(ROOM - name.length)]);
const word = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value);
  return out;
};

/** A section of a module as bytes, and the module with others in its place. */
function editSection(arch: ArchName, module: string, section: string, edit: (bytes: Buffer) => Buffer): void {
  const part = `${module}.section`;
  execFileSync(objcopies[arch], ["--dump-section", `${section}=${part}`, module]);
  writeFileSync(part, edit(readFileSync(part)));
  execFileSync(objcopies[arch], ["--update-section", `${section}=${part}`, module]);
}

/** The livepatches for a kernel, called after it. */
function buildLivepatches({ name, arch, build, knowsStructModule }: Target): Module[] {
  if (build === null) return [];
  const folder = join(lab.folder, name);
  const [base, bare] = [`${name}_good`, `${name}_bare`];
  mkdirSync(folder);
  writeFileSync(join(folder, "Kbuild"), `obj-m := ${base}.o ${bare}.o\n`);
  writeFileSync(join(folder, `${base}.c`), sourceOf(null));
  writeFileSync(join(folder, `${bare}.c`), sourceOf("version_proc_show"));
  // The warning option lets symbols through that vmlinux does not export.
  mustRun("make", ["-s", "-C", build.tree, `M=${folder}`, ...build.make, "KBUILD_MODPOST_WARN=1", "modules"]);
  const built = readFileSync(join(folder, `${base}.ko`));
  const made = Object.entries(PATCHES).map(([kind, patch]): Module => {
    const file = join(folder, "made", `${name}_${kind}.ko`);
    mkdirSync(join(folder, "made"), { recursive: true });
    const called = replaced(built, Buffer.from(base), Buffer.from(`${name}_${kind}`));
    const aimed = replaced(called, room("cmdline_proc_show"), room(patch.name));
    writeFileSync(file, replaced(aimed, word(POSITION), word(BigInt(patch.at))));
    return { file, arch, target: name, differs: patch.differs };
  });
  const more: Module[] = [{ file: join(folder, `${bare}.ko`), arch, target: name, differs: "symbol missing" }];
  if (knowsStructModule) {
    const file = join(folder, "made", `${name}_size.ko`);
    copyFileSync(join(folder, "made", `${name}_good.ko`), file);
    editSection(arch, file, ".gnu.linkonce.this_module", (bytes) => Buffer.concat([bytes, Buffer.alloc(64)]));
    more.push({ file, arch, target: name, differs: "struct module" });
  }
  return [...made, ...more];
}

/** With a bit flipped in the checksum of a symbol that is not module_layout, which comes first. */
function otherChecksum(module: Buffer): Buffer {
  const bytes = Buffer.from(module);
  const { sections } = readElf(bytes);
  const index = sections.findByName("__versions") ?? 0;
  if (sections.size(index) < 2 * 64) throw new Error("no second checksum");
  const at = sections.offset(index) + 64;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

/** A module of Debian's kernel as it is, and spoiled; and the same module of the series before. */
function debianModules({ name, arch, distro }: Target, older: Distro): Module[] {
  if (distro === null) return [];
  const folder = join(lab.folder, name);
  mkdirSync(folder);
  const put = (kind: string, bytes: Uint8Array, differs: string | null): Module => {
    const file = join(folder, `${name}_${kind}.ko`);
    writeFileSync(file, bytes);
    return { file, arch, target: name, differs };
  };
  const own = Buffer.from(readModule(distro.modules.get("crc_itu_t") ?? ""));
  const dummy = Buffer.from(readModule(distro.modules.get("dummy") ?? ""));
  // Without the signature behind it, which would not fit any more: it goes when objcopy writes the file.
  const marked = put("marked", own, "configuration");
  editSection(arch, marked.file, ".modinfo", (bytes) => Buffer.concat([bytes, Buffer.from("livepatch=Y\0")]));
  const crc = put("crc", otherChecksum(dummy), "checksum");
  execFileSync(objcopies[arch], [crc.file]);
  return [
    marked,
    put("plain", own, null),
    crc,
    put("dummy", dummy, null),
    put("older", readModule(older.modules.get("dummy") ?? ""), "checksum"),
  ];
}

const fetched = (debian: string, series: string): Distro & { readonly root: string } => {
  const root = mustRun("bash", ["test/boot/fetch-distro.sh", debian, series]).trim();
  return { ...openDistro(root), root };
};

/** Debian's kernel with livepatch, and the headers that modules for it are built with. */
function amd64(series: string): Target {
  const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", series]).trim();
  const { root, kernel } = fetched("amd64", series);
  // The headers were made for another gcc, and BTF needs pahole.
  const make = ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="];
  return {
    name: `amd64_${series.replace(".", "_")}`,
    arch: "x86_64",
    against: root,
    image: kernel,
    build: { tree: join(kit, "build"), make },
    distro: null,
    knowsStructModule: series !== "6.1",
  };
}

function built(name: LabKernel["name"]): Target {
  const kernel = labKernels.find((k) => k.name === name);
  if (kernel === undefined) throw new Error(`no kernel ${name}`);
  const { arch, image, make } = kernel;
  const tree = treeOf(kernel);
  const build = { tree, make };
  return {
    name: `built_${arch}`,
    arch,
    against: tree,
    image: join(tree, image),
    build,
    distro: null,
    knowsStructModule: false,
  };
}

function plain(arch: ArchName, debian: string): Target {
  const { root, kernel, modules } = fetched(debian, "6.12");
  return {
    name: `${debian}_6_12`,
    arch,
    against: root,
    image: kernel,
    build: null,
    distro: { kernel, modules },
    knowsStructModule: false,
  };
}

interface Cell {
  readonly module: string;
  readonly kernel: string;
  readonly verdict: string;
  readonly first: string | null;
  readonly differs: readonly string[];
  readonly unchecked: readonly string[];
}

/** What the kernel says of a module's origin, and of what tainted it: no refusal. */
const OF_ITS_ORIGIN = /taint|module verification failed|module license|^livepatch: (?:enabling patch )?'\w+'/;

/** What the kernel printed for each step. A line without its end (KLP512's) comes to the log with the next line, whenever that is. */
function printed(steps: readonly Step[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let waiting: string[] | null = null;
  for (const { line, log, result } of steps) {
    const texts = log.map((l) => l.text.replace(/^\[ *[\d.]+\] /, "")).filter((text) => !OF_ITS_ORIGIN.test(text));
    if (waiting !== null && texts.length > 0) {
      waiting.push(texts.shift() ?? "");
      waiting = null;
    }
    if (result !== 0 && texts.length === 0) waiting = texts;
    found.set(line, texts);
  }
  return found;
}

describe("each pair as the booted kernel has it", () => {
  const targets: Target[] = [];
  const modules: Module[] = [];
  const boots = new Map<string, Boot>();
  let cells: readonly Cell[] = [];

  beforeAll(async () => {
    targets.push(amd64("6.1"), amd64("6.12"), amd64("7.2"));
    targets.push(built("ppc64le"), built("x86_64"), built("arm64"));
    targets.push(plain("arm64", "arm64"), plain("ppc64le", "ppc64el"));
    for (const target of targets) {
      modules.push(...buildLivepatches(target));
      if (target.distro !== null)
        modules.push(...debianModules(target, fetched(target.name.replace("_6_12", ""), "6.1")));
    }
    const files = modules.map((m) => m.file);
    const checked = klplink("check", ...files, "--against", ...targets.map((t) => t.against), "--format", "json");
    expect([checked.status, checked.stderr]).toEqual([1, ""]);
    cells = (JSON.parse(checked.stdout) as { cells: Cell[] }).cells;
    for (const target of targets) boots.set(target.name, await bootWithAll(target, modules));
  });

  const kernelsOf = (target: Target): Cell[] => cells.filter((c) => c.kernel.startsWith(target.against));

  test("each kernel is named once, and those of another architecture are told", () => {
    expect(new Set(cells.map((c) => c.kernel)).size).toBe(targets.length);
    expect(cells.length).toBe(targets.length * modules.length);
    for (const target of targets) {
      const others = kernelsOf(target).filter((c) => c.verdict === "other-architecture");
      const expected = modules.filter((m) => m.arch !== target.arch).map((m) => m.file);
      expect(others.map((c) => c.module).sort()).toEqual(expected.sort());
    }
  });

  test("the kernel takes what the matrix says that it takes, and prints the line that the matrix has", () => {
    const wrong: string[] = [];
    for (const target of targets) {
      const run = boots.get(target.name);
      const lines = printed(run?.steps ?? []);
      const count = { taken: 0, refused: 0 };
      for (const { module, verdict, first, unchecked } of kernelsOf(target)) {
        if (verdict === "other-architecture") continue;
        const step = run?.steps.find((s) => s.line === `insmod ${module}`);
        const [line = null] = lines.get(`insmod ${module}`) ?? [];
        const seen = step?.result === 0 ? ["taken", null] : ["refused", line];
        count[step?.result === 0 ? "taken" : "refused"]++;
        // What the matrix says that it could not compare may be what the kernel meets first.
        const isSize = line?.includes("must match the kernel's built struct module size") === true;
        if (verdict === "refused" && isSize && unchecked.some((part) => part.startsWith("struct module"))) continue;
        if (verdict !== seen[0] || first !== seen[1])
          wrong.push(`${target.name}: ${module}: ${verdict} ${first}; the kernel: ${step?.result} ${seen.join(" ")}`);
      }
      // At least two modules that the kernel takes, and two that it refuses.
      expect([target.name, count.taken >= 2, count.refused >= 2]).toEqual([target.name, true, true]);
    }
    expect(wrong).toEqual([]);
  });

  test("what differs is in a word, for the kernel that the module was made for", () => {
    for (const { file, target, differs } of modules) {
      const cell = kernelsOf(targets.find((t) => t.name === target) as Target).find((c) => c.module === file);
      if (differs === null) expect([file, cell?.differs]).toEqual([file, []]);
      else expect(cell?.differs, file).toContain(differs);
    }
  });

  test("where no types tell the size of struct module, the matrix says that it was not compared", () => {
    for (const target of targets.filter((t) => t.build !== null)) {
      const [own] = kernelsOf(target).filter(({ verdict }) => verdict === "taken");
      const isKnown = !target.name.startsWith("built_");
      expect([target.name, own?.unchecked.some((part) => part.startsWith("struct module"))]).toEqual([
        target.name,
        !isKnown,
      ]);
    }
  });
});

/** Boots a kernel and loads all modules of its architecture, one by one, each under the path that it has here. */
async function bootWithAll({ name, arch, image }: Target, all: readonly Module[]): Promise<Boot> {
  const init = join(lab.folder, `${name}.init`);
  mustRun(compilerOf(arch), ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
  const own = all.filter((m) => m.arch === arch);
  const files = own.map(({ file }) => ({ name: file.slice(1), data: readFileSync(file) }));
  const script = own.flatMap(({ file, target, differs }) => {
    const load = `insmod ${file}`;
    // One livepatch at a time.
    const isPatch = target === name && differs === null && file.includes("/made/");
    return isPatch ? [load, `wait /sys/kernel/livepatch/${basename(file, ".ko")}/transition 0`] : [load];
  });
  return boot(image, readFileSync(init), files, script, machines[arch]);
}
