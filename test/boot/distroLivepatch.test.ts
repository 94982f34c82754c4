// Livepatches for a distribution's kernels: built against Debian's headers of amd64 6.1, 6.12 and 7.2, finished with that kernel's
// /proc/kallsyms and Module.symvers, and loaded, in force and removed again on that very kernel. Unfinished ones are refused by it.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { readRelocations } from "../klp/readBack.ts";
import { type Boot, boot, type Machine, PC } from "./boot.ts";
import { PC_CLOCK } from "./clock.ts";
import { type Distro, loadOrder, openDistro } from "./distro.ts";
import { kallsyms, sent } from "./kallsyms.ts";
import { labOf } from "./lab.ts";
import { producerLife, producers } from "./producerLife.ts";
import { mustRun, repo } from "./run.ts";
import { answered, complaints, klplink, type Planned, stepOf, textOf } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

/** The livepatches of debian/, with what waits for an object when they are finished. */
const waiting: Readonly<Record<string, readonly string[]>> = {
  deb_exports: [],
  deb_unexported: [".klp.sym.vmlinux.saved_command_line,0", ".klp.sym.vmlinux.version_proc_show,0"],
  deb_later: [".klp.sym.pktgen.version,0"],
  deb_calls: [".klp.sym.deb_target.deb_next,0", ".klp.sym.deb_target.deb_state,0", ".klp.sym.deb_target.deb_twice,0"],
};
/** Those for whose undefined symbols klplink has to find the object. */
const unfinished = ["deb_unexported", "deb_later", "deb_calls", "lp_plain"];

/** A PC as it is used: every mitigation that the kernel knows for its CPU. */
const MITIGATED: Machine = {
  ...PC,
  args: ["-M", "q35,accel=tcg", "-cpu", "max"],
  append: `console=ttyS0,115200 ${PC_CLOCK}`,
};

/** A livepatch of debian/ is loaded, used and removed. */
const life = (name: string, used: readonly Planned[], after: readonly Planned[]): Planned[] => [
  { line: `insmod /${name}.ko` },
  { line: `wait /sys/kernel/livepatch/${name}/transition 0` },
  ...used,
  { line: `write /sys/kernel/livepatch/${name}/enabled 0` },
  { line: `gone /sys/kernel/livepatch/${name}` },
  { line: `rmmod ${name}` },
  ...after,
];
const PGCTRL = "/proc/net/pktgen/pgctrl";
const as = (path: string): Planned => ({ line: `read ${path}`, output: (first) => answered(first, path) });

const before: readonly Planned[] = [
  { line: "read /proc/version", output: /^Linux version / },
  { line: "read /proc/cmdline", output: /rdinit=/ },
  { line: "read /proc/filesystems", output: /^nodev\tsysfs$/m },
  { line: "insmod /pktgen.ko" },
  { line: `read ${PGCTRL}`, output: /^Packet Generator / },
  { line: "rmmod pktgen" },
];
const lives: readonly Planned[] = [
  ...life("deb_exports", [{ line: "read /proc/cmdline", output: () => "deb_exports\n" }], [as("/proc/cmdline")]),
  ...life(
    "deb_unexported",
    [
      { line: "read /proc/cmdline", output: (first) => `deb_unexported: ${answered(first, "/proc/version")}` },
      { line: "read /proc/filesystems", output: (first) => `deb_unexported: ${answered(first, "/proc/cmdline")}` },
    ],
    [as("/proc/cmdline"), as("/proc/filesystems")],
  ),
  // Once with the module coming later, once with the module in place.
  ...life(
    "deb_later",
    [
      { line: "insmod /pktgen.ko" },
      { line: `read ${PGCTRL}`, output: (first) => `deb_later: ${answered(first, PGCTRL)}` },
    ],
    [as(PGCTRL)],
  ),
  ...life(
    "deb_later",
    [{ line: `read ${PGCTRL}`, output: (first) => `deb_later: ${answered(first, PGCTRL)}` }],
    [as(PGCTRL), { line: "rmmod pktgen" }],
  ),
  ...life(
    "deb_calls",
    [{ line: "insmod /deb_target.ko" }, { line: "read /proc/deb_target", output: () => "deb_calls 42 43 17\n" }],
    [{ line: "read /proc/deb_target", output: () => "target 36\n" }, { line: "rmmod deb_target" }],
  ),
  ...producers.flatMap(producerLife),
];

describe.each(["6.1", "6.12", "7.2"])("Debian's amd64 %s", (series) => {
  const folder = join(lab.folder, `distro-livepatch-${series}`);
  const built = (name: string): string => {
    const part = name.startsWith("deb_") ? "debian" : "producers";
    return join(folder, part, `${name}.ko`);
  };
  const finished = (name: string): string => join(folder, `${name}.finished.ko`);
  const livepatches = [...Object.keys(waiting), ...producers];
  let kit = "";
  let distro: Distro;
  /** What klplink is told of the kernel. */
  let about: readonly string[] = [];
  let result: Boot;
  const refusals = unfinished.map((name) => `insmod /unfinished/${name}.ko`);
  const plan = [...before, ...lives];

  beforeAll(async () => {
    kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", series]).trim();
    distro = openDistro(join(kit, "kernel"));
    mkdirSync(folder);
    for (const part of ["debian", "producers"]) {
      const to = join(folder, part);
      cpSync(join(repo, "test/boot", part), to, { recursive: true });
      // The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
      const make = [
        "CC=x86_64-linux-gnu-gcc",
        "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",
        "CONFIG_DEBUG_INFO_BTF_MODULES=",
      ];
      mustRun("make", ["-s", "-C", join(kit, "build"), `M=${to}`, ...make, "KBUILD_MODPOST_WARN=1", "modules"]);
    }
    const pktgen = loadOrder(distro, ["pktgen"]).get("pktgen") ?? new Uint8Array(0);
    writeFileSync(join(folder, "pktgen.ko"), pktgen);
    writeFileSync(join(folder, "kallsyms"), await kallsyms(distro.kernel, folder));
    about = ["-k", join(folder, "kallsyms"), "-k", join(kit, "build/Module.symvers")];
    about = [...about, "-m", built("lp_target"), "-m", built("deb_target"), "-m", join(folder, "pktgen.ko")];
    for (const name of livepatches) {
      const linked = klplink(built(name), ...about, "-o", finished(name));
      expect(linked, linked.stderr).toMatchObject({ status: 0 });
    }
    const file = (name: string, path: string) => ({ name, data: readFileSync(path) });
    const files = [
      file("pktgen.ko", join(folder, "pktgen.ko")),
      file("lp_target.ko", built("lp_target")),
      file("deb_target.ko", built("deb_target")),
      ...livepatches.map((name) => file(`${name}.ko`, finished(name))),
      ...unfinished.map((name) => file(`unfinished/${name}.ko`, built(name))),
    ];
    const script = [...refusals, ...plan.map((step) => step.line)];
    result = await boot(distro.kernel, readFileSync(init(folder)), files, script, MITIGATED);
  }, LONG);

  test("the modules are built as the kernel is: padding in front of functions is listed where it has CALL_PADDING", () => {
    const config = readFileSync(join(kit, "build/.config"), "utf8");
    const { sections } = readElf(readFileSync(finished("deb_unexported")));
    const hasPadding = /^CONFIG_CALL_PADDING=y$/m.test(config);
    expect(hasPadding).toBe(series !== "6.1");
    expect(sections.findByName("__patchable_function_entries") !== null).toBe(hasPadding);
    // objtool ran, on the linked object where the kernel has IBT.
    for (const name of ["__mcount_loc", ".orc_unwind_ip", ".return_sites"])
      expect([name, sections.findByName(name)]).not.toEqual([name, null]);
  });

  test.each(unfinished)("%s without the link step: the kernel refuses it, as check predicts", (name) => {
    const step = stepOf(result, `insmod /unfinished/${name}.ko`);
    expect(step.result).toBe(2); // ENOENT
    const predicted = klplink("check", built(name), ...about);
    expect(predicted.status).toBe(1);
    const words = [...predicted.stderr.matchAll(/^ {2}= kernel: (.*: Unknown symbol \w+ \(err -2\))$/gm)].map(
      (m) => m[1],
    );
    expect(words.length, predicted.stderr).toBeGreaterThan(0);
    for (const line of words) expect(textOf(step)).toContain(line);
  });

  test.each(Object.entries(waiting))("%s: what waits for which object", (name, symbols) => {
    const input = readFileSync(built(name));
    const output = readFileSync(finished(name));
    const late = readRelocations(output, true);
    expect([...new Set(late.map((r) => r.symbol))].sort()).toEqual(symbols);
    for (const { table, symbol } of late) expect(table).toMatch(`.klp.rela.${symbol.split(".")[3]}.`);
    // Nothing to do: the same file.
    if (symbols.length === 0) expect(output.equals(input)).toBe(true);
  });

  test("finished, each one loads, patches and goes, also where the module that it patches comes later", () => {
    const own = { ...result, steps: result.steps.slice(refusals.length) };
    expect(complaints(own, plan)).toEqual([]);
    expect(own.steps).toHaveLength(plan.length);
  });

  test("check has nothing to say of what link made, with the same kernel", () => {
    for (const name of livepatches) {
      const checked = klplink("check", finished(name), ...about);
      expect(checked, checked.stderr + checked.stdout).toMatchObject({ status: 0 });
      expect(checked.stderr + checked.stdout, name).not.toMatch(/^(error|warning)/m);
    }
  });

  test("their memory is what image says, with all that waited for modules written", { timeout: LONG }, async () => {
    const patches = ["deb_unexported", "deb_calls", "lp_kpatch"];
    const targets = ["deb_target", "lp_target"];
    const file = (name: string, path: string) => ({ name, data: readFileSync(path) });
    const console = await bootShell({
      arch: "x86_64",
      kernel: distro.kernel,
      folder,
      files: [
        file("capture.sh", join(repo, "scripts/klplink-capture.sh")),
        ...patches.map((name) => file(`${name}.ko`, finished(name))),
        ...targets.map((name) => file(`${name}.ko`, built(name))),
      ],
      script: `
for m in ${[...patches, ...targets].join(" ")}; do insmod /$m.ko || echo "insmod $m: $?"; done
cat /proc/deb_target /proc/lp_target
for m in ${patches.join(" ")}; do sh /capture.sh $m /out/$m; echo "@@ status $?"; done
echo "@@ begin"
tar -C /out -cf - . | gzip | base64
echo "@@ done"`,
    });
    expect(console).toContain("deb_calls 42 43 17\nlp_kpatch: 4711\n");
    const packed = join(folder, "copies.tar.gz");
    writeFileSync(packed, sent(console));
    const copies = join(folder, "copies");
    mkdirSync(copies);
    mustRun("tar", ["-C", copies, "-xzf", packed]);
    for (const name of patches) {
      const given = ["--x86", "mitigations=off,locks=smp", ...targets.flatMap((m) => ["-m", built(m)])];
      const verified = klplink("verify", finished(name), "--root", join(copies, name), ...given);
      expect(verified, verified.stderr + verified.stdout).toMatchObject({ status: 0 });
      expect(verified.stdout).toMatch(/: \d+ sections, \d+ bytes: \d+ equal, \d+ explained, 0 different$/m);
      // Explained are bytes of struct module and of data; what was relocated in code is compared.
      const told = [...verified.stdout.matchAll(/^ {2}\d+ bytes explained: (\w+ ?\w*)/gm)].map((m) => m[1]);
      expect(told).toEqual(["data", "struct module"]);
    }
  });
});

/** guest.c, compiled for a PC. */
function init(folder: string): string {
  const to = join(folder, "init");
  mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-Wall", "-Wextra", "-o", to, "test/boot/guest.c"]);
  return to;
}
