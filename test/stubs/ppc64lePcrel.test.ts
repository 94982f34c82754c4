// Kernels of ppc64le with PC-relative addressing: how they are told from those with a TOC, and what their loader writes. Whole
// modules against such a kernel's memory stand in test/passes/image/captures.test.ts; the words below were worked out from
// arch/powerpc/kernel/module_64.c (7.2).

import { describe, expect, test } from "vitest";
import { firstRefusal, kernelOf, titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { addressesOf, type KernelAddresses } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { ppc64leFeatures } from "../../src/stubs/ppc64leBuild.ts";
import { pcrelFtraceStubWords } from "../../src/stubs/ppc64lePcrel.ts";
import { type Golden, goldenCaptures } from "../passes/image/captured.ts";
import { imageOf } from "../passes/image/compare.ts";

const golden = (name: string): Golden => {
  const found = goldenCaptures().find((g) => g.name === name);
  if (found === undefined) throw new Error(`${name} is missing`);
  return found;
};
const pcrel = golden("ppc64le-pcrel-far");
const toc = golden("ppc64le-varied");
const symbols = (text: string): KernelAddresses => addressesOf(parseSymbols(Buffer.from(`${text}\n`), "kallsyms"));

describe("which build a module is for", () => {
  const told = (module: Uint8Array, names: readonly string[] | null): string[] => [
    ...ppc64leFeatures(readElf(module), names === null ? null : (name) => names.includes(name)),
  ];

  test("the module tells, where the kernel does not", () => {
    for (const names of [null, [], ["_text", "ftrace_caller"]]) {
      expect(told(pcrel.module, names)).toEqual(["pcrel"]);
      expect(told(toc.module, names)).toEqual(["toc"]);
    }
  });

  test("the kernel's symbols come first", () => {
    for (const { module } of [pcrel, toc]) {
      expect(told(module, ["relative_toc"])).toEqual(["pcrel"]);
      expect(told(module, ["relative_toc", "p_toc"])).toEqual(["toc"]);
      expect(told(module, [".TOC."])).toEqual(["toc"]);
    }
  });

  test("the captured kernels are told by their symbols", () => {
    const names = (text: string): string[] => text.split("\n").map((line) => line.split(/\s+/)[2] ?? "");
    expect(told(toc.module, names(pcrel.kallsyms))).toEqual(["pcrel"]);
    expect(told(pcrel.module, names(toc.kallsyms))).toEqual(["toc"]);
  });
});

describe("a module of the other build", () => {
  test("needs a GOT that it does not have", () => {
    const { problems, image } = imageOf(toc.module, toc.captured, symbols(pcrel.kallsyms));
    expect(image).toBeNull();
    expect(problems.map(kernelOf)).toEqual(["module_64: varied: doesn't contain .mygot."]);
  });

  test("has relocations that a kernel with a TOC does not know", () => {
    const kernel = symbols(`${pcrel.kallsyms}\nc000000000488000 d .TOC.`);
    // Of that kernel the captured addresses are not.
    const problems = imageOf(pcrel.module, pcrel.captured, kernel).problems.filter((p) => p.code !== "KLP209");
    expect(new Set(problems.map((p) => p.code))).toEqual(new Set(["KLP201"]));
    expect(problems.map((p) => titleOf(p)).every((t) => t.endsWith("in a kernel built with a TOC"))).toBe(true);
    const first = firstRefusal(problems);
    expect(first === null ? null : kernelOf(first)).toMatch(/^module_64: far: Unknown ADD relocation: 1(?:16|3[23])$/);
  });
});

describe("the stub of the profiler's functions", () => {
  const base = 0xc000000000000000n;
  const words = (target: bigint, offset = 16): string[] | null =>
    pcrelFtraceStubWords(target, base, offset)?.map((w) => w.toString(16)) ?? null;

  test("is relative to the kernel's start, which the paca holds", () => {
    expect(words(base + 0x43a60n)).toEqual([
      "e98d0010",
      "60000000",
      "6000004",
      "398c3a60",
      "7d8903a6",
      "4e800420",
      "0",
    ]);
    expect(words(base + 0x43a60n, 8)?.[0]).toBe("e98d0008");
  });

  test("reaches 8 GiB both ways", () => {
    expect(words(base + 0x1_ffff_ffffn)?.slice(2, 4)).toEqual(["601ffff", "398cffff"]);
    expect(words(base - 0x2_0000_0000n)?.slice(2, 4)).toEqual(["6020000", "398c0000"]);
    expect(words(base + 0x2_0000_0000n)).toBeNull();
    expect(words(base - 0x2_0000_0001n)).toBeNull();
  });

  test("its distance is listed as not known without the kernel's start", () => {
    const kernel = symbols(pcrel.kallsyms.replace(/^.* _stext$/m, ""));
    const { image, problems } = imageOf(pcrel.module, pcrel.captured, kernel, { stage: "loaded" });
    expect(problems).toEqual([]);
    const ranges = image?.unknown.filter((u) => u.reason.startsWith("the kernel's start")) ?? [];
    expect(ranges.map((r) => [r.end - r.start, r.start % 40])).toEqual([
      [8, 8],
      [8, 8],
    ]);
  });
});
