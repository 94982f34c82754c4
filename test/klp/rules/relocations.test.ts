// Relocation types that a kernel's loader does not know, by its version: the `case` labels of apply_relocate_add in
// arch/x86/kernel/module.c and arch/powerpc/kernel/module_64.c (6.1, 6.12 and 7.2 read; see docs/kernel-versions.md).

import { expect, test } from "vitest";
import { kernelOf, titleOf } from "../../../src/diag/catalogue.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { parseKernelVersion } from "../../../src/kernel/version.ts";
import { check } from "../../../src/passes/check.ts";
import { Part } from "../part.ts";
import { fixture } from "../readBack.ts";

const unknown = (arch: string, type: number, version: string): [string, string | null][] => {
  const part = new Part(fixture(`edge-objtool-${arch}`));
  const table = part.table(".rela.text.patched");
  const symbol = part.symbol("_printk");
  const row = Array.from({ length: table.count }, (_, i) => i).find((i) => table.symbol(i) === symbol) ?? -1;
  part.edits.removeRelocation(table, row);
  part.edits.addRelocation(table.section, { offset: table.offset(row), type, addend: 0n, symbol });
  const kernelVersion = parseKernelVersion(version);
  if (kernelVersion === null) throw new Error(version);
  return check(writeElf(part.edits), { file: "x.ko", kernelVersion })
    .problems.filter((p) => p.code === "KLP201" && titleOf(p).includes("_printk"))
    .map((p) => [titleOf(p), kernelOf(p)]);
};

test.each([
  ["x86_64", 4, "R_X86_64_PLT32", "4.15", "4.16", "module: x: Unknown rela relocation: 4"],
  ["x86_64", 24, "R_X86_64_PC64", "4.19", "4.20", "module: x: Unknown rela relocation: 24"],
  ["ppc64le", 116, "R_PPC64_REL24_NOTOC", "6.3", "6.4", "module_64: x: Unknown ADD relocation: 116"],
  ["ppc64le", 132, "R_PPC64_PCREL34", "6.3", "6.4", "module_64: x: Unknown ADD relocation: 132"],
])("%s: type %d, %s, is not known to %s, and to %s it is", (arch, type, name, lacks, has, words) => {
  expect(unknown(arch, type, lacks)).toEqual([
    [`the kernel's loader does not know relocation ${name} (against _printk) before ${has}`, words],
  ]);
  expect(unknown(arch, type, has)).toEqual([]);
});

// What Rust and code compiled with -fpic bring along; no kernel's loader has it.
test.each([
  ["x86_64", 9, "R_X86_64_GOTPCREL", "module: x: Unknown rela relocation: 9"],
  ["x86_64", 41, "R_X86_64_GOTPCRELX", "module: x: Unknown rela relocation: 41"],
  ["x86_64", 42, "R_X86_64_REX_GOTPCRELX", "module: x: Unknown rela relocation: 42"],
  ["arm64", 311, "R_AARCH64_ADR_GOT_PAGE", "Modules: module x: unsupported RELA relocation: 311"],
  ["ppc64le", 0, "R_PPC64_NONE", "module_64: x: Unknown ADD relocation: 0"],
])("%s: type %d, %s, is known to none", (arch, type, name, words) => {
  expect(unknown(arch, type, "7.2")).toEqual([
    [`the kernel's loader does not know relocation ${name} (against _printk)`, words],
  ]);
});

test("arm64: the message had no prefix before 6.5", () => {
  expect(unknown("arm64", 311, "6.1")[0]?.[1]).toBe("module x: unsupported RELA relocation: 311");
});
