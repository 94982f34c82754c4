// .debug_info of a linked object, a unit at a time: all of a kernel's, relocated, would not fit into memory beside another kernel's.

import { firstIndex } from "../../base/search.ts";
import { CompressionError, sectionContent } from "../containers/compressed.ts";
import type { RelocationTable } from "../views/relas.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { Budget, Cursor, type DebugSection, DwarfError } from "./cursor.ts";
import { DebugSections, type DebugSource, groupByTarget, relocateRows } from "./sections.ts";
import { type DwarfUnit, UnitReader } from "./units.ts";

/** What debug information is made of beside .debug_info, for types and lines. */
const BESIDE = ["abbrev", "line", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"];
/** Bytes of a unit that its first entry, which names it, stands in. */
const HEAD = 4096;

/** Where a unit stands. Offsets are bytes in .debug_info. */
export interface UnitPlace {
  readonly start: number;
  readonly end: number;
  /** Rows of the relocation table of .debug_info. */
  readonly rows: readonly [number, number];
}

export class UnitSlices {
  readonly file: DebugSource;
  /** All but .debug_info. */
  readonly sections: DebugSections;
  readonly units: readonly UnitPlace[];
  readonly table: RelocationTable;
  readonly symbols: SymbolTable;
  readonly #info: Uint8Array;
  readonly #index: number;
  readonly #budget: Budget;
  #bySection: ReadonlyMap<number, readonly number[]> | null = null;

  private constructor(
    file: DebugSource,
    sections: DebugSections,
    info: { readonly index: number; readonly bytes: Uint8Array },
    { table, symbols }: { readonly table: RelocationTable; readonly symbols: SymbolTable },
  ) {
    this.file = file;
    this.sections = sections;
    this.#info = info.bytes;
    this.#index = info.index;
    this.table = table;
    this.symbols = symbols;
    this.#budget = new Budget(sections.totalSize + info.bytes.length);
    this.units = this.#places();
  }

  /**
   * Null for a file without debug information, or with one of another form than compilers and `ld -r` write: one .debug_info, and its
   * relocations in one table, in order.
   * @throws DwarfError, CompressionError
   */
  static async read(file: DebugSource): Promise<UnitSlices | null> {
    const found = [...Array(file.sections.count).keys()].filter((i) => /^\.z?debug_info$/.test(file.sections.name(i)));
    const [index, more] = found;
    if (index === undefined || more !== undefined) return null;
    const [table, other] = groupByTarget(file.relocations).get(index) ?? [];
    if (table === undefined || other !== undefined || !isInOrder(table)) return null;
    const symbols = file.symbolTables.get(file.sections.link(table.section));
    if (symbols === undefined) return null;
    const bytes = await sectionContent(file, index);
    return new UnitSlices(file, await DebugSections.read(file, BESIDE), { index, bytes }, { table, symbols });
  }

  #places(): UnitPlace[] {
    const found: UnitPlace[] = [];
    const section = { name: ".debug_info", bytes: this.#info };
    let row = 0;
    for (let at = 0; at < this.#info.length; ) {
      const cursor = new Cursor(section, this.file.littleEndian, at);
      const { length } = cursor.unitLength();
      const end = cursor.at + length;
      if (!(end <= this.#info.length)) throw cursor.error("a unit that is longer than the section");
      const first = row;
      const count = this.table.count - first;
      row = first + firstIndex(count, (i) => this.table.offset(first + i) >= end);
      found.push({ start: at, end, rows: [first, row] });
      at = end;
    }
    return found;
  }

  /** The bytes of a unit as the file has them, before relocation. */
  rawOf({ start, end }: UnitPlace): Uint8Array {
    return this.#info.subarray(start, end);
  }

  /** A unit, relocated, as a section of its own that begins with it. @param known bytes from its start that are needed */
  slice({ start, end, rows }: UnitPlace, known = end - start): DebugSection {
    const bytes = new Uint8Array(end - start);
    bytes.set(this.#info.subarray(start, Math.min(end, start + known)));
    const part = { table: this.table, first: rows[0], end: rows[1], start };
    const count = rows[1] - rows[0];
    const last = rows[0] + firstIndex(count, (i) => this.table.offset(rows[0] + i) >= start + known);
    const { addresses } = this.sections;
    relocateRows(this.file, bytes, { ...part, end: last }, (section) => BigInt(addresses.baseOf(section)));
    return { name: ".debug_info", bytes, index: this.#index };
  }

  /** A reader of its own for each unit: it keeps abbreviations, and all of a kernel's are too many. What they read is counted together. */
  newReader(): UnitReader {
    return new UnitReader(this.sections, this.file.littleEndian, this.#budget);
  }

  /** A unit as far as its first entry tells of it; null for one without code. @throws DwarfError */
  headOf(place: UnitPlace): DwarfUnit | null {
    return this.newReader().unitAt(this.slice(place, HEAD), 0).unit;
  }

  /** A unit with all of its entries. @throws DwarfError */
  unitOf(place: UnitPlace): DwarfUnit | null {
    return this.newReader().unitAt(this.slice(place), 0).unit;
  }

  /** The units that say something of a section that is loaded: of where its code is, or its data. */
  about(section: number): readonly UnitPlace[] {
    this.#bySection ??= this.#mentions();
    return (this.#bySection.get(section) ?? []).map((i) => this.units[i] as UnitPlace);
  }

  #mentions(): Map<number, number[]> {
    const found = new Map<number, number[]>();
    const add = (table: RelocationTable, row: number, unit: number): void => {
      const symbols = this.file.symbolTables.get(this.file.sections.link(table.section));
      const section = symbols?.sectionOf(table.symbol(row)) ?? null;
      if (section === null || this.sections.addresses.baseOf(section) === 0) return;
      const list = found.get(section);
      if (list === undefined) found.set(section, [unit]);
      else if (list[list.length - 1] !== unit) list.push(unit);
    };
    for (const [i, { rows }] of this.units.entries())
      for (let row = rows[0]; row < rows[1]; row++) add(this.table, row, i);
    this.#addAddresses(add);
    return found;
  }

  /** Units of DWARF 5 may have their addresses in .debug_addr, each behind the base that it states. */
  #addAddresses(add: (table: RelocationTable, row: number, unit: number) => void): void {
    const index = this.sections.find("addr")?.index;
    const tables = index === undefined ? [] : (groupByTarget(this.file.relocations).get(index) ?? []);
    if (tables.length === 0) return;
    const bases = this.units
      .map((place, unit) => ({ base: this.headOf(place)?.addrBase ?? 0, unit }))
      .sort((a, b) => a.base - b.base || a.unit - b.unit);
    for (const table of tables) {
      for (let row = 0; row < table.count; row++) {
        const at = table.offset(row);
        const behind = firstIndex(bases.length, (i) => (bases[i]?.base ?? 0) > at);
        const own = bases[behind - 1];
        if (own !== undefined) add(table, row, own.unit);
      }
    }
  }
}

const known = new WeakMap<DebugSource, Promise<UnitSlices | null>>();

/** As {@link UnitSlices.read}, once for each file; null also for debug information that cannot be read. */
export function readUnitSlices(file: DebugSource): Promise<UnitSlices | null> {
  const slices = known.get(file) ?? readOnce(file);
  known.set(file, slices);
  return slices;
}

async function readOnce(file: DebugSource): Promise<UnitSlices | null> {
  try {
    return await UnitSlices.read(file);
  } catch (error) {
    if (error instanceof DwarfError || error instanceof CompressionError) return null;
    throw error;
  }
}

function isInOrder(table: RelocationTable): boolean {
  for (let row = 1; row < table.count; row++) if (table.offset(row) < table.offset(row - 1)) return false;
  return true;
}
