// Modules out of the kernel's tree: patched with the headers of Debian's 6.12 for amd64 alone, and loaded there, before their livepatch
// and after it.

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { boot, PC } from "./boot.ts";
import type { Edit } from "./build/edits.ts";
import { BOTTOM, LABEL, LID, modulePatch } from "./build/modules.ts";
import { openDistro } from "./distro.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo } from "./run.ts";
import { complaints, klplink, type Planned } from "./scenario.ts";

// A module of one file is where objtool has run on the object already, which must not be so in the livepatch: it has to run on all of it.

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

describe("modules out of the tree, of Debian's amd64 6.12", () => {
  const { folder } = lab;
  const source = join(folder, "source");
  const built = join(folder, "built");
  let kit = "";
  let kernel = "";
  let about: readonly string[] = [];

  const patch = (title: string, edits: readonly Edit[]): string => modulePatch(source, folder, title, edits);
  const build = (...args: string[]): Ran => klplink("build", ...args, "--oot", source, ...about);
  const livepatch = (title: string): string => join(folder, `livepatch-${title}.ko`);

  beforeAll(() => {
    kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.12"]).trim();
    kernel = openDistro(join(kit, "kernel")).kernel;
    cpSync(join(repo, "test/boot/oot"), source, { recursive: true });
    // The modules as they are on the machine: built in another place, and without the flags of `klplink build`.
    cpSync(source, built, { recursive: true });
    const headers = join(kit, "build");
    // The headers were made for another gcc: without what this one does not know.
    const known = "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=";
    const make = ["CC=x86_64-linux-gnu-gcc", known, "CONFIG_DEBUG_INFO_BTF_MODULES="];
    mustRun("make", ["-s", "-C", headers, `M=${built}`, ...make, "modules"]);
    about = ["-k", kernel, "-k", join(headers, "Module.symvers"), "--source", headers, "--make", known];
  }, LONG);

  test("each patch is in force whether its module comes before it or after", { timeout: LONG }, async () => {
    const before = mustRun("find", [source, "-printf", "%p %s %i %T@ %C@\\n"]);
    const lid = patch("lid", LID);
    const dry = build(lid, "--dry-run");
    expect(dry, dry.stderr).toMatchObject({ status: 0 });
    expect(dry.stdout).toMatch(/^not known yet: .* until the module was built once/m);
    for (const [title, made, module] of [
      ["lid", lid, "klp_tank"],
      ["bottom", patch("bottom", BOTTOM), "klp_cup"],
    ] as const) {
      const ran = build(made, "-m", join(built, `${module}.ko`), "--no-replace", "-o", livepatch(title));
      expect(ran, ran.stderr).toMatchObject({ status: 0 });
      expect(ran.stderr).not.toMatch(/^error/m);
    }
    // Both patches in one, which takes the place of the first; and the second alone, which would give up what the first one did.
    const label = patch("label", LABEL);
    const TANK = ["-m", join(built, "klp_tank.ko"), "--previous", livepatch("lid")];
    const both = build(lid, label, ...TANK, "--name", "both", "-o", livepatch("both"));
    expect(both, both.stderr).toMatchObject({ status: 0 });
    expect(both.stdout).toContain("takes the place of livepatch_lid: functions: 2 as before, 0 more, 0 given up\n");
    expect(both.stderr.match(/\[KLP84\d\]/g)).toEqual(["[KLP847]"]);
    const alone = build(label, ...TANK, "--name", "alone", "-o", livepatch("alone"));
    expect(alone.stderr.replace(/\s+/g, " ")).toMatch(
      /warning\[KLP843\]: 1 function of livepatch_lid is not replaced any more: klp_tank:tank_fill /,
    );
    const namesake = build(lid, ...TANK, "--name", "lid", "-o", livepatch("again"));
    expect([namesake.status, namesake.stderr]).toEqual([1, expect.stringContaining("error[KLP845]")]);
    // Now it is known which objects include the header.
    const again = JSON.parse(build(lid, "--dry-run", "--format", "json").stdout) as { files: { objects?: string[] }[] };
    expect(again.files.find((f) => f.objects !== undefined)).toMatchObject({
      basis: "commands",
      objects: ["level/level.o", "tank_main.o"],
    });
    expect(mustRun("find", [source, "-printf", "%p %s %i %T@ %C@\\n"])).toBe(before);

    const file = (name: string, path: string) => ({ name, data: readFileSync(path) });
    const files = [
      ...["klp_tank.ko", "klp_cup.ko"].map((name) => file(name, join(built, name))),
      ...["lid", "bottom", "both"].map((title) => file(`livepatch-${title}.ko`, livepatch(title))),
    ];
    const says = (path: string, text: string): Planned => ({ line: `read /proc/${path}`, output: () => text });
    const enter = (title: string): Planned[] => [
      { line: `insmod /livepatch-${title}.ko` },
      { line: `wait /sys/kernel/livepatch/livepatch_${title}/transition 0` },
    ];
    const leave = (title: string): Planned[] => [
      { line: `write /sys/kernel/livepatch/livepatch_${title}/enabled 0` },
      { line: `gone /sys/kernel/livepatch/livepatch_${title}` },
      { line: `rmmod livepatch_${title}` },
    ];
    const plan: Planned[] = [
      { line: "insmod /klp_tank.ko" },
      says("klp_tank", "70 litres\n"),
      says("klp_tank", "100 litres\n"),
      says("klp_tank", "130 litres\n"),
      ...enter("lid"),
      says("klp_tank", "100 l, with a lid\n"),
      ...enter("bottom"),
      { line: "insmod /klp_cup.ko" },
      ...["3", "2", "1", "0", "0"].map((n) => says("klp_cup", `${n} sips\n`)),
      ...leave("bottom"),
      says("klp_cup", "0 sips\n"),
      says("klp_cup", "-1 sips\n"),
      // The module again, after its livepatch.
      { line: "rmmod klp_tank" },
      { line: "insmod /klp_tank.ko" },
      says("klp_tank", "70 l, with a lid\n"),
      says("klp_tank", "100 l, with a lid\n"),
      says("klp_tank", "100 l, with a lid\n"),
      ...enter("both"),
      { line: "gone /sys/kernel/livepatch/livepatch_lid" },
      { line: "rmmod livepatch_lid" },
      says("klp_tank", "tank: 100 l, with a lid\n"),
      ...leave("both"),
      says("klp_tank", "130 litres\n"),
    ];
    const init = join(folder, "init");
    mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const result = await boot(
      kernel,
      readFileSync(init),
      files,
      plan.map((s) => s.line),
      PC,
    );
    expect(complaints(result, plan)).toEqual([]);
    expect(result.steps).toHaveLength(plan.length);
  });

  test("what stands in the way is said before anything is compiled", () => {
    const lid = patch("lid", LID);
    const refusal = (...args: string[]): [number, string] => {
      const { status, stderr } = klplink("build", ...args);
      return [status, /^error\[.*(?:\n {4}.*)*/m.exec(stderr)?.[0].replace(/\s+/g, " ") ?? stderr];
    };
    const other = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.1"]).trim();
    const [status, text] = refusal(lid, "--oot", source, "-k", kernel, "--source", join(other, "build"));
    expect(status).toBe(1);
    expect(text).toMatch(/^error\[KLP840\]: the headers are those of 6\.1\.\S+, the kernel is 6\.12\./);
    expect(refusal(lid, "--oot", source, "-k", kernel)).toEqual([
      3,
      "error[KLP841]: the headers of the kernel are not there",
    ]);
    expect(refusal(lid, "--oot", join(source, "level"), "-k", kernel, "--source", join(kit, "build"))).toEqual([
      3,
      "error[KLP842]: the module's source cannot be used: it has neither a Kbuild nor a Makefile",
    ]);
  });
});
