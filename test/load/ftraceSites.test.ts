// What is left of a weak function that another one overrides: its code and its entry in the table of sites, but no symbol. Captures from
// real kernels tell what becomes of the site; test/boot/distro.test.ts has kvm, which is linked with such functions.

import { expect, test } from "vitest";
import { STT_FUNC } from "../../src/elf/consts.ts";
import { readElf } from "../../src/elf/reader.ts";
import { addressesOf } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { goldenCaptures } from "../passes/image/captured.ts";
import { compare, imageOf, MITIGATIONS_OFF } from "../passes/image/compare.ts";

const SHN_ABS = 0xfff1;
const ST_SHNDX = 6;

/** Copies of a module, each without the symbol of one function that no relocation names. */
function* withoutOne(module: Uint8Array): Generator<{ readonly name: string; readonly bytes: Uint8Array }> {
  const { symbols, sections, relocations } = readElf(module);
  if (symbols === null) return;
  const used = new Set<number>();
  for (const table of relocations) for (let row = 0; row < table.count; row++) used.add(table.symbol(row));
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.type(i) !== STT_FUNC || used.has(i) || symbols.sectionOf(i) === null) continue;
    const bytes = Buffer.from(module);
    bytes.writeUInt16LE(SHN_ABS, sections.offset(symbols.section) + i * 24 + ST_SHNDX);
    yield { name: symbols.name(i), bytes };
  }
}

const all = goldenCaptures().filter((g) => g.loaded !== null && /varied|far/.test(g.name));

test.each(all)("$name: bytes at a site do not depend on a symbol", ({ module, captured, loaded, kallsyms }) => {
  if (loaded === null) throw new Error("not captured");
  const kernel = addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));
  const options = { stage: "loaded", x86: MITIGATIONS_OFF } as const;
  const told = (bytes: Uint8Array) => {
    const result = imageOf(bytes, captured, kernel, options);
    const { differences } = compare(result, loaded);
    const ranges = (result.image?.unknown ?? []).filter((u) => u.reason.includes("ftrace site"));
    return { differences: differences.filter((d) => !d.startsWith(".symtab")), ranges };
  };
  expect(told(module)).toEqual({ differences: [], ranges: [] });
  let count = 0;
  for (const { name, bytes } of withoutOne(module)) {
    expect(told(bytes), name).toEqual({ differences: [], ranges: [] });
    count++;
  }
  expect(count).toBeGreaterThan(0);
});
