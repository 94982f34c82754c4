// x86_64 takes bytes that are not zero for a place that was relocated before (__write_relocate_add in arch/x86/kernel/module.c);
// sec is the index of .rela.data.refs (readelf -S patch-x86_64.o); the wording changed twice (docs/kernel-versions.md). The real kernel says so in test/boot/livepatch.test.ts.

import { describe, expect, test } from "vitest";
import { kernelOf, type Problem } from "../../../src/diag/catalogue.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { parseKernelVersion } from "../../../src/kernel/version.ts";
import { check } from "../../../src/passes/check.ts";
import { Part } from "../part.ts";
import { fixture } from "../readBack.ts";

const nonzero = (arch: string, version: string): Problem[] => {
  const part = new Part(fixture(`patch-${arch}`));
  part.edits.patch(part.section(".data.refs"), 16, Buffer.from([0, 0, 0, 0x5a]));
  const kernelVersion = parseKernelVersion(version);
  if (kernelVersion === null) throw new Error(version);
  return check(writeElf(part.edits), { file: "x.ko", kernelVersion }).problems.filter((p) => p.code === "KLP204");
};

test.each([
  ["6.1", "Skipping invalid relocation target, existing value is nonzero for type 1, loc ADDRESS, val VALUE"],
  ["6.12", "Invalid relocation target, existing value is nonzero for type 1, loc ADDRESS, val VALUE"],
  ["7.2", "Invalid relocation target, existing value is nonzero for sec 15, idx 2, type 1, loc ADDRESS, val VALUE"],
])("a place that is not zero in the file, on x86_64 %s", (version, words) => {
  const found = nonzero("x86_64", version);
  expect(found.map((p) => p.at)).toMatchObject([{ section: ".data.refs", offset: 16 }]);
  expect(found.map(kernelOf)).toEqual([`module: x86/modules: ${words}`]);
});

test.each(["ppc64le", "arm64"])("other architectures do not mind: %s", (arch) => {
  expect(nonzero(arch, "7.2")).toEqual([]);
});

// The loader applies rows in their order; the first one's value, an address, stands there when the second one is looked at.
describe("two ordinary relocations of one place", () => {
  /** With row `row` moved to the place of the row `to`. */
  const twice = (arch: string, row: number, to: number): Problem[] => {
    const part = new Part(fixture(`patch-${arch}`));
    const table = part.table(".rela.data.refs");
    part.edits.moveRelocation(table, row, table.offset(to));
    const kernelVersion = { major: 6, minor: 12 };
    return check(writeElf(part.edits), { file: "x.ko", kernelVersion }).problems.filter((p) => p.code === "KLP204");
  };
  test.each([
    [2, 1],
    [4, 0],
    [0, 3],
  ])("are refused on x86_64: row %i at the place of row %i", (row, to) => {
    const [found, ...more] = twice("x86_64", row, to);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ at: { section: ".data.refs", offset: 8 * to } });
    expect(found === undefined ? "" : kernelOf(found)).toContain(
      "Invalid relocation target, existing value is nonzero",
    );
  });
  test("are not on the others", () => {
    expect(twice("arm64", 2, 1)).toEqual([]);
    expect(twice("ppc64le", 2, 1)).toEqual([]);
  });
});
