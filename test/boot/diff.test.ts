// From two compiles of a module's source to a livepatch in force: `klplink diff`, the glue, kbuild, `klplink link`, a real kernel.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import { openDistro } from "./distro.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo, run } from "./run.ts";
import { complaints, klplink, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

interface Target {
  readonly name: string;
  /** The build folder, the kernel to boot, and what tells its symbols. */
  readonly open: () => { readonly build: string; readonly kernel: string; readonly symbols: string };
  readonly make: readonly string[];
  readonly compiler: string;
  readonly machine?: Machine;
}

const builtHere = (arch: string, cross: string, script: string, image: string, machine?: Machine): Target => ({
  name: arch,
  open: () => {
    const build = mustRun("bash", [`test/boot/${script}`]).trim();
    return { build, kernel: join(build, image), symbols: join(build, "System.map") };
  },
  make: [`ARCH=${arch === "ppc64le" ? "powerpc" : arch}`, `CROSS_COMPILE=${cross}`],
  compiler: `${cross}gcc`,
  ...(machine === undefined ? {} : { machine }),
});
const targets: readonly Target[] = [
  {
    name: "x86_64, Debian 6.12",
    open: () => {
      const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.12"]).trim();
      const { kernel } = openDistro(join(kit, "kernel"));
      return { build: join(kit, "build"), kernel, symbols: kernel };
    },
    // The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
    make: ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="],
    compiler: "x86_64-linux-gnu-gcc",
    machine: PC,
  },
  builtHere("ppc64le", "powerpc64le-linux-gnu-", "build-kernel.sh", "vmlinux"),
  builtHere("arm64", "aarch64-linux-gnu-", "build-arm64-kernel.sh", "arch/arm64/boot/Image", VIRT),
];

/**
 * The patch: a new function with a variable of its own above all, so that numbers and lines move; another string, a call of a local
 * function that stays, one more at the end (a sibling call), and the count, which must go on.
 */
function patched(source: string): string {
  const edits: readonly (readonly [string, string])[] = [
    [
      "static noinline long dp_step",
      "static noinline long dp_fresh(void)\n{\n\tstatic int calls = 100;\n\n\treturn ++calls;\n}\n\nstatic noinline long dp_step",
    ],
    ['"old %d"', '"new %d fresh %ld"'],
    [
      '++calls);\n\tseq_printf(m, " step %ld\\n", dp_step(calls));\n\treturn 0;',
      "++calls, dp_fresh());\n\treturn dp_tail(m, dp_step(calls) * 2);",
    ],
  ];
  let text = source;
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`not once in the source: ${from}`);
    text = text.replace(from, to);
  }
  return text;
}

describe.each(targets)("$name", ({ name, open, make, compiler, machine }) => {
  const folder = join(lab.folder, name.replace(/\W+/g, "-"));
  const source = join(folder, "source");
  const target = join(folder, "target");
  const [before, after] = [join(folder, "before.o"), join(folder, "after.o")];
  let kernel: ReturnType<Target["open"]>;
  const about = (): string[] => [
    "-k",
    kernel.symbols,
    "-k",
    join(kernel.build, "Module.symvers"),
    "-m",
    join(target, "dp.ko"),
  ];
  const kbuild = (where: string, ...args: string[]): Ran =>
    run("make", ["-s", "-C", kernel.build, `M=${where}`, ...make, ...args]);
  const must = (ran: Ran): void => expect(ran, ran.stderr + ran.stdout).toMatchObject({ status: 0 });

  /** The livepatch module that the pair of objects becomes. */
  function livepatch(title: string, ...options: string[]): string {
    const patch = join(folder, title);
    must(klplink("glue", patch));
    must(klplink("diff", before, after, "--object", "dp", ...about(), ...options, "-o", join(patch, "diff.o_shipped")));
    must(kbuild(patch, `KLPLINK_NAME=${title}`, "KLPLINK_REPLACE=0", "modules"));
    const linked = join(folder, `${title}.ko`);
    must(klplink(join(patch, `${title}.ko`), ...about(), "-o", linked));
    const checked = klplink("check", linked, ...about());
    must(checked);
    expect(checked.stderr).not.toMatch(/^(error|warning)/m);
    return linked;
  }

  async function life(title: string, linked: string, plan: readonly Planned[]): Promise<string[]> {
    const init = join(folder, "init");
    mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const files = [
      { name: `${title}.ko`, data: readFileSync(linked) },
      { name: "dp.ko", data: readFileSync(join(target, "dp.ko")) },
    ];
    const lines = plan.map((step) => step.line);
    const result = await boot(kernel.kernel, readFileSync(init), files, lines, machine);
    expect(result.steps).toHaveLength(plan.length);
    return complaints(result, [...plan]);
  }

  const plan = (title: string): Planned[] => {
    const sysfs = `/sys/kernel/livepatch/${title}`;
    const says = (text: string): Planned => ({ line: "read /proc/dp", output: () => text });
    return [
      { line: "insmod /dp.ko" },
      says("old 1 step 11\n"),
      { line: "read /proc/dp_other", output: () => "other 1\n" },
      { line: `insmod /${title}.ko` },
      { line: `wait ${sysfs}/transition 0` },
      // The count goes on; the new one begins.
      says("new 2 fresh 101 step 24\n"),
      says("new 3 fresh 102 step 26\n"),
      { line: "read /proc/dp_other", output: () => "other 2\n" },
      { line: `write ${sysfs}/enabled 0` },
      { line: `gone ${sysfs}` },
      says("old 4 step 14\n"),
      { line: `rmmod ${title}` },
      { line: "rmmod dp" },
      // And before the module comes.
      { line: `insmod /${title}.ko` },
      { line: "insmod /dp.ko" },
      says("new 1 fresh 101 step 22\n"),
      { line: "rmmod dp" },
      { line: `write ${sysfs}/enabled 0` },
      { line: `gone ${sysfs}` },
      { line: `rmmod ${title}` },
    ];
  };

  beforeAll(() => {
    kernel = open();
    const text = readFileSync(join(repo, "test/boot/diff/dp_target.c"), "latin1");
    for (const where of [source, target]) {
      mkdirSync(where, { recursive: true });
      writeFileSync(join(where, "Kbuild"), "obj-m := dp.o\ndp-y := dp_target.o\n");
      writeFileSync(join(where, "dp_target.c"), text);
    }
    // The module as its maker builds it, and the two objects in one folder with sections of their own.
    must(kbuild(target, "modules"));
    for (const [object, content] of [
      [before, text],
      [after, patched(text)],
    ] as const) {
      writeFileSync(join(source, "dp_target.c"), content);
      must(kbuild(source, "KCFLAGS=-ffunction-sections -fdata-sections", "dp_target.o"));
      cpSync(join(source, "dp_target.o"), object);
    }
  }, LONG);

  test("diff names what changed", () => {
    const { stdout, stderr, status } = klplink("diff", before, after, "--format", "json");
    expect(status, stderr).toBe(0);
    const said = stdout + stderr;
    for (const changed of ["dp_show", "dp_fresh"]) expect(said).toContain(changed);
  });

  test("in force, with the state that it had; and gone", { timeout: LONG }, async () => {
    expect(await life("lp_dp", livepatch("lp_dp"), plan("lp_dp"))).toEqual([]);
  });

  test("with the wrong variable for the count, the kernel says other numbers", { timeout: LONG }, async () => {
    const counts = (path: string): string[] => {
      const { symbols } = readElf(readFileSync(path));
      const names = Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i) ?? "");
      return names.filter((n) => /^calls(\.\d+)?$/.test(n));
    };
    const wrong = counts(before);
    expect(wrong).toHaveLength(2);
    // Both names of before, each for the other: diff is told, and obeys.
    const named = klplink("diff", before, after, "--format", "json");
    expect(named.status).toBe(0);
    const [one = "", two = ""] = wrong;
    const inUse = counts(after);
    const options = inUse.includes(one) && inUse.includes(two) ? [`${one}=${two}`, `${two}=${one}`] : [];
    if (options.length === 0) throw new Error(`${String(wrong)} and ${String(inUse)}`);
    const linked = livepatch("lp_wrong", ...options.flatMap((o) => ["--pair", o]));
    expect(await life("lp_wrong", linked, plan("lp_wrong"))).not.toEqual([]);
  });
});
