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
  readonly count: number;
  readonly tables: readonly RelocationTable[];
  /** For each row in order, where it stands; null: the rows of the only table are in order as they stand. */
  readonly places: { readonly rows: Uint32Array; readonly tableOf: Uint8Array } | null;
}

/** A row, by its table and its place in it. */
type Visit<T> = (table: RelocationTable, row: number) => T;

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
    const found: Relocation[] = [];
    this.#visit(section, from, to, (table, row) => {
      const type = table.type(row);
      if (this.#ignored.has(type)) return false;
      const addend = table.addendNumber(row);
      found.push({
        offset: table.offset(row),
        type,
        symbol: table.symbol(row),
        addend: Number.isSafeInteger(addend) ? addend : Number.NaN,
      });
      return false;
    });
    return found;
  }

  /** Whether the symbol of any relocation of `section` at offsets in [from, to) passes. */
  someSymbol(section: number, [from, to]: readonly [number, number], passes: (symbol: number) => boolean): boolean {
    return this.#visit(section, from, to, (table, row) => passes(table.symbol(row)));
  }

  /** Whether a section has relocation tables. */
  has(section: number): boolean {
    return this.#tables.has(section);
  }

  /** Shows the rows of [from, to) in order, up to the first for which `visit` says true. @returns whether there was one */
  #visit(section: number, from: number, to: number, visit: Visit<boolean>): boolean {
    const sorted = this.#of(section);
    if (sorted === null) return false;
    const { count, places, tables } = sorted;
    const tableOf = (i: number): RelocationTable =>
      tables[places === null ? 0 : (places.tableOf[i] ?? 0)] as RelocationTable;
    const rowOf = (i: number): number => (places === null ? i : (places.rows[i] ?? 0));
    for (let i = firstIndex(count, (n) => tableOf(n).offset(rowOf(n)) >= from); i < count; i++) {
      const [table, row] = [tableOf(i), rowOf(i)];
      if (!(table.offset(row) < to)) return false;
      if (visit(table, row)) return true;
    }
    return false;
  }

  #of(section: number): Sorted | null {
    const known = this.#sorted.get(section);
    if (known !== undefined) return known;
    const tables = this.#tables.get(section);
    if (tables === undefined) return null;
    const sorted = sortedRows(tables);
    this.#sorted.set(section, sorted);
    return sorted;
  }
}

function sortedRows(tables: readonly RelocationTable[]): Sorted {
  const [first] = tables;
  // What compilers and linkers write is one table, in order.
  if (first !== undefined && tables.length === 1 && isInOrder(first))
    return { count: first.count, tables, places: null };
  const places: { offset: number; row: number; table: number }[] = [];
  for (const [t, table] of tables.entries()) {
    for (let row = 0; row < table.count; row++) places.push({ offset: table.offset(row), row, table: t });
  }
  places.sort((a, b) => a.offset - b.offset || a.table - b.table || a.row - b.row);
  const rows = Uint32Array.from(places, (p) => p.row);
  return { count: rows.length, tables, places: { rows, tableOf: Uint8Array.from(places, (p) => p.table) } };
}

function isInOrder(table: RelocationTable): boolean {
  for (let row = 1; row < table.count; row++) if (table.offset(row) < table.offset(row - 1)) return false;
  return true;
}
