// What klplink takes out of a pair, in the forms of the other tools, is finished by those tools themselves: `objtool klp post-link` of Linux 7.2
// and create-klp-module of kpatch 0.9.11 make of the linked file what klplink makes of it.

import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { mustRun } from "../boot/run.ts";
import { type Meaning, meaning } from "../klp/producers/originals.ts";
import { namesOfPairs, prepare, runKlplink, runTool } from "./takenBy.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-post-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

const ARCHES = { x86_64: "x86_64-linux-gnu-", arm64: "aarch64-linux-gnu-", ppc64le: "powerpc64le-linux-gnu-" } as const;
type Arch = keyof typeof ARCHES;

/** Sizes of 6.1, as kpatch-build exports them. */
const SIZES = { ALT: 12, BUG: 12, EX: 12, JUMP: 16, PARA: 16, ORC: 6, PRINTK_INDEX: 48, FIXUP: 48, STATIC_CALL: 8 };

const made = (here: string, name: string): Meaning => meaning(new Uint8Array(readFileSync(join(here, name))));

/** Links what was taken with what every module has beside it, as kbuild does, to `theirs.ko` and `ours.ko`. @returns whether there is something */
function linked(here: string, arch: Arch): boolean {
  if (!existsSync(join(here, "taken.o"))) return false;
  const tool = ARCHES[arch];
  const glue = join(here, "glue");
  writeFileSync(
    `${glue}.s`,
    '.text\n.globl init_module\ninit_module:\n.long 0\n.section .modinfo,"a"\n.string "license=GPL"\n',
  );
  mustRun(`${tool}as`, ["-o", `${glue}.o`, `${glue}.s`]);
  mustRun(`${tool}ld`, ["-r", "-o", join(here, "theirs.ko"), `${glue}.o`, join(here, "taken.o")]);
  copyFileSync(join(here, "theirs.ko"), join(here, "ours.ko"));
  return true;
}

test("objtool klp post-link on what klplink diff writes in objtool's form", { timeout: LONG }, async () => {
  const objtool = join(mustRun("bash", ["test/tools/original-tools.sh"]).trim(), "objtool");
  const modinfo = join(folder, "modinfo");
  writeFileSync(modinfo, "name=mod\0license=GPL\0");
  const relocations: Record<string, number> = {};
  for (const arch of ["x86_64", "arm64"] as const) {
    relocations[arch] = 0;
    for (const name of namesOfPairs(arch)) {
      const here = join(folder, `${name}.${arch}`);
      prepare(here, `${name}.${arch}`);
      for (const which of ["orig.o", "patched.o"]) {
        // One pair has what modinfo tells already.
        if (readFileSync(join(here, which)).includes("\0.modinfo\0")) continue;
        mustRun(`${ARCHES[arch]}objcopy`, ["--add-section", `.modinfo=${modinfo}`, join(here, which)]);
      }
      await runKlplink(here, ["klp", "diff", "orig.o", "patched.o", "taken.o"]);
      if (!linked(here, arch)) continue;
      expect([name, runTool(here, objtool, ["klp", "post-link", "theirs.ko"])]).toEqual([
        name,
        { status: 0, said: "" },
      ]);
      expect([name, (await runKlplink(here, ["klp", "post-link", "ours.ko"])).status]).toEqual([name, 0]);
      const [theirs, ours] = [made(here, "theirs.ko"), made(here, "ours.ko")];
      expect([name, arch, ours]).toEqual([name, arch, theirs]);
      relocations[arch] += theirs.klpRelocations.length;
    }
  }
  expect(Object.values(relocations).every((n) => n > 20)).toBe(true);
});

test("create-klp-module on what klplink diff writes in kpatch's form", { timeout: LONG }, async () => {
  const tool = join(mustRun("bash", ["test/tools/original-tools.sh"]).trim(), "create-klp-module");
  const relocations: Record<string, number> = {};
  for (const arch of ["x86_64", "arm64", "ppc64le"] as const) {
    relocations[arch] = 0;
    const sizes = arch === "ppc64le" ? { ...SIZES, EX: 8 } : SIZES;
    const env = Object.fromEntries(Object.entries(sizes).map(([n, size]) => [`${n}_STRUCT_SIZE`, String(size)]));
    for (const name of namesOfPairs(arch)) {
      const here = join(folder, `${name}.${arch}`);
      prepare(here, `${name}.${arch}`);
      const args = ["orig.o", "patched.o", "vmlinux", "symtab", "Module.symvers", "patch", "taken.o"];
      await runKlplink(here, ["create-diff-object", ...args], env);
      if (!linked(here, arch)) continue;
      const [to, from] = ["theirs-done.ko", "ours-done.ko"];
      expect([name, runTool(here, tool, ["-n", "theirs.ko", to]).status]).toEqual([name, 0]);
      // klplink leads calls that no nop follows through an island on ppc64le; create-klp-module leaves them, and the kernel refuses them.
      const command =
        arch === "ppc64le"
          ? ["link", "ours.ko", "-o", from, "--toc-restore", "nop", "--force"]
          : ["create-klp-module", "-n", "ours.ko", from];
      const { status } = await runKlplink(here, command);
      if (arch !== "ppc64le") expect([name, status]).toEqual([name, 0]);
      const [theirs, ours] = [made(here, to), made(here, from)];
      expect([name, arch, ours]).toEqual([name, arch, theirs]);
      relocations[arch] += theirs.klpRelocations.length;
    }
  }
  expect(Object.values(relocations).every((n) => n > 10)).toBe(true);
});
