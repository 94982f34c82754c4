// Modules out of the tree for ppc64le and arm64, cross-compiled with the folders in which these kernels were built: the header packages of
// distributions for another architecture hold programs of that one (scripts/mod/modpost), which do not run here.

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { boot, type Machine, VIRT } from "./boot.ts";
import { BOTTOM, LID, modulePatch } from "./build/modules.ts";
import { enter, leave } from "./build/workshop.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo } from "./run.ts";
import { complaints, klplink, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);

interface Target {
  readonly name: string;
  readonly script: string;
  readonly image: string;
  readonly arch: string;
  readonly cross: string;
  readonly machine?: Machine;
}
const targets: readonly Target[] = [
  {
    name: "ppc64le",
    script: "build-kernel.sh",
    image: "vmlinux",
    arch: "powerpc",
    cross: "powerpc64le-linux-gnu-",
  },
  {
    name: "arm64",
    script: "build-arm64-kernel.sh",
    image: "arch/arm64/boot/Image",
    arch: "arm64",
    cross: "aarch64-linux-gnu-",
    machine: VIRT,
  },
];

describe.each(targets)("$name", ({ name, script, image, arch, cross, machine }) => {
  test("two modules in one livepatch, one loaded before it, one after", { timeout: 1_800_000 }, async () => {
    const folder = join(lab.folder, name);
    const [source, built] = [join(folder, "source"), join(folder, "built")];
    mkdirSync(folder);
    for (const path of [source, built]) cpSync(join(repo, "test/boot/oot"), path, { recursive: true });
    const kernel = mustRun("bash", [`test/boot/${script}`]).trim();
    mustRun("make", ["-s", "-C", kernel, `M=${built}`, `ARCH=${arch}`, `CROSS_COMPILE=${cross}`, "modules"]);
    const modules = ["klp_tank.ko", "klp_cup.ko"].map((file) => join(built, file));
    const output = join(folder, "livepatch-both.ko");
    const patches = [modulePatch(source, folder, "lid", LID), modulePatch(source, folder, "bottom", BOTTOM)];
    // The headers are found where -k says.
    const about = ["--oot", source, "-k", kernel, ...modules.flatMap((path) => ["-m", path])];
    const ran = klplink("build", ...patches, ...about, "--name", "both", "-o", output);
    expect(ran, ran.stderr + ran.stdout).toMatchObject({ status: 0 });
    expect(ran.stdout.match(/^replaces .*$/gm)).toEqual([
      "replaces  sip of klp_cup",
      "replaces  tank_fill of klp_tank",
      "replaces  tank_show of klp_tank",
    ]);

    const says = (path: string, text: string): Planned => ({ line: `read /proc/${path}`, output: () => text });
    const plan: Planned[] = [
      { line: "insmod /klp_tank.ko" },
      says("klp_tank", "70 litres\n"),
      ...enter("both"),
      says("klp_tank", "100 l, with a lid\n"),
      says("klp_tank", "100 l, with a lid\n"),
      { line: "insmod /klp_cup.ko" },
      ...["3", "2", "1", "0", "0"].map((n) => says("klp_cup", `${n} sips\n`)),
      ...leave("both"),
      says("klp_cup", "0 sips\n"),
      says("klp_cup", "-1 sips\n"),
      says("klp_tank", "130 litres\n"),
    ];
    const init = join(folder, "init");
    mustRun(`${cross}gcc`, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const files = [...modules, output].map((path) => ({ name: basename(path), data: readFileSync(path) }));
    const lines = plan.map((step) => step.line);
    const booted = await boot(join(kernel, image), readFileSync(init), files, lines, machine);
    expect(complaints(booted, plan)).toEqual([]);
  });
});
