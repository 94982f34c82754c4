// The glue: klplink-init.c and its headers, compiled without a warning for each kernel, what the annotations leave in an object, and
// a patch in klplink's own form (glue/lp_diff.c) that kbuild, `klplink link` and a real kernel carry to a livepatch in force.

import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { readModInfo } from "../../src/kernel/module/modinfo.ts";
import { readRelocations, sectionNames } from "../klp/readBack.ts";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import { openDistro } from "./distro.ts";
import { labOf } from "./lab.ts";
import { producerLife } from "./producerLife.ts";
import { mustRun, type Ran, repo, run } from "./run.ts";
import { complaints, klplink, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

/** A kernel that the glue is for. */
interface Target {
  readonly name: string;
  /** Its build folder, and the kernel itself. */
  readonly open: () => { readonly build: string; readonly kernel: string; readonly isPackaged: boolean };
  readonly make: readonly string[];
  readonly compiler: string;
  readonly machine?: Machine;
}

const debian = (series: string): Target => ({
  name: `Debian's amd64 ${series}`,
  open: () => {
    const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", series]).trim();
    return { build: join(kit, "build"), kernel: openDistro(join(kit, "kernel")).kernel, isPackaged: true };
  },
  // The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
  make: ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="],
  compiler: "x86_64-linux-gnu-gcc",
  machine: PC,
});
const builtHere = (arch: string, cross: string, script: string, image: string, machine?: Machine): Target => ({
  name: `${arch}, built`,
  open: () => {
    const build = mustRun("bash", [`test/boot/${script}`]).trim();
    return { build, kernel: join(build, image), isPackaged: false };
  },
  make: [`ARCH=${arch === "ppc64le" ? "powerpc" : arch}`, `CROSS_COMPILE=${cross}`],
  compiler: `${cross}gcc`,
  ...(machine === undefined ? {} : { machine }),
});
const targets: readonly Target[] = [
  debian("6.1"),
  debian("6.12"),
  debian("7.2"),
  builtHere("ppc64le", "powerpc64le-linux-gnu-", "build-kernel.sh", "vmlinux"),
  builtHere("arm64", "aarch64-linux-gnu-", "build-arm64-kernel.sh", "arch/arm64/boot/Image", VIRT),
];

/** What a compiler says of the glue's own files, not of the kernel's headers. */
const own =
  /^(?:\S*\/)?(?:klplink[\w-]*\.[ch]|kpatch-\w+\.h|livepatch_helpers\.h|notes\.c|lp_diff\.c):\d+:\d+: (?:warning|error): .*/gm;
const saidOf = ({ stdout, stderr }: Ran): string[] =>
  [...`${stdout}\n${stderr}`.matchAll(own)].map(([line]) => line).filter((line) => !/\/include\/linux\//.test(line));
/** What is said of the module as a whole, by objtool and modpost. */
const saidOfModule = ({ stdout, stderr }: Ran): string[] =>
  `${stdout}\n${stderr}`
    .split("\n")
    .filter((line) => /objtool|modpost|orphan/.test(line) && /warning|error/i.test(line));

describe.each(targets)("$name", ({ name, open, make, compiler, machine }) => {
  const folder = join(lab.folder, `glue-${name.replace(/\W+/g, "-")}`);
  const source = join(folder, "source");
  const patch = join(folder, "patch");
  let target: ReturnType<Target["open"]>;
  let objects: Ran;
  const kbuild = (where: string, ...args: string[]): Ran =>
    run("make", ["-s", "-C", target.build, `M=${where}`, ...make, "W=1", "KCFLAGS=-Wextra", ...args]);
  const object = (file: string) => readElf(readFileSync(join(source, file)));

  beforeAll(() => {
    target = open();
    mkdirSync(folder);
    expect(klplink("glue", source)).toMatchObject({ status: 0 });
    cpSync(join(repo, "test/boot/glue"), source, { recursive: true });
    cpSync(join(repo, "test/boot/producers/lp_target.c"), join(folder, "target/lp_target.c"));
    writeFileSync(join(folder, "target/Kbuild"), "obj-m := lp_target.o\n");
    expect(kbuild(join(folder, "target"), "modules")).toMatchObject({ status: 0 });
    objects = kbuild(source, "lp_diff.o", "notes.o");
    expect(objects, objects.stderr).toMatchObject({ status: 0 });
    expect(klplink("glue", patch)).toMatchObject({ status: 0 });
    cpSync(join(source, "lp_diff.o"), join(patch, "diff.o_shipped"));
  }, LONG);

  test("header and source compile without a warning (W=1, -Wextra)", () => {
    expect(saidOf(objects)).toEqual([]);
    const bad = join(folder, "bad");
    cpSync(source, bad, { recursive: true });
    appendFileSync(join(bad, "notes.c"), "static int never_used(int n)\n{\n\treturn 0;\n}\n");
    const said = saidOf(kbuild(bad, "notes.o"));
    expect(said.join("\n")).toMatch(/never_used.*-Wunused-function/);
  });

  test("KPATCH_FORCE_UNSAFE is refused when the patch is compiled, with the reason", () => {
    const unsafe = join(folder, "unsafe");
    cpSync(source, unsafe, { recursive: true });
    const { status, stderr } = kbuild(unsafe, "CFLAGS_notes.o=-DUNSAFE", "notes.o");
    expect(status).not.toBe(0);
    expect(stderr).toContain("KPATCH_FORCE_UNSAFE(after): livepatch checks the stack for every function");
  });

  test("what the annotations leave in the object", () => {
    const file = object("notes.o");
    const { sections, symbols } = file;
    if (symbols === null) throw new Error("no symbols");
    const strings = (section: string): string[] =>
      Buffer.from(sections.data(sections.findByName(section) ?? 0))
        .toString("latin1")
        .split("\0")
        .filter((s) => s !== "")
        .sort();
    expect(strings(".discard.klplink.pairs")).toEqual(["show:count.2=show:count.4", "state=state"]);
    expect(strings(".discard.klplink.ignore")).toEqual(["data:limits", "function:before", "section:.data..once"]);
    const states = Buffer.from(sections.data(sections.findByName(".discard.klplink.states") ?? 0));
    const entries = Array.from({ length: states.length / 16 }, (_, i) => [
      states.readBigUInt64LE(16 * i),
      states.readUInt32LE(16 * i + 8),
    ]);
    expect(entries.sort()).toEqual([
      [42n, 3],
      [0x1_0000_0000n, 1],
    ]);
    /** Relocations of the sections that a name begins with: section, offset, and what the pointer leads to. */
    const pointers = readRelocations(readFileSync(join(source, "notes.o")), false);
    const led = (section: string) => pointers.filter((r) => r.target === section).map((r) => [r.offset, r.symbol]);
    for (const kind of ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"]) {
      const section = `.kpatch.callbacks.${kind}`;
      expect(sections.size(sections.findByName(section) ?? 0), section).toBe(16);
      const [[offset, symbol] = []] = led(section);
      expect([offset, symbol]).toEqual([
        0,
        expect.stringMatching(kind === "pre_patch" ? /^(\.text|before)/ : /^(\.text|after)/),
      ]);
    }
    const named = (pattern: RegExp): string[] =>
      Array.from({ length: symbols.count }, (_, i) => symbols.name(i)).filter((n) => pattern.test(n));
    expect(
      named(/^__klp_(pre|post)_(un)?patch_callback_/)
        .map((n) => n.replace(/_callback_.*/, ""))
        .sort(),
    ).toEqual(["__klp_post_patch", "__klp_post_unpatch", "__klp_pre_patch", "__klp_pre_unpatch"]);
    expect(sections.size(sections.findByName(".discard.klp_callback_ptrs") ?? 0)).toBe(32);
    expect(led(".kpatch.ignore.sections")).toHaveLength(1);
    expect(led(".kpatch.ignore.functions")).toHaveLength(1);
    expect(named(/^__kpatch_ignore_func_after$/)).toHaveLength(1);
    // The system calls' functions, and nothing that would register them.
    for (const call of ["notes_one", "notes_two", "notes_three"]) {
      expect(named(new RegExp(`sys_${call}$`)), call).not.toEqual([]);
      expect(named(new RegExp(`^(__syscall_meta_|event_\\w+_|__event_\\w+_)_?${call}$`))).toEqual([]);
    }
  });

  describe("a patch in klplink's own form", () => {
    const built = join(patch, "lp_klplink.ko");
    const finished = join(folder, "lp_klplink.ko");
    const others = ["lp_added", "lp_instead"];
    let about: readonly string[] = [];

    beforeAll(async () => {
      for (const [title, replace] of [
        ["lp_klplink", 1],
        ["lp_added", 0],
        ["lp_instead", 1],
      ] as const) {
        const made = kbuild(patch, `KLPLINK_NAME=${title}`, `KLPLINK_REPLACE=${replace}`, "modules");
        expect(made, made.stderr).toMatchObject({ status: 0 });
        expect(saidOf(made)).toEqual([]);
        expect(saidOfModule(made)).toEqual([]);
      }
      // A built tree has all symbols in a list; a distribution's kernel itself tells them.
      const symbols = target.isPackaged ? target.kernel : join(target.build, "System.map");
      about = ["-k", symbols, "-k", join(target.build, "Module.symvers"), "-m", join(folder, "target/lp_target.ko")];
    }, LONG);

    test("kbuild and modpost leave the names alone; link makes livepatch symbols of them; check accepts that", () => {
      const before = readElf(readFileSync(built));
      expect(readModInfo(before)?.get("depends")).toBe("");
      expect(readModInfo(before)?.get("klplink")).toBe("1");
      expect(klplink("check", built, ...about).stderr).toContain("error[KLP420]");
      for (const title of ["lp_klplink", ...others]) {
        const linked = klplink(join(patch, `${title}.ko`), ...about, "-o", join(folder, `${title}.ko`));
        expect(linked, linked.stderr).toMatchObject({ status: 0 });
      }
      const output = readFileSync(finished);
      const waits = new Map(readRelocations(output, true).map((r) => [r.symbol, r.table.split(".")[3]]));
      expect(Object.fromEntries(waits)).toEqual({
        ".klp.sym.lp_target.lp_secret,0": "lp_target",
        ".klp.sym.lp_target.lp_target_show,0": "lp_target",
        ".klp.sym.vmlinux.version_proc_show,0": "vmlinux",
      });
      expect(sectionNames(output)).not.toContain(".klplink.diff");
      const checked = klplink("check", finished, ...about);
      expect(checked, checked.stderr + checked.stdout).toMatchObject({ status: 0 });
      expect(checked.stderr).not.toMatch(/^(error|warning)/m);
      const again = klplink(finished, ...about, "-o", join(folder, "again.ko"));
      expect(again).toMatchObject({ status: 0 });
      expect(readFileSync(join(folder, "again.ko")).equals(output)).toBe(true);
    });

    test("the kernel: in force, with its callback and its state; replaced, added to, and gone", {
      timeout: LONG,
    }, async () => {
      const init = join(folder, "init");
      mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
      const files = ["lp_klplink", ...others].map((title) => ({
        name: `${title}.ko`,
        data: readFileSync(join(folder, `${title}.ko`)),
      }));
      files.push({ name: "lp_target.ko", data: readFileSync(join(folder, "target/lp_target.ko")) });
      const sysfs = "/sys/kernel/livepatch";
      const settled = (title: string): Planned => ({ line: `wait ${sysfs}/${title}/transition 0` });
      const plan: Planned[] = [
        { line: "read /proc/version", output: /^Linux version / },
        { line: "read /proc/cmdline", output: /rdinit=/ },
        ...producerLife("lp_klplink"),
        // Added to (KLPLINK_REPLACE=0): both are there.
        { line: "insmod /lp_klplink.ko" },
        settled("lp_klplink"),
        { line: "insmod /lp_added.ko" },
        settled("lp_added"),
        { line: `read ${sysfs}/lp_klplink/enabled`, output: () => "1\n" },
        // Replaced: those before it are gone, and their modules can be removed.
        { line: "insmod /lp_instead.ko" },
        { line: `gone ${sysfs}/lp_klplink` },
        { line: `gone ${sysfs}/lp_added` },
        { line: "rmmod lp_klplink" },
        { line: "rmmod lp_added" },
        { line: `read ${sysfs}/lp_instead/enabled`, output: () => "1\n" },
        { line: `write ${sysfs}/lp_instead/enabled 0` },
        { line: `gone ${sysfs}/lp_instead` },
        { line: "rmmod lp_instead" },
      ];
      const result = await boot(
        target.kernel,
        readFileSync(init),
        files,
        plan.map((step) => step.line),
        machine,
      );
      expect(complaints(result, plan)).toEqual([]);
      expect(result.steps).toHaveLength(plan.length);
    });
  });
});
