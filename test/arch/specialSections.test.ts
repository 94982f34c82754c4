import { describe, expect, test } from "vitest";
import { findArch } from "../../src/arch/index.ts";
import { entrySizes } from "../../src/arch/specialSections.ts";
import { helpOf, whyOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import type { KernelVersion } from "../../src/kernel/version.ts";
import { check } from "../../src/passes/check.ts";
import { load } from "../helpers.ts";

// Sizes of entries: sizeof of the structures in the kernels' headers (linux/jump_label.h, asm-generic/bug.h, asm/extable.h,
// asm/alternative.h of 4.15 to 7.2).

type Arch = "x86_64" | "ppc64le" | "arm64";
const ABSOLUTE = { x86_64: 1, ppc64le: 38, arm64: 257 } as const;
const RELATIVE = { x86_64: 2, ppc64le: 26, arm64: 261 } as const;
const LONG = { x86_64: 24, ppc64le: 44, arm64: 260 } as const;
/** A field that a relocation fills: `a` an address, `r` a distance, `l` one of 8 bytes. */
type Fields = readonly (readonly [offset: number, kind: "a" | "r" | "l"])[];

/** A module with a table of `count` entries of `entry` bytes, and `more` bytes behind them. */
function withTable(arch: Arch, name: string, entry: number, fields: Fields, count: number, more = 0): Uint8Array {
  const edits = new ElfEdits(readElf(load(`test/fixtures/klp/patch-${arch}.o`)));
  const header = { flags: 2n, link: 0, info: 0, addralign: 1, entsize: 0 };
  const table = edits.addSection({ name, type: 1, ...header, data: new Uint8Array(entry * count + more) });
  const link = edits.symbolTable().section;
  const rows = { flags: 0x40n, link, info: table, addralign: 8, entsize: 24, data: new Uint8Array(0) };
  const section = edits.addSection({ name: `.rela${name}`, type: 4, ...rows });
  const home = { kind: "reserved", index: 0 } as const;
  const symbol = edits.addSymbol({ name: "code", info: 0x10, other: 0, home, value: 0n, size: 0 });
  for (let i = 0; i < count; i++) {
    for (const [at, kind] of fields) {
      const type = kind === "a" ? ABSOLUTE[arch] : kind === "r" ? RELATIVE[arch] : LONG[arch];
      edits.addRelocation(section, { offset: i * entry + at, type, symbol, addend: 0n });
    }
  }
  return writeElf(edits);
}

function sizesOf(bytes: Uint8Array, name: string, version: KernelVersion | null): readonly number[] {
  const file = readElf(bytes);
  const arch = findArch(file.header.machine);
  if (arch === null) throw new Error("no architecture");
  return entrySizes(file, file.sections.findByName(name) ?? 0, arch, version);
}

const of = (major: number, minor: number): KernelVersion => ({ major, minor });
const SITE: Fields = [
  [0, "r"],
  [4, "r"],
];

// biome-ignore format: a table
const forms: readonly [Arch, string, number, Fields, number[]?][] = [
  ["x86_64", "__jump_table", 24, [[0, "a"], [8, "a"], [16, "a"]]],
  ["ppc64le", "__jump_table", 24, [[0, "a"], [8, "a"], [16, "a"]]],
  ["arm64", "__jump_table", 24, [[0, "a"], [8, "a"], [16, "a"]]],
  ["x86_64", "__jump_table", 16, [[0, "r"], [4, "r"], [8, "l"]]],
  ["ppc64le", "__jump_table", 16, [[0, "r"], [4, "r"], [8, "l"]]],
  ["arm64", "__jump_table", 16, [[0, "r"], [4, "r"], [8, "l"]]],
  ["x86_64", ".altinstructions", 12, SITE],
  ["x86_64", ".altinstructions", 13, SITE],
  ["x86_64", ".altinstructions", 14, SITE],
  ["arm64", ".altinstructions", 12, SITE],
  ["x86_64", "__ex_table", 12, SITE],
  ["arm64", "__ex_table", 12, SITE],
  ["arm64", "__ex_table", 8, SITE],
  ["ppc64le", "__ex_table", 8, SITE],
  ["x86_64", "__bug_table", 16, [[0, "r"], [4, "r"], [8, "r"]]],
  ["x86_64", "__bug_table", 12, SITE],
  ["arm64", "__bug_table", 12, SITE],
  // Without the lines, 8 bytes; but 16 with them and none with a format look the same.
  ["x86_64", "__bug_table", 8, [[0, "r"]], [8, 16]],
  ["ppc64le", "__bug_table", 24, [[0, "a"], [8, "a"]]],
  ["ppc64le", "__bug_table", 16, [[0, "a"]]],
  ["ppc64le", "__bug_table", 12, SITE],
  ["x86_64", "__tracepoints_ptrs", 4, [[0, "r"]]],
  ["ppc64le", "__tracepoints_ptrs", 8, [[0, "a"]]],
  ["ppc64le", "__ftr_fixup", 48, [[16, "l"], [24, "l"], [32, "l"], [40, "l"]]],
];

describe("what relocations tell", () => {
  test.each(forms)("%s: %s of %i bytes", (arch, name, entry, fields, sizes = [entry]) => {
    expect(sizesOf(withTable(arch, name, entry, fields, 5), name, null)).toEqual(sizes);
    const codes = (bytes: Uint8Array) => check(bytes, { file: "x.o" }).problems.filter((p) => p.code === "KLP436");
    expect(codes(withTable(arch, name, entry, fields, 5))).toEqual([]);
    expect(codes(withTable(arch, name, entry, fields, 5, 1))).toMatchObject([
      { data: { entries: expect.arrayContaining([entry]) } },
    ]);
  });
});

describe("where one entry leaves several sizes open, the kernel's version decides", () => {
  test.each([
    [of(4, 19), [13]],
    [of(5, 10), [13]],
    [of(5, 19), [12]],
    [of(6, 1), [12]],
    [of(6, 12), [14]],
    [of(7, 2), [14]],
    [null, [13, 12, 14]],
  ] as const)("x86_64 .altinstructions, %o", (version, sizes) => {
    expect(sizesOf(withTable("x86_64", ".altinstructions", 14, SITE, 1, -2), ".altinstructions", version)).toEqual(
      sizes,
    );
  });
  test.each([
    [of(5, 10), [8]],
    [of(6, 1), [12]],
  ] as const)("arm64 __ex_table, %o", (version, sizes) => {
    expect(sizesOf(withTable("arm64", "__ex_table", 8, SITE, 1), "__ex_table", version)).toEqual(sizes);
  });
});

test("why: a table that the kernel walks is read behind its end, one that it divides loses its rest", () => {
  const why = (name: string, entry: number, fields: Fields) => {
    const { problems } = check(withTable("x86_64", name, entry, fields, 3, 2), { file: "x.o" });
    const found = problems.find((p) => p.code === "KLP436");
    return found === undefined ? null : [whyOf(found), typeof helpOf(found)];
  };
  // section_objs in kernel/module/main.c divides; apply_alternatives and apply_returns count up to the end.
  expect(
    why("__jump_table", 16, [
      [0, "r"],
      [4, "r"],
      [8, "l"],
    ])?.[0],
  ).toContain("divides");
  expect(why("__ex_table", 12, SITE)?.[0]).toContain("divides");
  expect(why(".altinstructions", 14, SITE)?.[0]).toContain("reads behind it");
  expect(why(".return_sites", 4, [[0, "r"]])?.[0]).toContain("reads behind it");
});
