// The output of `objtool klp diff`, finished as `objtool klp post-link` does (tools/objtool/klp-post-link.c, 7.2).
// One thing differs: the relocation that a livepatch relocation stands in for is removed, where objtool makes it type 0.
// The loader of ppc64le refuses type 0.

import { viewOf } from "../../base/bytes.ts";
import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { parseKlpSymbol } from "../symbols/names.ts";
import { type Finish, Pointers, referredSections } from "./intermediate.ts";
import { objtoolSectionObject } from "./producer.ts";

/** struct klp_reloc: {place pointer, symbol pointer, type u32}, padded. */
const ENTRY = { size: 24, place: 0, symbol: 8, type: 16 } as const;
const TOMBSTONE_PREFIX = ".klp.tombstone.";

export function finishObjtool(finish: Finish, keep: boolean): void {
  const { sections } = finish.file;
  const entries = new Entries(finish);
  let found = false;
  for (let section = 1; section < sections.count; section++) {
    const named = objtoolSectionObject(sections.name(section));
    if (named === null || !sections.hasBytes(section)) continue;
    found = true;
    if (named !== "" && !finish.checkObject(named, section, 0)) continue;
    entries.finishSection(section, named);
    if (!keep) finish.drop(section);
  }
  if (!found) finish.malformed(null, 0, "there is no __klp_relocs section");
  // Entries that were refused leave their tombstones behind: those are not reported again.
  if (finish.problems.length === 0) dropTombstones(finish);
}

/** Entries of the sections of struct klp_reloc: each becomes a relocation of a livepatch section. */
class Entries {
  readonly #finish: Finish;
  readonly #replaced: PlaceIndex;
  readonly #marked = new Set<number>();

  constructor(finish: Finish) {
    this.#finish = finish;
    this.#replaced = new PlaceIndex(finish);
  }

  /** @param named the object that the section is for; empty: that of each symbol */
  finishSection(section: number, named: string): void {
    const { file, absolute } = this.#finish;
    const data = file.sections.data(section);
    const pointers = new Pointers(file, section, absolute);
    if (data.length % ENTRY.size !== 0) {
      const end = data.length - (data.length % ENTRY.size);
      this.#finish.malformed(section, end, `${data.length} bytes, no multiple of ${ENTRY.size}`);
    }
    for (let at = 0; at + ENTRY.size <= data.length; at += ENTRY.size) this.#finishEntry(section, at, named, pointers);
  }

  #finishEntry(section: number, at: number, named: string, pointers: Pointers): void {
    const finish = this.#finish;
    const { file, symbols } = finish;
    const placePointer = pointers.at(at + ENTRY.place);
    const place = placePointer === null ? null : finish.resolve(placePointer);
    const outside = place === null ? "no place to relocate" : finish.placeFault(place);
    if (place === null || outside !== null) {
      finish.malformed(section, at + ENTRY.place, outside ?? "");
      return;
    }
    const target = pointers.at(at + ENTRY.symbol);
    const isKlp =
      target !== null && (symbols.isUndefined(target.symbol) || symbols.rawShndx(target.symbol) === SHN_LIVEPATCH);
    if (target === null || !isKlp || target.symbol === 0) {
      finish.malformed(section, at + ENTRY.symbol, "no livepatch symbol");
      return;
    }
    const name = symbols.name(target.symbol);
    // The first releases kept all entries in one section; the object is then that of the symbol.
    const object = named !== "" ? named : (parseKlpSymbol(name)?.object ?? null);
    if (object === null) {
      finish.malformed(section, at + ENTRY.symbol, `${name} is not a livepatch symbol's name`);
      return;
    }
    finish.klpRelocation(place.section, object, {
      offset: place.offset,
      symbol: target.symbol,
      type: viewOf(file.sections.data(section)).getUint32(at + ENTRY.type, file.littleEndian),
      addend: target.addend,
    });
    this.#mark(target.symbol);
    this.#replaced.remove(place.section, place.offset);
  }

  #mark(symbol: number): void {
    if (this.#marked.has(symbol)) return;
    this.#marked.add(symbol);
    this.#finish.edits.setSymbol(symbol, { home: { kind: "reserved", index: SHN_LIVEPATCH }, value: 0n });
    this.#finish.symbolCount++;
  }
}

/** Ordinary relocations of the file by the place that they relocate; each section is indexed once, when asked for. */
class PlaceIndex {
  readonly #finish: Finish;
  readonly #bySection = new Map<number, Map<number, { table: RelocationTable; row: number }[]>>();
  readonly #left = new Map<RelocationTable, number>();

  readonly #referred: ReadonlySet<number>;

  constructor(finish: Finish) {
    this.#finish = finish;
    this.#referred = referredSections(finish.file);
  }

  #index(section: number): Map<number, { table: RelocationTable; row: number }[]> {
    let index = this.#bySection.get(section);
    if (index !== undefined) return index;
    index = new Map();
    const { file } = this.#finish;
    for (const table of file.relocations) {
      if (table.target !== section || file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
      this.#left.set(table, table.count);
      for (let row = 0; row < table.count; row++) {
        const offset = table.offset(row);
        const list = index.get(offset);
        if (list === undefined) index.set(offset, [{ table, row }]);
        else list.push({ table, row });
      }
    }
    this.#bySection.set(section, index);
    return index;
  }

  remove(section: number, offset: number): void {
    const index = this.#index(section);
    for (const { table, row } of index.get(offset) ?? []) {
      this.#finish.edits.removeRelocation(table, row);
      const left = (this.#left.get(table) ?? 0) - 1;
      this.#left.set(table, left);
      if (left === 0 && !this.#referred.has(table.section)) this.#finish.edits.removeSection(table.section);
    }
    index.delete(offset);
  }
}

/** The symbols that stood in for the livepatch symbols; with their relocations gone, nothing needs them. */
function dropTombstones(finish: Finish): void {
  const { file, symbols, edits } = finish;
  const tombstones = new Set<number>();
  for (const i of symbols.startingWith(TOMBSTONE_PREFIX)) if (symbols.isUndefined(i)) tombstones.add(i);
  if (tombstones.size === 0) return;
  for (const table of file.relocations) {
    if (file.sections.link(table.section) !== symbols.section || finish.isDropped(table.target)) continue;
    for (let row = 0; row < table.count; row++) {
      if (!tombstones.has(table.symbol(row)) || edits.relocation(table, row) === null) continue;
      const name = symbols.name(table.symbol(row));
      finish.malformed(table.target, table.offset(row), `${name} has no livepatch relocation to stand in for it`);
      tombstones.delete(table.symbol(row));
    }
  }
  for (const symbol of tombstones) edits.removeSymbol(symbol);
}
