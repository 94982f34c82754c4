// Pointer fields of a producer's tables: they hold 0, and their value stands in a relocation.

import { SHF_RELA_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { type RelocationTable, ROW_WORDS } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { SectionHandle, SymbolHandle } from "../../elf/writer/edits.ts";

/** The value of a pointer field: a place in a section, or an undefined symbol. */
export interface Pointer {
  readonly symbol: SymbolHandle;
  readonly addend: bigint;
  readonly type: number;
}

/** An offset in a section of the file. */
export interface FilePlace {
  readonly section: SectionHandle;
  readonly offset: number;
}

/** A {@link FilePlace} that is used again for each pointer: tables have tens of thousands. */
export class PlaceCursor implements FilePlace {
  section: SectionHandle = 0;
  offset = 0;
}

/** What {@link Pointers.lead} finds: no pointer, one that names no place in a section of the file, or a place. */
export const LEADS = { missing: 0, nowhere: 1, place: 2 } as const;

/** Two numbers up to here have a sum that is exact. */
const LARGE = 2 ** 52 - 1;

/** The relocations of one section by offset. */
export class Pointers {
  readonly #tables: RelocationTable[] = [];
  /** Of each eight bytes of the section: the last row of their beginning, and 1, counted through all tables; 0: none. */
  readonly #aligned: Uint32Array;
  /** The last rows of other places, counted in the same way. */
  readonly #others = new Map<number, number>();
  readonly #absolute: number;
  /** Where {@link #find} found something. */
  #table: RelocationTable | null = null;
  #row = 0;

  /** @param absolute the architecture's 64-bit absolute relocation type. */
  constructor(file: ElfFile, section: number, absolute: number) {
    this.#absolute = absolute;
    this.#aligned = new Uint32Array(Math.ceil(file.sections.data(section).length / 8));
    let before = 1;
    for (const table of file.relocations) {
      if (table.target !== section || file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
      this.#index(table, before);
      this.#tables.push(table);
      before += table.count;
    }
  }

  /** @param before rows of the tables before, and 1 */
  #index(table: RelocationTable, before: number): void {
    const aligned = this.#aligned;
    const stride = table.rowSize / 4;
    for (const { words, first, count } of table.words()) {
      for (let row = before + first, at = 0; row < before + first + count; row++, at += stride) {
        const low = words[at] as number;
        const high = words[at + ROW_WORDS.offsetHigh] as number;
        if (high === 0 && (low & 7) === 0 && low >>> 3 < aligned.length) aligned[low >>> 3] = row;
        else this.#others.set(high * 0x1_0000_0000 + low, row);
      }
    }
  }

  /** Whether there is a pointer at `offset`: none, or a relocation of another kind, is not. */
  #find(offset: number): boolean {
    const isAligned = offset % 8 === 0 && offset / 8 < this.#aligned.length;
    let row = ((isAligned ? this.#aligned[offset / 8] : this.#others.get(offset)) ?? 0) - 1;
    if (row < 0) return false;
    for (const table of this.#tables) {
      if (row >= table.count) {
        row -= table.count;
        continue;
      }
      this.#table = table;
      this.#row = row;
      return table.type(row) === this.#absolute;
    }
    return false;
  }

  /** The pointer at `offset`; null if there is none, or a relocation of another kind. */
  at(offset: number): Pointer | null {
    const row = this.#find(offset) ? this.#row : -1;
    const table = this.#table;
    if (row < 0 || table === null) return null;
    return { symbol: table.symbol(row), addend: table.addend(row), type: this.#absolute };
  }

  /** The relocation table that holds the pointer at `offset`, and its row; null as {@link at}. Lasts until the next is asked for. */
  rowAt(offset: number): { readonly table: RelocationTable; readonly row: number } | null {
    if (!this.#find(offset) || this.#table === null) return null;
    this.#place.table = this.#table;
    this.#place.row = this.#row;
    return this.#place as { table: RelocationTable; row: number };
  }
  readonly #place: { table: RelocationTable | null; row: number } = { table: null, row: 0 };

  /** Where the pointer at `offset` leads, {@link LEADS}; the place is put into `place`. */
  lead(offset: number, symbols: SymbolTable, place: PlaceCursor): number {
    const table = this.#find(offset) ? this.#table : null;
    if (table === null) return LEADS.missing;
    const symbol = table.symbol(this.#row);
    const section = symbols.sectionOf(symbol);
    if (section === null) return LEADS.nowhere;
    const value = symbols.offset(symbol);
    const addend = table.addendNumber(this.#row);
    place.section = section;
    // Exact, as nearly all are.
    if (value <= LARGE && Math.abs(addend) <= LARGE) {
      place.offset = value + addend;
      return value + addend < 0 ? LEADS.nowhere : LEADS.place;
    }
    const exact = symbols.value(symbol) + table.addend(this.#row);
    if (exact < 0n || exact > BigInt(Number.MAX_SAFE_INTEGER)) return LEADS.nowhere;
    place.offset = Number(exact);
    return LEADS.place;
  }
}
