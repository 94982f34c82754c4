// What follows klplink in a build must not destroy its work unseen: linkers, objcopy and strip run over finished livepatch modules.
// Each either refuses, or keeps their meaning, or leaves something that klplink recognises. GNU's tools do the last.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { levelOf } from "../../src/diag/catalogue.ts";
import { check } from "../../src/passes/check.ts";
import { link } from "../../src/passes/link.ts";
import { mustRun } from "../boot/run.ts";
import { meaning } from "../klp/producers/originals.ts";
import { fixture } from "../klp/readBack.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-relinked-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const crosses = {
  x86_64: "x86_64-linux-gnu-",
  ppc64le: "powerpc64le-linux-gnu-",
  arm64: "aarch64-linux-gnu-",
} as const;
const tools: Readonly<Record<string, (cross: string, input: string, output: string) => readonly string[]>> = {
  "ld -r": (cross, input, output) => [`${cross}ld`, "-r", input, "-o", output],
  objcopy: (cross, input, output) => [`${cross}objcopy`, input, output],
  "strip -g": (cross, input, output) => [`${cross}strip`, "-g", input, "-o", output],
  "llvm-strip -g": (_, input, output) => ["llvm-strip", "-g", input, "-o", output],
};

type Fate = "refused" | "kept" | "wrecked and seen" | "wrecked unseen";

function fate(arch: keyof typeof crosses, name: string, tool: string): Fate {
  const { output } = link(fixture(`${name}-${arch}`), { file: "x.ko" });
  if (output === null) throw new Error(`${name}-${arch} was not finished`);
  const [input, result] = [join(folder, "in.ko"), join(folder, "out.ko")];
  writeFileSync(input, output);
  rmSync(result, { force: true });
  const [command = "", ...args] = tools[tool]?.(crosses[arch], input, result) ?? [];
  const { error, status } = spawnSync(command, args);
  if (error !== undefined) mustRun(command, args);
  if (status !== 0 || !existsSync(result)) return "refused";
  const made = new Uint8Array(readFileSync(result));
  const [before, after] = [meaning(output), meaning(made)];
  if (JSON.stringify(after.klpRelocations) === JSON.stringify(before.klpRelocations)) return "kept";
  const found = check(made, { file: "x.ko" }).problems.filter((p) => levelOf(p) === "error");
  return found.length > 0 ? "wrecked and seen" : "wrecked unseen";
}

describe.each(["x86_64", "ppc64le", "arm64"] as const)("%s", (arch) => {
  test.each(Object.keys(tools))("%s", (tool) => {
    const fates = ["kpatch", "objtool", "convert-v7", "convert-2024"].map((name) => fate(arch, name, tool));
    expect(fates).not.toContain("wrecked unseen");
    if (tool === "ld -r" || tool === "objcopy") expect(fates).toContain("wrecked and seen");
    if (tool.startsWith("llvm")) expect(new Set(fates)).toEqual(new Set(["refused"]));
  });
});
