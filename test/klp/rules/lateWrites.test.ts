// What loaders can write when a patched module comes after its livepatch. Sources, as read:
// - arch/powerpc/kernel/module_64.c: 8734b41b3efe (5.16; in 5.15.11-rc1's list) replaces the store of a call and of its stub by
//   patch_instruction, "for 5.14 and later": c35717c71e98 made modules read-only then.
// - arch/arm64/kernel/module.c: 91b89a634487 (6.17) replaces all stores; 7.2's aarch64_insn_copy (patching.c) returns -EINVAL for an
//   address that is not a multiple of 4, and WRITE_PLACE does not look at it. An oops of the time before: kpatch's pull request 1414.
// - setup_ftrace_ool_stubs: 5337609a3148 and f6b4df37ebfe (6.18; 6.17.3). The mail of 2025-09-11 on powerpc64/modules shows which words
//   of a stub and of a half coincide.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { viewOf } from "../../../src/base/bytes.ts";
import { kernelOf } from "../../../src/diag/catalogue.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { parseKernelVersion } from "../../../src/kernel/version.ts";
import { RelocationRouter } from "../../../src/klp/symbols/router.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { keep } from "../collect.ts";
import { Part } from "../part.ts";

const folder = fileURLToPath(new URL("../../fixtures/", import.meta.url));
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(folder + name));

/** The file with all relocations of a section against `far` waiting for demo_mod. */
function waiting(bytes: Uint8Array, target: string): Uint8Array {
  const part = new Part(bytes);
  const { edits } = part;
  const far = part.symbol("far");
  edits.setSymbol(far, { name: ".klp.sym.demo_mod.far,0", home: { kind: "reserved", index: 0xff20 } });
  const router = new RelocationRouter(edits);
  const table = part.table(`.rela${target}`);
  for (let row = 0; row < table.count; row++) {
    if (table.symbol(row) !== far) continue;
    const moved = { offset: table.offset(row), type: table.type(row), addend: table.addend(row), symbol: far };
    edits.removeRelocation(table, row);
    router.add(table.target, "demo_mod", moved);
  }
  return writeElf(edits);
}

/** Codes of this rule, once each, for the release. */
function codesAt(bytes: Uint8Array, release: string): string[] {
  const kernelVersion = parseKernelVersion(release);
  if (kernelVersion === null) throw new Error(release);
  const { problems } = check(bytes, { file: "late.ko", kernelVersion });
  return [...new Set(problems.map((p) => p.code))].filter((c) => ["KLP431", "KLP470", "KLP471"].includes(c));
}

const releases = (bytes: Uint8Array, ...all: string[]): Record<string, string[]> =>
  Object.fromEntries(all.map((r) => [r, codesAt(bytes, r)]));

const halves = waiting(read("later/late-ppc64le.o"), ".text");
keep("KLP471", halves);

/** The same with sites of two nops, for a kernel that has them in line. */
const inline = ((): Uint8Array => {
  const part = new Part(halves);
  for (const at of [0x8, 0x38]) part.edits.patch(part.section(".text"), at + 4, new Uint8Array([0, 0, 0, 0x60]));
  return writeElf(part.edits);
})();
keep("KLP470", inline);

test("ppc64le: calls in text, by release", () => {
  expect(releases(halves, "5.13", "5.14.21", "5.15", "5.15.10", "5.15.11", "5.15.150-generic", "5.16")).toEqual({
    "5.13": ["KLP471"],
    "5.14.21": ["KLP470", "KLP471"],
    "5.15": ["KLP470", "KLP471"],
    "5.15.10": ["KLP470", "KLP471"],
    "5.15.11": ["KLP471"],
    "5.15.150-generic": ["KLP471"],
    "5.16": ["KLP471"],
  });
  const { problems } = check(halves, { file: "late.ko", kernelVersion: { major: 5, minor: 15 } });
  const late = problems.filter((p) => p.code === "KLP470");
  expect(late.map((p) => p.at.offset)).toEqual([0x18, 0x48]);
  expect(late.map(kernelOf)[0]).toMatch(/^BUG: Unable to handle kernel data access on write at /);
});

test("ppc64le: pointers in text, by release", () => {
  const part = new Part(read("later/late-ppc64le.o"));
  const table = part.table(".rela.text");
  part.edits.removeRelocation(table, 2);
  part.edits.addRelocation(table.section, { offset: 0x18, type: 38, addend: 0n, symbol: part.symbol("far") });
  const bytes = waiting(writeElf(part.edits), ".text");
  const found = (release: string): string[] => codesAt(bytes, release).filter((c) => c === "KLP431");
  expect(found("5.13")).toEqual([]); // memory of modules can be written
  expect(found("5.14")).toEqual(["KLP431"]);
  expect(found("7.2")).toEqual(["KLP431"]);
});

test("ppc64le: stubs over the out-of-line halves of ftrace sites", () => {
  expect(releases(halves, "6.12", "6.13", "6.17.2", "6.17.3", "6.18", "7.2")).toEqual({
    "6.12": ["KLP471"], // CONFIG_PPC_FTRACE_OUT_OF_LINE taken over by the distribution: the sites show it
    "6.13": ["KLP471"],
    "6.17.2": ["KLP471"],
    "6.17.3": [],
    "6.18": [],
    "7.2": [],
  });
  // One site: its half fills the first entry, whose address is marked. Nothing is free before the end.
  const one = new Part(halves);
  const list = one.table(".rela__patchable_function_entries");
  one.edits.removeRelocation(list, 1);
  const bytes = writeElf(one.edits);
  const header = Number(viewOf(bytes).getBigUint64(40, true)) + 64 * list.target;
  viewOf(bytes).setBigUint64(header + 32, 8n, true); // sh_size
  expect(codesAt(bytes, "6.13")).toEqual([]);
  expect(codesAt(inline, "6.13")).toEqual([]);
});

test("arm64: everything in read-only memory before 6.17, what is not aligned since", () => {
  const late = (target: string, offset: number): Uint8Array => {
    const part = new Part(read("klp/nothing-arm64.o"));
    const data = new Uint8Array(64);
    const flags = target === ".data.far" ? 3n : 2n;
    const section = part.edits.addSection({
      name: target,
      type: 1,
      flags,
      link: 0,
      info: 0,
      addralign: 8,
      entsize: 0,
      data,
    });
    const home = { kind: "reserved", index: 0xff20 } as const;
    const name = ".klp.sym.demo_mod.far,0";
    const symbol = part.edits.addSymbol({ name, info: 0x10, other: 0, home, value: 0n, size: 0 });
    new RelocationRouter(part.edits).add(section, "demo_mod", { offset, type: 257, addend: 0n, symbol });
    return writeElf(part.edits);
  };
  expect(releases(late(".rodata.far", 8), "6.16", "6.17", "7.2")).toEqual({
    "6.16": ["KLP470"],
    "6.17": [],
    "7.2": [],
  });
  expect(releases(late(".rodata.far", 9), "6.16", "6.17", "7.2")).toEqual({
    "6.16": ["KLP470"],
    "6.17": ["KLP431"],
    "7.2": ["KLP431"],
  });
  expect(releases(late(".data.far", 9), "6.16", "6.17")).toEqual({ "6.16": [], "6.17": ["KLP431"] });
  expect(codesAt(late(".data..ro_after_init", 8), "6.16")).toEqual(["KLP470"]);
});

test("x86_64: all of them", () => {
  const part = new Part(read("klp/nothing-x86_64.o"));
  const data = new Uint8Array(64);
  const section = part.edits.addSection({
    name: ".rodata.far",
    type: 1,
    flags: 2n,
    link: 0,
    info: 0,
    addralign: 8,
    entsize: 0,
    data,
  });
  const home = { kind: "reserved", index: 0xff20 } as const;
  const symbol = part.edits.addSymbol({
    name: ".klp.sym.demo_mod.far,0",
    info: 0x10,
    other: 0,
    home,
    value: 0n,
    size: 0,
  });
  new RelocationRouter(part.edits).add(section, "demo_mod", { offset: 9, type: 1, addend: 0n, symbol });
  const bytes = writeElf(part.edits);
  for (const release of ["5.4", "5.8", "5.15", "6.12", "7.2"]) expect(codesAt(bytes, release), release).toEqual([]);
});

test("link says it, too", () => {
  const { problems } = link(halves, { file: "late.ko", kernelVersion: { major: 5, minor: 15 } });
  expect(problems.map((p) => p.code)).toContain("KLP470");
});
