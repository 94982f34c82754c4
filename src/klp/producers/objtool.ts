// The output of `objtool klp diff`, finished as `objtool klp post-link` does (tools/objtool/klp-post-link.c, 7.2).
// One thing differs: the relocation that a livepatch relocation stands in for is removed, where objtool makes it type 0.
// The loader of ppc64le refuses type 0.

import { viewOf } from "../../base/bytes.ts";
import { NumberSet } from "../../base/numberSet.ts";
import { firstIndex } from "../../base/search.ts";
import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { parseKlpSymbol } from "../symbols/names.ts";
import { type Finish, referredSections } from "./intermediate.ts";
import { LEADS, PlaceCursor, Pointers } from "./pointers.ts";
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
  readonly #marked: NumberSet;
  readonly #place = new PlaceCursor();

  constructor(finish: Finish) {
    this.#finish = finish;
    this.#replaced = new PlaceIndex(finish);
    this.#marked = new NumberSet(finish.symbols.count);
  }

  /** @param named the object that the section is for; empty: that of each symbol */
  finishSection(section: number, named: string): void {
    const { file, absolute } = this.#finish;
    const data = file.sections.data(section);
    const view = viewOf(data);
    const pointers = new Pointers(file, section, absolute);
    if (data.length % ENTRY.size !== 0) {
      const end = data.length - (data.length % ENTRY.size);
      this.#finish.malformed(section, end, `${data.length} bytes, no multiple of ${ENTRY.size}`);
    }
    for (let at = 0; at + ENTRY.size <= data.length; at += ENTRY.size) {
      const type = view.getUint32(at + ENTRY.type, file.littleEndian);
      this.#finishEntry(section, at, named, type, pointers);
    }
  }

  #finishEntry(section: number, at: number, named: string, type: number, pointers: Pointers): void {
    const finish = this.#finish;
    const { symbols } = finish;
    const place = this.#place;
    const isPlace = pointers.lead(at + ENTRY.place, symbols, place) === LEADS.place;
    const outside = isPlace ? finish.placeFault(place) : "no place to relocate";
    if (outside !== null) {
      finish.malformed(section, at + ENTRY.place, outside);
      return;
    }
    const target = pointers.find(at + ENTRY.symbol);
    const symbol = target < 0 ? 0 : pointers.symbol(target);
    const isKlp = symbols.isUndefined(symbol) || symbols.rawShndx(symbol) === SHN_LIVEPATCH;
    if (!isKlp || symbol === 0) {
      finish.malformed(section, at + ENTRY.symbol, "no livepatch symbol");
      return;
    }
    // The first releases kept all entries in one section; the object is then that of the symbol.
    const object = named !== "" ? named : (parseKlpSymbol(symbols.name(symbol))?.object ?? null);
    if (object === null) {
      finish.malformed(section, at + ENTRY.symbol, `${symbols.name(symbol)} is not a livepatch symbol's name`);
      return;
    }
    const moved = finish.router.place(place.section, object);
    moved.add(place.offset, symbol, type, pointers.addendLow(target), pointers.addendHigh(target));
    this.#mark(symbol);
    this.#replaced.remove(place.section, place.offset);
  }

  #mark(symbol: number): void {
    if (!this.#marked.add(symbol)) return;
    this.#finish.edits.symbols.setReserved(symbol, SHN_LIVEPATCH);
    this.#finish.symbolCount++;
  }
}

/** The rows of one relocation table, to be found by the place that they relocate. */
class TableRows {
  readonly table: RelocationTable;
  readonly removed: NumberSet;
  /** Rows by their offset; null: they stand so in the table. */
  readonly #order: Uint32Array | null;
  /** Where the one before was found, and the next is looked for first. */
  #next = 0;

  constructor(table: RelocationTable, removed: NumberSet) {
    this.table = table;
    this.removed = removed;
    let rises = true;
    for (let row = 1; row < table.count && rises; row++) rises = table.offset(row) >= table.offset(row - 1);
    this.#order = rises
      ? null
      : Uint32Array.from({ length: table.count }, (_, row) => row).sort((a, b) => table.offset(a) - table.offset(b));
  }

  #row(k: number): number {
    return this.#order === null ? k : (this.#order[k] ?? 0);
  }

  /** Whether all rows are gone, by this removal of those of a place. */
  remove(offset: number): boolean {
    const { table, removed } = this;
    let k = this.#next;
    if (k >= table.count || table.offset(this.#row(k)) !== offset)
      k = firstIndex(table.count, (i) => table.offset(this.#row(i)) >= offset);
    // Rows of one place go together: an entry for the same place again finds none left.
    if (k < table.count && removed.has(this.#row(k))) return false;
    const before = removed.size;
    for (; k < table.count && table.offset(this.#row(k)) === offset; k++) removed.add(this.#row(k));
    this.#next = k;
    return removed.size > before && removed.size === table.count;
  }
}

/** Ordinary relocations of the file by the place that they relocate; each section's are looked through once, when asked for. */
class PlaceIndex {
  readonly #finish: Finish;
  readonly #bySection = new Map<number, readonly TableRows[]>();
  readonly #referred: Pick<NumberSet, "has">;
  /** What was asked for last: most entries ask for the same section. */
  #section = -1;
  #tables: readonly TableRows[] = [];

  constructor(finish: Finish) {
    this.#finish = finish;
    this.#referred = referredSections(finish.file);
  }

  #of(section: number): readonly TableRows[] {
    if (section === this.#section) return this.#tables;
    let tables = this.#bySection.get(section);
    if (tables === undefined) {
      const { file, edits } = this.#finish;
      tables = file.relocations
        .filter((t) => t.target === section && t.count > 0 && !file.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH))
        .map((table) => new TableRows(table, edits.removedRows(table)));
      this.#bySection.set(section, tables);
    }
    this.#section = section;
    this.#tables = tables;
    return tables;
  }

  remove(section: number, offset: number): void {
    for (const rows of this.#of(section)) {
      const { section: own } = rows.table;
      if (rows.remove(offset) && !this.#referred.has(own)) this.#finish.edits.removeSection(own);
    }
  }
}

/** The symbols that stood in for the livepatch symbols; with their relocations gone, nothing needs them. */
function dropTombstones(finish: Finish): void {
  const { file, symbols, edits } = finish;
  const tombstones = new NumberSet(symbols.count);
  for (const i of symbols.startingWith(TOMBSTONE_PREFIX)) if (symbols.isUndefined(i)) tombstones.add(i);
  if (tombstones.size === 0) return;
  for (const table of file.relocations) {
    if (file.sections.link(table.section) !== symbols.section || finish.isDropped(table.target)) continue;
    const removed = edits.relocationEdits.get(table.section)?.removed;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (!tombstones.has(symbol) || removed?.has(row) === true) continue;
      const what = `${symbols.name(symbol)} has no livepatch relocation to stand in for it`;
      finish.malformed(table.target, table.offset(row), what);
      tombstones.delete(symbol);
    }
  }
  for (const symbol of tombstones) edits.removeSymbol(symbol);
}
