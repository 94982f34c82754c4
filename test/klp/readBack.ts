import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readElf } from "../../src/elf/reader.ts";

export const fixtures = fileURLToPath(new URL("../fixtures/klp/", import.meta.url));
export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(`${fixtures}${name}.o`));

/** What makes a livepatch relocation, read from a finished file: independent of indices and of order. */
export interface ReadRelocation {
  /** Name of the relocation section. */
  readonly table: string;
  /** Name of the target section, with #N where the name is there several times. */
  readonly target: string;
  readonly offset: number;
  readonly type: number;
  readonly symbol: string;
  readonly addend: bigint;
}

/** `NAME`, or `NAME#N` for the N-th section of several of that name. */
export function sectionLabel(file: ReturnType<typeof readElf>, section: number): string {
  const name = file.sections.name(section);
  const twins: number[] = [];
  for (let i = 1; i < file.sections.count; i++) if (file.sections.name(i) === name) twins.push(i);
  return twins.length === 1 ? name : `${name}#${twins.indexOf(section) + 1}`;
}

/** Relocations of livepatch sections (klp) or all others of loaded sections. */
export function readRelocations(bytes: Uint8Array, klp: boolean): ReadRelocation[] {
  const file = readElf(bytes);
  const { sections, symbols } = file;
  if (symbols === null) throw new Error("no symbol table");
  const found: ReadRelocation[] = [];
  for (const table of file.relocations) {
    if (sections.hasFlags(table.section, 0x0010_0000) !== klp || !sections.hasFlags(table.target, 2)) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const home = symbols.sectionOf(symbol);
      found.push({
        table: sections.name(table.section),
        target: sectionLabel(file, table.target),
        offset: table.offset(row),
        type: table.type(row),
        symbol: symbols.type(symbol) === 3 && home !== null ? sections.name(home) : symbols.name(symbol),
        addend: table.addend(row),
      });
    }
  }
  return found;
}

/** `table target+offset type symbol+addend`, sorted: a set that can be compared. */
export function asText(relocations: readonly ReadRelocation[]): string[] {
  return relocations
    .map((r) => `${r.table} ${r.target}+${r.offset} ${r.type} ${r.symbol} ${r.addend}`)
    .sort((a, b) => (a < b ? -1 : 1));
}

export interface ReadSymbol {
  readonly name: string;
  readonly shndx: number;
  readonly bind: number;
  readonly type: number;
  readonly value: bigint;
  readonly size: number;
  readonly other: number;
}

export function readSymbols(bytes: Uint8Array, wanted: (name: string) => boolean): ReadSymbol[] {
  const { symbols } = readElf(bytes);
  const found: ReadSymbol[] = [];
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    if (symbols === null || !wanted(symbols.name(i))) continue;
    found.push({
      name: symbols.name(i),
      shndx: symbols.rawShndx(i),
      bind: symbols.bind(i),
      type: symbols.type(i),
      value: symbols.value(i),
      size: symbols.size(i),
      other: symbols.other(i),
    });
  }
  return found;
}

export function sectionNames(bytes: Uint8Array): string[] {
  const { sections } = readElf(bytes);
  return Array.from({ length: sections.count }, (_, i) => sections.name(i));
}
