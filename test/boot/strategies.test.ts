// The other ways in which r2 can come back, in a real kernel: the same modules, linked in each way, live the same lives.
// The livepatch stack's place comes out of the kernel's own livepatch_handler.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { labOf } from "./lab.ts";
import { nonopLife, siblingLife } from "./lives.ts";
import { mustRun } from "./run.ts";
import { bootWith, complaints, klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);
const STACK = ["--toc-restore", "shadow-stack"];
const FRAME = ["--toc-restore", "mini-frame"];
const FRAMED = ["--siblings", "framed"];

test.each([
  ["klp_nonop", "shadow-stack", STACK, / 9 calls through klp_stubs, /],
  ["klp_sibling", "shadow-stack", STACK, / 2 calls through klp_stubs, /],
  ["klp_nonop", "mini-frame", FRAME, / 9 return islands, 1 mini frame, /],
  ["klp_sibling", "mini-frame", FRAME, / 2 sibling islands, 1 local-call island, 3 mini frames, /],
  ["klp_sibling", "island, siblings framed", FRAMED, / 2 framed sibling islands, \d+ bytes/],
] as const)("%s with %s", async (name, way, args, told) => {
  const linked = join(lab.folder, `${name}.${way.replaceAll(" ", "")}.ko`);
  const run = klplink(join(lab.modules, `${name}.ko`), "-k", lab.vmlinux, ...args, "-o", linked);
  expect(run, run.stderr).toMatchObject({ status: 0, stdout: expect.stringMatching(told) });
  const life = name === "klp_nonop" ? nonopLife : siblingLife;
  const script = life.map((planned) => planned.line);
  expect(complaints(await bootWith(lab, readFileSync(linked), script), life)).toEqual([]);
});

test("without vmlinux the livepatch stack's place is not known", () => {
  const run = klplink(
    join(lab.modules, "klp_nonop.ko"),
    "-k",
    lab.systemMap,
    ...STACK,
    "-o",
    join(lab.folder, "no.ko"),
  );
  expect(run.status).toBe(1);
  expect(run.stderr).toContain("KLP314");
});

test("places of another kernel: the module takes the machine down, so they are never guessed", async () => {
  const linked = join(lab.folder, "klp_nonop.elsewhere.ko");
  // The right ones, eight bytes on in thread_info.
  const { threadInfo, stackPointer } = places(lab.vmlinux);
  const given = ["--livepatch-stack", `${threadInfo},${stackPointer + 8}`];
  const run = klplink(join(lab.modules, "klp_nonop.ko"), "-k", lab.systemMap, ...STACK, ...given, "-o", linked);
  expect(run, run.stderr).toMatchObject({ status: 0 });
  const script = nonopLife.map((planned) => planned.line);
  expect(complaints(await bootWith(lab, readFileSync(linked), script), nonopLife)).not.toEqual([]);
});

/** As objdump shows livepatch_handler: ld r12,THREAD_INFO(r13); ld r11,STACK_POINTER(r12). */
function places(vmlinux: string): { threadInfo: number; stackPointer: number } {
  const code = mustRun("powerpc64le-linux-gnu-objdump", ["-d", "--disassemble=livepatch_handler", vmlinux]);
  const found = /ld\s+r12,(\d+)\(r13\)\n.*ld\s+r11,(\d+)\(r12\)/.exec(code);
  if (found === null) throw new Error(`no livepatch_handler in:\n${code}`);
  return { threadInfo: Number(found[1]), stackPointer: Number(found[2]) };
}
