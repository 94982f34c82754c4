// What is written in another form than the input has it: branches that the assembler resolved, and what went through a table of addresses.

import { describe, expect, test } from "vitest";
import { findArch } from "../../../src/arch/index.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { relocName } from "../../../src/reloc/def.ts";
import { load } from "../../helpers.ts";
import { kernelWith } from "../targetOf.ts";

async function taken(pair: string) {
  const [orig, patched] = ["orig", "patched"].map((which) => load(`test/fixtures/diff/${pair}.${which}.o`));
  const result = await diffObjects(
    { bytes: orig as Uint8Array, path: "orig.o" },
    { bytes: patched as Uint8Array, path: "patched.o" },
  );
  const kernel = kernelWith(orig as Uint8Array, ["ext", "ext2", "ext3"]);
  const { bytes, problems } = extractDiff(result, { kernel, object: "vmlinux" });
  expect(problems).toEqual([]);
  return readElf(bytes as Uint8Array);
}

/** `TYPE NAME+ADDEND` of the relocations of a section, with their offsets. */
function relocations(file: Awaited<ReturnType<typeof taken>>, section: string): [number, string][] {
  const relocs = findArch(file.header.machine)?.relocs;
  return file.relocations.flatMap((t) =>
    file.sections.name(t.target) !== section
      ? []
      : [...Array(t.count).keys()].map((row): [number, string] => {
          const type = relocs === undefined ? "" : relocName(relocs, t.type(row));
          const name = (file.symbols?.name(t.symbol(row)) ?? "").replace(
            /^\.klp\.sym\.rela\.vmlinux\.vmlinux\./,
            "klp ",
          );
          return [t.offset(row), `${type} ${name} ${t.addend(row)}`];
        }),
  );
}

test.each([
  ["x86_64", "R_X86_64_PLT32 klp last,0 -4"],
  ["arm64", "R_AARCH64_CALL26 klp last,0 0"],
  ["ppc64le", "R_PPC64_REL24 klp last,0 0"],
])("%s: a call within a shared section goes to the function by its name", async (arch, wanted) => {
  const found = relocations(await taken(`pairs/sections-shared.${arch}`), ".sched.text").map(([, text]) => text);
  expect(found.filter((r) => r.includes("last"))).toEqual([wanted]);
});

describe("x86_64", () => {
  test("a load, a call and a jump do without the table of addresses (psABI, B.2)", async () => {
    const file = await taken("cases/got-relaxed.x86_64");
    const code = (name: string): Uint8Array => file.sections.data(file.sections.findByName(name) ?? 0);
    const at = (section: string, name: string): number =>
      relocations(file, section).find(([, text]) => text === name)?.[0] ?? Number.NaN;
    const f = code(".text.f");
    for (const name of ["R_X86_64_PC32 klp exported,0 -4", "R_X86_64_PC32 klp mine,0 -4"]) {
      const field = at(".text.f", name);
      // REX.W lea …(%rip): the register stays.
      expect([f[field - 3], f[field - 2], (f[field - 1] ?? 0) & 0xc7], name).toEqual([0x48, 0x8d, 0x05]);
    }
    const call = at(".text.f", "R_X86_64_PLT32 ext -4");
    expect([f[call - 2], f[call - 1]]).toEqual([0x67, 0xe8]);
    const jump = at(".text.g", "R_X86_64_PLT32 ext -4");
    expect([code(".text.g")[jump - 1], code(".text.g")[jump + 4]]).toEqual([0xe9, 0x90]);
  });

  test("tables for unwinding and for objtool: entries of what is taken, and where the function ends", async () => {
    const file = await taken("cases/unwind.x86_64");
    const section = (name: string): number => file.sections.findByName(name) ?? 0;
    const size = file.sections.size(section(".text.f"));
    // {s16, s16, two bytes} as the source has them; behind the function nothing is known.
    expect([...file.sections.data(section(".orc_unwind"))]).toEqual([
      ...[24, 0, 0, 0, 3, 1],
      ...[32, 0, 0, 0, 4, 1],
      ...[0, 0, 0, 0, 0, 0],
    ]);
    const placesOf = (name: string): number[] =>
      file.relocations
        .filter((t) => t.target === section(name))
        .flatMap((t) => [...Array(t.count).keys()].map((row) => Number(t.addend(row))));
    const [first = -1, second = -1, end] = placesOf(".orc_unwind_ip");
    const code = file.sections.data(section(".text.f"));
    expect([code[first], code[second], end]).toEqual([0x90, 0x90, size]);
    expect(first).toBeLessThan(second);
    expect(placesOf(".discard.annotate_insn")).toEqual([first, second]);
    expect([...file.sections.data(section(".discard.annotate_insn"))].filter((b) => b !== 0)).toEqual([3, 4]);
    expect(placesOf(".discard.reachable")).toEqual([first, second]);
  });
});
