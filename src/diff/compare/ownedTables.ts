// Entries of tables that belong to functions: which table, which entry, whose it is, and code elsewhere that is a part of it.

import type { OwnedTable } from "../../arch/code/code.ts";
import { firstIndex } from "../../base/search.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { Relocation } from "../canon/relocations.ts";
import { type Target, targetOf } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";

export interface OwnedEntry {
  readonly table: OwnedTable;
  readonly section: number;
  /** Offset in the section; bytes. */
  readonly at: number;
  readonly size: number;
  /** The function that it belongs to; null: none that could be found. */
  readonly owner: Item | null;
  /** Position among the entries of its owner in this kind of table. */
  readonly ordinal: number;
  readonly piece: Piece | null;
}

/** Code of an entry that stands in a section of such code. Offsets are bytes in that section. */
export interface Piece {
  readonly section: number;
  readonly start: number;
  readonly end: number;
}

/** Bytes of an entry by what says so, of each table by its section. */
export type ToldSizes = ReadonlyMap<string, readonly ToldSize[]>;
export interface ToldSize {
  readonly size: number;
  readonly source: string;
}

/** Entries of all tables of an object. */
export class OwnedTables {
  readonly entries: readonly OwnedEntry[];
  /** Tables whose entry size is not known. */
  readonly unknown: readonly { readonly section: number; readonly why: string }[];
  /** Tables of whose entry size two things are said. */
  readonly contradictions: readonly { readonly section: number; readonly sizes: ToldSize[] }[];
  readonly #byOwner = new Map<Item, OwnedEntry[]>();
  readonly #bySection = new Map<number, OwnedEntry[]>();
  readonly #pieces = new Map<number, { readonly piece: Piece; readonly entry: OwnedEntry }[]>();
  /** Sections of pieces that do not stand in the order of their entries, or overlap. */
  readonly #mixed = new Set<number>();
  readonly #unit: Unit;

  /** @param sizes entry sizes that are told from elsewhere */
  constructor(unit: Unit, sizes: ToldSizes = new Map()) {
    this.#unit = unit;
    const entries: OwnedEntry[] = [];
    const unknown: { section: number; why: string }[] = [];
    const contradictions: { section: number; sizes: ToldSize[] }[] = [];
    const { sections } = unit.file;
    const found: { table: OwnedTable; section: number; size: number }[] = [];
    for (let section = 1; section < sections.count; section++) {
      if (unit.kinds[section] !== "table" || sections.size(section) === 0) continue;
      const table = unit.arch.code.tables.find((t) => t.section === sections.name(section));
      if (table === undefined) continue;
      const told = sizes.get(table.section) ?? [];
      const [first] = told;
      const size = first === undefined ? entrySize(unit, section, table) : first.size;
      const against = first === undefined ? [] : contradicting(unit, section, table, told);
      if (against.length > 0) contradictions.push({ section, sizes: against });
      else if (size === null) unknown.push({ section, why: "no size of an entry fits its relocations" });
      else if (sections.size(section) % size !== 0)
        unknown.push({ section, why: `${sections.size(section)} bytes are not a multiple of ${size}` });
      else found.push({ table, section, size });
    }
    // Those with pieces first: entries of others may belong to code in a piece.
    found.sort(
      (a, b) => (a.table.piece === undefined ? 1 : 0) - (b.table.piece === undefined ? 1 : 0) || a.section - b.section,
    );
    for (const { table, section, size } of found) this.#read(table, section, size, entries);
    this.entries = entries;
    this.unknown = unknown;
    this.contradictions = contradictions;
  }

  #read(table: OwnedTable, section: number, size: number, entries: OwnedEntry[]): void {
    const unit = this.#unit;
    const list: OwnedEntry[] = [];
    const counts = new Map<Item, number>();
    this.#bySection.set(section, list);
    for (let at = 0; at < unit.file.sections.size(section); at += size) {
      const owner = this.#ownerOf(fieldTarget(unit, table, section, at, table.owner));
      const own = owner === null ? [] : (this.#byOwner.get(owner) ?? []);
      const ordinal = owner === null ? 0 : (counts.get(owner) ?? countOf(unit, own, table));
      const piece = pieceOf(unit, table, section, at, size);
      const entry: OwnedEntry = { table, section, at, size, owner, ordinal, piece };
      entries.push(entry);
      list.push(entry);
      if (owner !== null) {
        own.push(entry);
        counts.set(owner, ordinal + 1);
        this.#byOwner.set(owner, own);
      }
      if (piece === null) continue;
      const pieces = this.#pieces.get(piece.section) ?? [];
      if (piece.start < (pieces.at(-1)?.piece.end ?? 0)) this.#mixed.add(piece.section);
      pieces.push({ piece, entry });
      this.#pieces.set(piece.section, pieces);
    }
  }

  /** The function whose code a target is in, through a piece where it is in one. */
  #ownerOf(target: Target | null): Item | null {
    if (target?.kind !== "item") return null;
    const { item, distance } = target;
    if (this.#unit.kinds[item.section] === "pieces") {
      return this.pieceAt(item.section, item.entry + distance)?.entry.owner ?? null;
    }
    return this.#unit.file.sections.hasFlags(item.section, SHF_EXECINSTR) && item.symbol !== 0 ? item : null;
  }

  /** The entry in whose piece a place is; null if it is in none. */
  pieceAt(section: number, at: number): { readonly piece: Piece; readonly entry: OwnedEntry } | null {
    const list = this.#pieces.get(section) ?? [];
    const holds = ({ piece }: { piece: Piece }): boolean => at >= piece.start && at < piece.end;
    // Compilers write them in the order of the entries; where they do not, each is looked at.
    const found = list[firstIndex(list.length, (i) => (list[i]?.piece.start ?? 0) > at) - 1];
    if (found !== undefined && holds(found)) return found;
    if (!this.#mixed.has(section)) return null;
    this.#unit.work.take(list.length, "finding the entries that code belongs to");
    return list.find(holds) ?? null;
  }

  /** Entries that belong to a function, in the order of the tables. */
  of(item: Item): readonly OwnedEntry[] {
    return this.#byOwner.get(item) ?? [];
  }

  /** The entry at an offset of a table; null if there is none. */
  entryAt(section: number, at: number): OwnedEntry | null {
    const list = this.#bySection.get(section) ?? [];
    // Entries follow one another, all of one size.
    const found = list[Math.floor(at / (list[0]?.size ?? 1))];
    return found !== undefined && at >= found.at && at < found.at + found.size ? found : null;
  }
}

/** How many entries of a table there are in a list. */
function countOf(unit: Unit, entries: readonly OwnedEntry[], table: OwnedTable): number {
  unit.work.take(entries.length, "reading tables");
  return entries.reduce((n, e) => n + (e.table === table ? 1 : 0), 0);
}

/** What a field of an entry refers to; null if it has no relocation. */
function fieldTarget(unit: Unit, table: OwnedTable, section: number, entry: number, field: number): Target | null {
  const [relocation] = unit.relocations.range(section, entry + field, entry + field + 1);
  return relocation === undefined ? null : entryTarget(unit, table, entry, relocation);
}

/** What a relocation of an entry refers to. */
export function entryTarget(unit: Unit, table: OwnedTable, entry: number, relocation: Relocation): Target {
  const from = table.fromEntry === true ? relocation.offset - entry : 0;
  return targetOf(unit, { ...relocation, addend: relocation.addend - from }, 0);
}

/** Whether entries of this size have each a reference to an owner, and nothing is left over. */
function isOwnedBy(relocations: readonly Relocation[], total: number, size: number, { owner }: OwnedTable): boolean {
  return total % size === 0 && relocations.filter((r) => r.offset % size === owner).length === total / size;
}

/** What is said of an entry's size, where not all agree; the section's relocations have a say as well. Empty: they do. */
function contradicting(unit: Unit, section: number, table: OwnedTable, told: readonly ToldSize[]): ToldSize[] {
  const [first] = told;
  if (first === undefined) return [];
  if (told.some((t) => t.size !== first.size)) return [...told];
  const total = unit.file.sections.size(section);
  if (isOwnedBy(unit.relocations.range(section, 0, total), total, first.size, table)) return [];
  const found = entrySize(unit, section, table);
  return [...told, ...(found === null ? [] : [{ size: found, source: "its relocations" }])];
}

/** Bytes of an entry of this table: the size at which each entry refers to an owner; null if there is none. */
function entrySize(unit: Unit, section: number, table: OwnedTable): number | null {
  const { sections } = unit.file;
  const total = sections.size(section);
  const relocations = unit.relocations.range(section, 0, total);
  const fits = table.sizes.filter((size) => {
    if (!isOwnedBy(relocations, total, size, table)) return false;
    // The other fields repeat as well.
    const places = new Set(relocations.map((r) => r.offset % size));
    return places.size <= 4 && [...places].every((place) => place % 4 === 0 || size % 4 !== 0);
  });
  if (fits.length < 2) return fits[0] ?? null;
  const stated = sections.entsize(section);
  if (fits.includes(stated)) return stated;
  // Two small entries look like a large one. In a large one a small one's second half would begin with something else than code.
  const smallest = [...fits].sort((a, b) => a - b).find((size) => hasCodeInEach(unit, section, table, size));
  return smallest ?? fits[0] ?? null;
}

/** Whether each entry of this size refers to code where its owner stands. */
function hasCodeInEach(unit: Unit, section: number, table: OwnedTable, size: number): boolean {
  const { sections } = unit.file;
  for (let at = 0; at < sections.size(section); at += size) {
    const target = fieldTarget(unit, table, section, at, table.owner);
    if (target?.kind !== "item" || !sections.hasFlags(target.item.section, SHF_EXECINSTR)) return false;
  }
  return true;
}

/** The code of an entry in a section of such code; null if it has none, or it stands in a function. */
function pieceOf(unit: Unit, table: OwnedTable, section: number, at: number, size: number): Piece | null {
  const found = codeOfEntry(unit, table, section, { at, size });
  return found !== null && unit.kinds[found.item.section] === "pieces" ? found.piece : null;
}

/** The code of an entry, and the item that it is in; null if it has none. */
export function codeOfEntry(
  unit: Unit,
  table: OwnedTable,
  section: number,
  { at, size }: { readonly at: number; readonly size: number },
): { readonly item: Item; readonly piece: Piece } | null {
  if (table.piece === undefined) return null;
  const target = fieldTarget(unit, table, section, at, table.piece.at);
  if (target?.kind !== "item") return null;
  const start = target.item.entry + target.distance;
  const how = table.piece.size;
  if ("end" in how) {
    const end = fieldTarget(unit, table, section, at, how.end);
    if (end?.kind !== "item" || end.item.section !== target.item.section) return null;
    return piece(target.item, start, end.item.entry + end.distance);
  }
  const place = how.fromEnd === undefined ? at + how.byte : at + size - lengthFromEnd(size);
  return piece(target.item, start, start + (unit.file.sections.data(section)[place] ?? 0));
}

/** x86_64's entry of 13 bytes ends with a length of padding; the others with the replacement's length. */
const lengthFromEnd = (size: number): number => (size === 13 ? 2 : 1);

const piece = (item: Item, start: number, end: number): { readonly item: Item; readonly piece: Piece } | null =>
  end > start ? { item, piece: { section: item.section, start, end } } : null;
