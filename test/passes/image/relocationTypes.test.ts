// `image` and `verify` know relocation types by the kernel's version as `check` does (test/klp/rules/relocations.test.ts, which
// has the sources): of a real module, one relocation gets another type. On ppc64le such types depend on how the kernel was
// built, which the module tells: see test/stubs/ppc64lePcrel.test.ts.

import { expect, test } from "vitest";
import { kernelOf, type Problem, titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { parseKernelVersion } from "../../../src/kernel/version.ts";
import { check } from "../../../src/passes/check.ts";
import { image } from "../../../src/passes/image/image.ts";
import { verify } from "../../../src/passes/image/verify.ts";
import { goldenCaptures } from "./captured.ts";

const modules = new Map(goldenCaptures().map((g) => [g.name, g.module]));

/** The module with the first relocation of .text turned into one of that type. */
function withType(arch: string, type: number): Uint8Array {
  const bytes = new Uint8Array(modules.get(`${arch}-varied`) ?? []);
  const file = readElf(bytes);
  const table = file.relocations.find((t) => file.sections.name(t.target) === ".text");
  if (table === undefined) throw new Error("no relocations of .text");
  new DataView(bytes.buffer).setUint32(file.sections.offset(table.section) + 8, type, true);
  return bytes;
}

const told = (problems: readonly Problem[]): string[] =>
  problems.filter((p) => p.code === "KLP201").map((p) => `${titleOf(p)}: ${kernelOf(p)}`);

test.each([
  ["x86_64", 4, "4.15", "4.16"],
  ["x86_64", 24, "4.19", "4.20"],
])("%s: type %d is refused for %s and taken from %s on, by each command", (arch, type, lacks, has) => {
  const bytes = withType(arch, type);
  const placement = { bases: new Map(), sections: new Map(), percpu: null };
  const run = (text: string): Record<"check" | "image" | "verify", string[]> => {
    const kernelVersion = parseKernelVersion(text);
    if (kernelVersion === null) throw new Error(text);
    const options = { file: "x.ko", kernel: null, placement, kernelVersion };
    return {
      check: told(check(bytes, { file: "x.ko", kernelVersion }).problems),
      image: told(image(bytes, { ...options, stage: "relocated" }).problems),
      verify: told(verify(bytes, { ...options, memory: () => null, isLoaded: () => false }).problems),
    };
  };
  const early = run(lacks);
  expect(early.check[0]).toContain(`before ${has}`);
  expect(early.image).toEqual(early.check);
  expect(early.verify).toEqual(early.check);
  const later = run(has);
  expect(later).toEqual({ check: [], image: [], verify: [] });
});
