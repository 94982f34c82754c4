// How often a command does the work that one opened module spares: counted where the work is done.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { SourceIndex } from "../../src/elf/dwarf/lines/source.ts";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";

const { counts, count } = vi.hoisted(() => {
  const counts = { reads: 0, linked: 0, analyses: 0, plans: 0, images: 0, facts: 0 };
  const count = <T>(what: keyof typeof counts, work: () => T): T => {
    counts[what]++;
    return work();
  };
  return { counts, count };
});

vi.mock(import("../../src/elf/reader.ts"), async (original) => {
  const module = await original();
  return { ...module, readElf: (bytes) => count("reads", () => module.readElf(bytes)) };
});
vi.mock(import("../../src/elf/executable.ts"), async (original) => {
  const module = await original();
  return { ...module, readExecutable: (bytes) => count("linked", () => module.readExecutable(bytes)) };
});
vi.mock(import("../../src/klp/patch/tables.ts"), async (original) => {
  const module = await original();
  return { ...module, readPatches: (...given) => count("analyses", () => module.readPatches(...given)) };
});
vi.mock(import("../../src/klp/toc/islands.ts"), async (original) => {
  const module = await original();
  return { ...module, planIslands: (...given) => count("plans", () => module.planIslands(...given)) };
});
vi.mock(import("../../src/kernel/loader/layout.ts"), async (original) => {
  const module = await original();
  return { ...module, layOut: (...given) => count("images", () => module.layOut(...given)) };
});
vi.mock(import("../../src/kernel/module/moduleFacts.ts"), async (original) => {
  const module = await original();
  return { ...module, readModuleFacts: (...given) => count("facts", () => module.readModuleFacts(...given)) };
});
const lines = vi.spyOn(SourceIndex, "read");

const folder = mkdtempSync(join(tmpdir(), "klplink-opened-"));
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  Object.assign(counts, { reads: 0, linked: 0, analyses: 0, plans: 0, images: 0, facts: 0 });
  lines.mockClear();
});

const MEMINFO = join(root, "test/fixtures/diag/meminfo-debug.o");
const IMAGE = join(root, "test/fixtures/diag/image");

/** Runs a command; what it did, and its exit status. */
async function work(...args: readonly string[]) {
  const { status } = await klplink(args);
  return { status, ...counts, lines: lines.mock.calls.length };
}

test("check reads, analyses and plans once, with or without source lines", async () => {
  expect(await work("check", MEMINFO)).toEqual({
    ...{ status: 1, reads: 1, linked: 0, analyses: 1, plans: 1, images: 0, facts: 0, lines: 1 },
  });
});

test("link reads the input and, once, what it wrote", async () => {
  const args = [MEMINFO, "-o", join(folder, "out.o")];
  expect(await work(...args)).toMatchObject({ status: 0, reads: 2, analyses: 1, plans: 1, facts: 1 });
});

test("show --toc analyses once and plans once a strategy", async () => {
  expect(await work("show", "--toc", MEMINFO)).toEqual({
    ...{ status: 0, reads: 1, linked: 0, analyses: 1, plans: 5, images: 0, facts: 1, lines: 0 },
  });
});

test("explain opens the module once for all lines", async () => {
  const text = Array.from(
    { length: 30 },
    (_, i) => `module_64: meminfo: Expect noop after relocate, got ${(0x3d22_0000 + i).toString(16)}`,
  );
  expect(await work("explain", "--module", MEMINFO, ...text)).toEqual({
    // An object without the loader's stub sections is not laid out.
    ...{ status: 0, reads: 1, linked: 0, analyses: 1, plans: 1, images: 0, facts: 0, lines: 1 },
  });
  const unknown = Array.from({ length: 30 }, (_, i) => `built: Unknown symbol function_${i} (err -2)`);
  counts.reads = 0;
  counts.images = 0;
  expect(await work("explain", "--module", join(IMAGE, "built.ko"), ...unknown)).toMatchObject({ reads: 1, images: 1 });
});

test("image and verify read once and lay out once", async () => {
  const built = join(IMAGE, "built.ko");
  expect(await work("image", built, "--map")).toMatchObject({ reads: 1, images: 1 });
  Object.assign(counts, { reads: 0, images: 0 });
  expect(await work("verify", "--root", join(IMAGE, "capture"), built)).toMatchObject({ reads: 1, images: 1 });
});

test("sites of a livepatch reads it, the kernel and the modules that it patches once each", async () => {
  const kernel = join(root, "test/fixtures/kernel");
  const livepatch = join(root, "test/fixtures/klp/patch-x86_64.o");
  const args = ["sites", livepatch, "-k", join(kernel, "vmlinux-x86_64"), "-m", join(kernel, "demo-mod.ko")];
  // Once more its section headers, in which a boot wrapper of ppc would show (kernel/image/wrapping/unwrap.ts).
  expect(await work(...args)).toMatchObject({ reads: 2, linked: 2, analyses: 1 });
});
