import { expect, test, vi } from "vitest";
import { SHF_RELA_LIVEPATCH } from "../../../src/elf/consts.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { RelocationTable } from "../../../src/elf/views/relas.ts";
import { finish } from "../../../src/passes/finish.ts";
import { buildElf } from "../../elf/build.ts";

const R_X86_64_64 = 1;
const EM_X86_64 = 62;

/** Places of ordinary relocations, in the order of their rows; entries of `__klp_relocs` by their place. */
function finished(rows: readonly number[], entries: readonly number[]): { ordinary: number[]; livepatch: number[] } {
  const bytes = new Uint8Array(entries.length * 24);
  for (const k of entries.keys()) bytes[k * 24 + 16] = R_X86_64_64;
  const pointer = (offset: number, symbol: number, addend: number) => ({
    ...{ offset, symbol, type: R_X86_64_64 },
    addend: BigInt(addend),
  });
  const relocated = { type: 4, link: ".symtab", entsize: 24 };
  const file = readElf(
    buildElf({
      machine: EM_X86_64,
      sections: [
        { name: ".data", type: 1, flags: 3, data: new Uint8Array(64) },
        { name: ".rela.data", ...relocated, info: ".data", relocations: rows.map((at) => pointer(at, 3, 0)) },
        { name: "__klp_relocs.vmlinux", type: 1, flags: 2, data: bytes },
        {
          ...{ name: ".rela__klp_relocs.vmlinux", ...relocated, info: "__klp_relocs.vmlinux" },
          relocations: entries.flatMap((at, k) => [pointer(k * 24, 1, at), pointer(k * 24 + 8, 2, -4)]),
        },
      ],
      symbols: [
        { name: "data", home: ".data", bind: 1 },
        { name: ".klp.sym.vmlinux.f,0", bind: 1 },
        { name: "other", bind: 1 },
      ],
    }),
  );
  const { output, problems, relocations } = finish(file, { file: "in.o" });
  expect(problems).toEqual([]);
  expect(relocations).toBe(entries.length);
  const out = readElf(output as Uint8Array);
  const places = (isKlp: boolean): number[] =>
    out.relocations
      .filter((t) => out.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH) === isKlp)
      .flatMap((t) => Array.from({ length: t.count }, (_, row) => t.offset(row)));
  const [klp] = out.relocations.filter((t) => out.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH));
  expect(klp?.addend(0)).toBe(-4n);
  return { ordinary: places(false), livepatch: places(true) };
}

test.each([
  ["ascending, the entries, too", [0, 8, 8, 16, 24], [8, 24], [0, 16]],
  ["ascending, the entries not", [0, 8, 8, 16, 24], [24, 0, 8], [16]],
  ["in no order", [24, 8, 0, 16, 8], [8, 24], [0, 16]],
  ["in no order, none is left", [24, 8, 0, 8], [0, 8, 24], []],
  ["an entry for a place that no relocation has, and two for one place", [8, 24], [16, 8, 8, 32], [24]],
] as const)("the ordinary relocations of the places of entries are gone: %s", (_, rows, entries, left) => {
  const { ordinary, livepatch } = finished(rows, entries);
  expect(ordinary).toEqual(left);
  expect(livepatch).toEqual(entries);
});

test("any number of entries and rows of one place take work in proportion", () => {
  const asked = vi.spyOn(RelocationTable.prototype, "offset");
  const zeros = new Array<number>(1000).fill(0);
  expect(finished(zeros, zeros).ordinary).toEqual([]);
  const count = asked.mock.calls.length;
  asked.mockRestore();
  expect(count).toBeGreaterThan(zeros.length);
  expect(count).toBeLessThan(zeros.length * 40);
});
