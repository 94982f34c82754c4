// From two compiles of files that are built into the kernel to livepatches in force, on a real kernel of each architecture: Debian's
// 6.12 (x86_64), and our own ppc64le 6.1, arm64 7.2 and x86_64 6.1, from the source and with the configuration of each. Kernels with the
// mitigations of x86_64 have no jump tables (-fno-jump-tables: CONFIG_RETPOLINE, or CONFIG_MITIGATION_RETPOLINE, and CONFIG_X86_KERNEL_IBT),
// as all of Debian's: our own has neither.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import type { ArchName } from "./capture.ts";
import { type Change, changes, type Step } from "./diff/changes.ts";
import { edited, KernelSource } from "./diff/pairs.ts";
import { openDistro } from "./distro.ts";
import { labKernels } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo, run } from "./run.ts";
import { complaints, klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

interface Target {
  readonly arch: ArchName;
  /** As prepare-source.sh calls it. */
  readonly source: ArchName | "x86_64-own";
  /** The changes that it is for, each with sections that must be in its diff object; absent: all. */
  readonly only?: Readonly<Record<string, readonly string[]>>;
  /** Debian's modules and its kernel go through objtool at different times; there a livepatch of both is not tried. */
  readonly hasBoth: boolean;
  readonly name: string;
  readonly compiler: string;
  /** For modules. */
  readonly make: readonly string[];
  /** The kernel to boot, and what tells its symbols; @param build the folder that modules are built with */
  readonly kernel: (build: string) => { readonly image: string; readonly symbols: string };
  readonly machine?: Machine;
}

const ours = (arch: ArchName, name: string, machine?: Machine, more: Partial<Target> = {}): Target => {
  const kernel = labKernels.find((k) => k.name === arch);
  if (kernel === undefined) throw new Error(arch);
  return {
    ...{ arch, source: arch, name, compiler: kernel.compiler, make: kernel.make, hasBoth: true },
    kernel: (build) => ({ image: join(build, kernel.image), symbols: join(build, "System.map") }),
    ...(machine === undefined ? {} : { machine }),
    ...more,
  };
};

const targets: readonly Target[] = [
  {
    arch: "x86_64",
    source: "x86_64",
    hasBoth: false,
    name: "x86_64, Debian 6.12",
    compiler: "x86_64-linux-gnu-gcc",
    // The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
    make: ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="],
    kernel: () => {
      const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.12"]).trim();
      const { kernel } = openDistro(join(kit, "kernel"));
      return { image: kernel, symbols: kernel };
    },
    machine: PC,
  },
  ours("ppc64le", "ppc64le 6.1"),
  ours("arm64", "arm64 7.2", VIRT),
  ours("x86_64", "x86_64 6.1", PC, {
    source: "x86_64-own",
    // The jump table of do_syslog's switch.
    only: { string: [], syslog: [".rodata.do_syslog"], fault: ["__ex_table"] },
  }),
];

const withoutSuffix = (name: string): string => name.replace(/\..*$/, "");

/** Names of functions that diff gives a status, without what the compiler adds; a part counts as its function. */
function named(document: string, status: string): string[] {
  const { files } = JSON.parse(document) as { files: { functions: { name: string; status: string }[] }[] };
  return [
    ...new Set(
      files
        .flatMap((f) => f.functions)
        .filter((f) => f.status === status)
        .map((f) => withoutSuffix(f.name)),
    ),
  ].sort();
}

/** A function by objdump, without what says in which file it is. */
function disassembly(compiler: string, object = "", name: string): string {
  const objdump = compiler.replace(/gcc$/, "objdump");
  return mustRun(objdump, ["-dr", "--no-show-raw-insn", "-j", `.text.${name}`, object]).replace(
    /^.*file format.*$/m,
    "",
  );
}

/** Runs steps; everything in which the kernel is not as planned. */
async function lived(
  kernel: string,
  init: Uint8Array,
  modules: ReadonlyMap<string, string>,
  plan: Step[],
  machine?: Machine,
) {
  const files = [...modules].map(([name, path]) => ({ name: `${name}.ko`, data: readFileSync(path) }));
  const lines = plan.map((step) => step.line);
  const result = await boot(kernel, init, files, lines, machine);
  const found: string[] = [];
  for (const [i, { line, warns }] of plan.entries()) {
    const step = result.steps[i];
    if (warns === undefined || step === undefined) continue;
    const why = warns(step.log);
    if (why !== null) found.push(`${line}: ${why}`);
    else step.log = [];
  }
  return [...found, ...complaints(result, plan)];
}

const life = (name: string, { before, after }: Change, during: readonly Step[]): Step[] => {
  const sysfs = `/sys/kernel/livepatch/${name}`;
  return [
    ...before,
    { line: `insmod /${name}.ko` },
    { line: `wait ${sysfs}/transition 0` },
    ...during,
    { line: `write ${sysfs}/enabled 0` },
    { line: `gone ${sysfs}` },
    { line: `rmmod ${name}` },
    ...after,
  ];
};

describe.each(targets)("$name", ({ arch, source: sourceName, only, hasBoth, make, compiler, kernel, machine }) => {
  const folder = join(lab.folder, sourceName);
  const own = changes.filter((c) => only === undefined || c.name in only);
  const pairs = new Map<string, { readonly before: string; readonly after: string; readonly source: string }>();
  let build = "";
  let booted: { readonly image: string; readonly symbols: string };
  let init: Uint8Array;
  // Our own x86_64 kernel has the symbol of a return thunk, and its functions return without one (CONFIG_RETHUNK is not set).
  const warning = sourceName === "x86_64-own" ? /^(error|warning(?!\[KLP476\]))/m : /^(error|warning)/m;
  const about = (): string[] => ["-k", booted.symbols, "-k", join(build, "Module.symvers")];
  const must = (ran: Ran): Ran => {
    expect(ran, ran.stderr + ran.stdout).toMatchObject({ status: 0 });
    return ran;
  };

  /** Livepatch modules of diff objects, built by one make; each as kbuild left it. @param objects path by name */
  function modules(title: string, objects: ReadonlyMap<string, Uint8Array>): Map<string, string> {
    const top = join(folder, title);
    mkdirSync(top, { recursive: true });
    writeFileSync(join(top, "Kbuild"), [...objects.keys()].map((name) => `obj-m += ${name}/\n`).join(""));
    for (const [name, object] of objects) {
      const own = join(top, name);
      must(klplink("glue", own));
      const makefile = join(own, "Kbuild");
      writeFileSync(makefile, `KLPLINK_NAME := ${name}\nKLPLINK_REPLACE := 0\n${readFileSync(makefile, "utf8")}`);
      writeFileSync(join(own, "diff.o_shipped"), object);
    }
    must(run("make", ["-s", "-j2", "-C", build, `M=${top}`, ...make, "modules"]));
    return new Map([...objects.keys()].map((name) => [name, join(top, name, `${name}.ko`)]));
  }

  /** Links and checks modules. */
  function finished(built: ReadonlyMap<string, string>, more: readonly string[] = []): Map<string, string> {
    const linked = new Map<string, string>();
    for (const [name, path] of built) {
      const to = join(folder, `${name}.ko`);
      must(klplink(path, ...about(), ...more, "-o", to));
      expect(must(klplink("check", to, ...about(), ...more)).stderr).not.toMatch(warning);
      linked.set(name, to);
    }
    return linked;
  }

  /** The diff object of a change. */
  function extracted(name: string, change: Change, ...options: string[]): Uint8Array {
    const pair = pairs.get(change.name);
    if (pair === undefined) throw new Error(change.name);
    const to = join(folder, `${name}.diff.o`);
    must(klplink("diff", pair.before, pair.after, ...about(), ...options, "-o", to));
    return readFileSync(to);
  }

  beforeAll(() => {
    const source = new KernelSource(sourceName, join(folder, "tree"));
    build = source.target;
    booted = kernel(build);
    const to = join(folder, "init");
    mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", to, "test/boot/guest.c"]);
    init = readFileSync(to);
    const files = own.map((c) => c.file);
    const before = source.compile(files, join(folder, "before"));
    for (const { file, edits } of own) source.write(file, edited(source.read(file), edits));
    const after = source.compile(files, join(folder, "after"));
    for (const { name, file } of own) {
      const [one, other] = [before.get(file), after.get(file)];
      if (one === undefined || other === undefined) throw new Error(file);
      pairs.set(name, { before: one, after: other, source: source.read(file) });
    }
  }, LONG);

  test.each(own)("$name: diff names what changed", ({ name, changed, fresh = [] }) => {
    const pair = pairs.get(name);
    const { stdout } = must(klplink("diff", pair?.before ?? "", pair?.after ?? "", "--format", "json"));
    const found = named(stdout, "changed");
    expect(found).toEqual(expect.arrayContaining([...changed]));
    // A compiler may give other functions of the file other registers: then objdump must say so, too.
    const more = found.filter((f) => !changed.includes(f));
    expect(
      more.filter((f) => disassembly(compiler, pair?.before, f) === disassembly(compiler, pair?.after, f)),
    ).toEqual([]);
    expect(named(stdout, "new")).toEqual([...fresh].sort());
  });

  test("in force, and gone", { timeout: LONG }, async () => {
    const objects = new Map(own.map((c) => [`lp_${c.name}`, extracted(`lp_${c.name}`, c)]));
    for (const { name, brings } of own) {
      const { sections } = readElf(objects.get(`lp_${name}`) ?? new Uint8Array(0));
      for (const wanted of only?.[name] ?? brings?.[arch] ?? [])
        expect(sections.findByName(wanted), `${name}: ${wanted}`).not.toBeNull();
    }
    const plan = own.flatMap((c) => life(`lp_${c.name}`, c, c.during(pairs.get(c.name)?.source ?? "")));
    expect(await lived(booted.image, init, finished(modules("good", objects)), plan, machine)).toEqual([]);
  });

  test("with the value of a variable lost, or the entries for exceptions, the kernel does otherwise", {
    timeout: LONG,
  }, async () => {
    const change = (name: string): Change => changes.find((c) => c.name === name) ?? (changes[0] as Change);
    const [syslog, fault] = [change("syslog"), change("fault")];
    const { symbols } = readElf(readFileSync(pairs.get("syslog")?.before ?? ""));
    const names = Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i) ?? "");
    const saved = names.filter((n) => /^saved_console_loglevel(\.\d+)?$/.test(n));
    expect(saved).toHaveLength(1);
    const lost = extracted("lp_lost", syslog, "--pair", `${saved[0]}=`);
    extracted("lp_unhandled", fault);
    const spoiled = join(folder, "lp_unhandled.diff.o");
    const removed = ["--remove-section", "__ex_table", "--remove-section", ".rela__ex_table"];
    mustRun(compiler.replace(/gcc$/, "objcopy"), [...removed, spoiled]);
    const objects = new Map([["lp_lost", lost] as const, ["lp_unhandled", readFileSync(spoiled)] as const]);
    const begun = (name: string, { before, during }: Change): Step[] => [
      ...before,
      { line: `insmod /${name}.ko` },
      { line: `wait /sys/kernel/livepatch/${name}/transition 0` },
      ...during(""),
    ];
    const plan = [...begun("lp_lost", syslog), ...begun("lp_unhandled", fault)];
    const found = await lived(booted.image, init, finished(modules("bad", objects)), plan, machine);
    // The level is what it was when the console was turned off, and not what it had been before.
    expect(found[0]).toBe('read /proc/sys/kernel/printk: "1\\t4\\t1\\t7\\n" does not match /^3\\t/');
    expect(found.filter((f) => f.startsWith("notypes /proc/self: "))).not.toEqual([]);
    expect(found.filter((f) => !/^(?:read \/proc\/sys\/kernel\/printk|notypes \/proc\/self): /.test(f))).toEqual([]);
  });

  if (!hasBoth) return;
  test("one livepatch of a file of the kernel and of a module's, from two trees", { timeout: LONG }, async () => {
    const [text, target, source] = [
      readFileSync(join(repo, "test/boot/diff/dp_target.c"), "latin1"),
      join(folder, "dp"),
      join(folder, "dp-source"),
    ];
    for (const where of [target, source]) {
      mkdirSync(where, { recursive: true });
      writeFileSync(join(where, "Kbuild"), "obj-m := dp.o\ndp-y := dp_target.o\n");
      writeFileSync(join(where, "dp_target.c"), text);
    }
    must(run("make", ["-s", "-C", build, `M=${target}`, ...make, "modules"]));
    const tree = (which: "before" | "after", content: string): string => {
      const top = join(folder, "trees", which);
      for (const where of ["dp", "kernel"]) mkdirSync(join(top, where), { recursive: true });
      writeFileSync(join(source, "dp_target.c"), content);
      const flags = "KCFLAGS=-ffunction-sections -fdata-sections -g";
      must(run("make", ["-s", "-C", build, `M=${source}`, ...make, flags, "dp_target.o"]));
      copyFileSync(join(source, "dp_target.o"), join(top, "dp/dp_target.o"));
      // As kbuild writes it of a module of the tree.
      writeFileSync(join(top, "dp/dp.mod"), "dp/dp_target.o\n");
      copyFileSync(pairs.get("string")?.[which] ?? "", join(top, "kernel/ksysfs.o"));
      copyFileSync(join(folder, "tree/build/kernel/.ksysfs.o.cmd"), join(top, "kernel/.ksysfs.o.cmd"));
      return top;
    };
    const trees = [tree("before", text), tree("after", edited(text, [['"old %d"', '"new %d"']]))];
    const module = ["-m", join(target, "dp.ko")];
    const object = join(folder, "lp_both.diff.o");
    must(klplink("diff", ...trees, ...about(), ...module, "-o", object));
    const built = finished(modules("both", new Map([["lp_both", readFileSync(object)]])), module);
    const [caps, sysfs] = ["/sys/kernel/fscaps", "/sys/kernel/livepatch/lp_both"];
    const says = (path: string, output: string): Step => ({ line: `read ${path}`, output: () => output });
    const [come, gone]: [Step[], Step[]] = [
      [
        { line: "insmod /lp_both.ko" },
        { line: `wait ${sysfs}/transition 0` },
        says(caps, "capabilities of files: 1\n"),
      ],
      [{ line: `write ${sysfs}/enabled 0` }, { line: `gone ${sysfs}` }, { line: "rmmod lp_both" }, says(caps, "1\n")],
    ];
    const plan: Step[] = [
      ...[{ line: "insmod /dp.ko" }, says("/proc/dp", "old 1 step 11\n"), ...come, says("/proc/dp", "new 2 step 12\n")],
      ...[...gone, says("/proc/dp", "old 3 step 13\n"), { line: "rmmod dp" }, ...come, { line: "insmod /dp.ko" }],
      ...[says("/proc/dp", "new 1 step 11\n"), { line: "rmmod dp" }, ...gone],
    ];
    built.set("dp", join(target, "dp.ko"));
    expect(await lived(booted.image, init, built, plan, machine)).toEqual([]);
  });
});
