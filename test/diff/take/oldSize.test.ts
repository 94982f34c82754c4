// Sizes of functions in the original against those of the kernel. Both are what nm says of files that gcc and ld made
// (test/fixtures/diff/sizes): a kernel of the same options but for sections of functions and data, and one of other options.

import { describe, expect, test, vi } from "vitest";
import { findArch } from "../../../src/arch/index.ts";
import { Unit } from "../../../src/diff/canon/unit.ts";
import { type OtherSize, otherSize } from "../../../src/diff/take/oldSize.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { type BuiltSymbol, buildElf } from "../../elf/build.ts";
import { load } from "../../helpers.ts";

const folder = "test/fixtures/diff/sizes";
const CHANGED = ["data", "jumps", "plain", "second", "tail", "user"];

function kernelOf(file: string): Kernel {
  const read = readKernelFile(load(`${folder}/${file}`), file);
  if (read.kind === "vmlinux") return new Kernel({ vmlinux: read.vmlinux });
  if (read.kind === "symbols") return new Kernel({ list: read.list });
  throw new Error(read.kind);
}

/** Sizes that nm -nS lists, by name. */
const listed = (file: string): Map<string, number> =>
  new Map(
    [...new TextDecoder().decode(load(`${folder}/${file}`)).matchAll(/^\w+ (\w+) [tT] (\w+)$/gm)].map(
      ([, size = "", name = ""]) => [name, Number.parseInt(size, 16)],
    ),
  );

/** Distance to the next symbol that a map lists, by name. */
function rooms(file: string): Map<string, number> {
  const rows = [...new TextDecoder().decode(load(`${folder}/${file}`)).matchAll(/^(\w+) \w (\S+)$/gm)].map(
    ([, at = "", name = ""]) => ({ at: BigInt(`0x${at}`), name }),
  );
  return new Map(rows.map(({ at, name }) => [name, Number((rows.find((r) => r.at > at)?.at ?? at + 0x10000n) - at)]));
}

async function sizesIn(arch: string, kernel: Kernel, object = "vmlinux"): Promise<readonly OtherSize[]> {
  const [orig, patched] = ["orig", "patched"].map((w) => ({ bytes: load(`${folder}/${arch}.${w}.o`), path: `${w}.o` }));
  if (orig === undefined || patched === undefined) throw new Error(arch);
  const result = await diffObjects(orig, patched);
  const { problems, replaced } = extractDiff(result, { kernel, object });
  expect(replaced.map((r) => r.name).sort()).toEqual(CHANGED);
  return problems.flatMap((p) => (p.code === "KLP743" ? (p.data as { sizes: readonly OtherSize[] }).sizes : []));
}

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a kernel that was built alike, without those sections, is none that differs", async () => {
    expect(await sizesIn(arch, kernelOf(`${arch}.same`))).toEqual([]);
    expect(await sizesIn(arch, kernelOf(`${arch}.same.map`))).toEqual([]);
  });

  test("of another kernel each function that has nothing of its own is told, with both sizes", async () => {
    const [here, there] = [listed(`${arch}.orig.nm`), listed(`${arch}.other.nm`)];
    const found = await sizesIn(arch, kernelOf(`${arch}.other`));
    const names = found.map((s) => s.name);
    for (const name of ["plain", "second", "user"]) expect(names).toContain(name);
    for (const { name, size, there: told, isExact } of found)
      expect([name, size, told, isExact]).toEqual([name, here.get(name), there.get(name), true]);
    for (const name of CHANGED) if (here.get(name) === there.get(name)) expect(names).not.toContain(name);
  });

  test("a list without sizes tells what has no room there", async () => {
    const [here, room] = [listed(`${arch}.orig.nm`), rooms(`${arch}.other.map`)];
    const found = await sizesIn(arch, kernelOf(`${arch}.other.map`));
    expect(found.map((s) => s.name)).toContain("user");
    for (const { name, size, there, isExact } of found) {
      expect([name, size, there, isExact]).toEqual([name, here.get(name), room.get(name), false]);
      expect(size).toBeGreaterThan(there);
    }
  });
});

test("the file of a module tells sizes, too", async () => {
  const kernel = kernelOf("x86_64.same");
  const own = new ModuleFile(readElf(load(`${folder}/x86_64.orig.o`)), "own.ko", "own");
  expect(await sizesIn("x86_64", kernel.withModules([own]), "own")).toEqual([]);
  const other = new ModuleFile(readElf(load(`${folder}/x86_64.small.o`)), "other.ko", "other");
  const found = await sizesIn("x86_64", kernel.withModules([other]), "other");
  const [here, there] = [listed("x86_64.orig.nm"), listed("x86_64.other.nm")];
  const user = { name: "user", size: here.get("user"), there: there.get("user"), isExact: true };
  expect(found).toContainEqual(user);
});

describe("a list without sizes, and an original of many functions in a section, each larger than its room", () => {
  const SIZE = 1 << 9;
  const ROOM = 16;

  /** An object of so many functions `f0`, `f1`, …. @param labels symbols without a size in each, at these offsets */
  function unitOf(count: number, labels: readonly number[] = []): Unit {
    const home = ".text";
    const symbols: BuiltSymbol[] = [];
    for (let i = 0; i < count; i++)
      for (const at of labels) symbols.push({ name: `label${i}`, home, value: BigInt(i * SIZE + at) });
    for (let i = 0; i < count; i++)
      symbols.push({ name: `f${i}`, type: 2, bind: 1, home, value: BigInt(i * SIZE), size: SIZE });
    const data = new Uint8Array(count * SIZE).fill(0x90);
    const file = readElf(buildElf({ machine: 62, sections: [{ name: home, type: 1, flags: 6, data }], symbols }));
    const arch = findArch(62);
    if (arch === null || file.symbols === null) throw new Error("x86_64");
    return new Unit("orig.o", file, arch, file.symbols);
  }

  /** What is said of each function. */
  function sizesOf(unit: Unit): (OtherSize | null)[] {
    const functions = unit.items.filter((item) => item.name.startsWith("f"));
    const base = 0xffff_ffff_8100_0000n;
    const lines = [...functions, { name: "end" }].map(
      ({ name }, i) => `${(base + BigInt(i * ROOM)).toString(16)} T ${name}\n`,
    );
    const read = readKernelFile(new TextEncoder().encode(lines.join("")), "System.map");
    if (read.kind !== "symbols") throw new Error(read.kind);
    const kernel = new Kernel({ list: read.list });
    return functions.map((item) => otherSize(unit, item, kernel, { object: "vmlinux", position: 0 }));
  }

  test("a label inside ends what the list tells; one at its beginning or its end does not", () => {
    const told = (i: number): OtherSize => ({ name: `f${i}`, size: SIZE, there: ROOM, isExact: false });
    expect(sizesOf(unitOf(2))).toEqual([told(0), told(1)]);
    expect(sizesOf(unitOf(2, [0]))).toEqual([told(0), told(1)]);
    expect(sizesOf(unitOf(2, [1]))).toEqual([null, null]);
    expect(sizesOf(unitOf(2, [SIZE - 1]))).toEqual([null, null]);
    expect(sizesOf(unitOf(1, [SIZE]))).toEqual([told(0)]);
  });

  test("the symbols are gone through once for all of them", () => {
    const unit = unitOf(200, [0]);
    const asked = vi.spyOn(unit.symbols, "sectionOf");
    expect(sizesOf(unit).filter((s) => s !== null)).toHaveLength(200);
    expect(asked.mock.calls.length).toBeLessThan(2 * unit.symbols.count);
  });
});
