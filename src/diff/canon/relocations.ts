// Relocations by place, of all sections that the comparison looks at.

import { firstIndex } from "../../base/search.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";

export interface Relocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
  /** Not a number that can be exact: NaN, which is equal to nothing. */
  readonly addend: number;
}

/** The rows of the tables of a section, by offset. */
interface Sorted {
  readonly tables: readonly RelocationTable[];
  /** For each row in order: its offset, and where it stands. */
  readonly offsets: Float64Array;
  readonly rows: Uint32Array;
  readonly tableOf: Uint8Array;
}

export class Relocations {
  readonly #tables = new Map<number, RelocationTable[]>();
  readonly #sorted = new Map<number, Sorted>();
  readonly #ignored: ReadonlySet<number>;

  /** @param ignored types that refer to nothing */
  constructor(file: ElfFile, ignored: ReadonlySet<number>) {
    this.#ignored = ignored;
    for (const table of file.relocations) {
      const list = this.#tables.get(table.target);
      if (list === undefined) this.#tables.set(table.target, [table]);
      else list.push(table);
    }
  }

  /** Relocations of `section` at offsets in [from, to), in order; of equal offsets in the order of the file. */
  range(section: number, from: number, to: number): Relocation[] {
    const sorted = this.#of(section);
    if (sorted === null) return [];
    const { offsets, rows, tableOf, tables } = sorted;
    const first = firstIndex(offsets.length, (i) => (offsets[i] ?? 0) >= from);
    const found: Relocation[] = [];
    for (let i = first; i < offsets.length && (offsets[i] ?? 0) < to; i++) {
      const table = tables[tableOf[i] ?? 0] as RelocationTable;
      const row = rows[i] ?? 0;
      const type = table.type(row);
      if (this.#ignored.has(type)) continue;
      const addend = Number(table.addend(row));
      found.push({
        offset: offsets[i] ?? 0,
        type,
        symbol: table.symbol(row),
        addend: Number.isSafeInteger(addend) ? addend : Number.NaN,
      });
    }
    return found;
  }

  /** Whether the symbol of any relocation of `section` at offsets in [from, to) passes. */
  someSymbol(section: number, [from, to]: readonly [number, number], passes: (symbol: number) => boolean): boolean {
    const sorted = this.#of(section);
    if (sorted === null) return false;
    const { offsets, rows, tableOf, tables } = sorted;
    const first = firstIndex(offsets.length, (i) => (offsets[i] ?? 0) >= from);
    for (let i = first; i < offsets.length && (offsets[i] ?? 0) < to; i++) {
      const table = tables[tableOf[i] ?? 0] as RelocationTable;
      if (passes(table.symbol(rows[i] ?? 0))) return true;
    }
    return false;
  }

  /** Whether a section has relocation tables. */
  has(section: number): boolean {
    return this.#tables.has(section);
  }

  #of(section: number): Sorted | null {
    const known = this.#sorted.get(section);
    if (known !== undefined) return known;
    const tables = this.#tables.get(section);
    if (tables === undefined) return null;
    const places: { offset: number; row: number; table: number }[] = [];
    for (const [t, table] of tables.entries()) {
      for (let row = 0; row < table.count; row++) places.push({ offset: table.offset(row), row, table: t });
    }
    places.sort((a, b) => a.offset - b.offset || a.table - b.table || a.row - b.row);
    const sorted: Sorted = {
      tables,
      offsets: Float64Array.from(places, (p) => p.offset),
      rows: Uint32Array.from(places, (p) => p.row),
      tableOf: Uint8Array.from(places, (p) => p.table),
    };
    this.#sorted.set(section, sorted);
    return sorted;
  }
}
