// .debug_info of a linked object, a unit at a time: all of a kernel's, relocated, would not fit into memory beside another kernel's.

import { firstIndex } from "../../base/search.ts";
import { CompressionError, isPacked, sectionContent } from "../containers/compressed.ts";
import type { RelocationTable } from "../views/relas.ts";
import { HeldBytes, type SectionBytes } from "../views/sectionBytes.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { Budget, Cursor, type DebugSection, DwarfError } from "./cursor.ts";
import { DebugSections, type DebugSource, groupByTarget, relocateRows } from "./sections.ts";
import { type DwarfUnit, UnitReader } from "./units.ts";

/** What debug information is made of beside .debug_info, for types and lines. */
const BESIDE = ["abbrev", "line", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"];
/** Bytes of a unit that its first entry, which names it, stands in. */
const HEAD = 4096;
/** The most bytes that a unit's length is in. */
const LENGTH = 12;
/** Rows of the relocation table that are gone through at once. */
const ROWS_AT_ONCE = 1 << 15;

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
  readonly symbols: SymbolTable;
  readonly #table: RelocationTable;
  readonly #info: SectionBytes;
  readonly #index: number;
  readonly #budget: Budget;
  #bySection: ReadonlyMap<number, readonly number[]> | null = null;
  #zeros = new Uint8Array();

  private constructor(
    file: DebugSource,
    sections: DebugSections,
    info: { readonly index: number; readonly bytes: SectionBytes },
    {
      table,
      symbols,
      units,
    }: {
      readonly table: RelocationTable;
      readonly symbols: SymbolTable;
      readonly units: readonly UnitPlace[];
    },
  ) {
    this.file = file;
    this.sections = sections;
    this.#info = info.bytes;
    this.#index = info.index;
    this.#table = table;
    this.symbols = symbols;
    this.#budget = new Budget(sections.totalSize + info.bytes.length);
    this.units = units;
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
    if (table === undefined || other !== undefined) return null;
    const symbols = file.symbolTables.get(file.sections.link(table.section));
    if (symbols === undefined) return null;
    const bytes = isPacked(file, index)
      ? new HeldBytes(await sectionContent(file, index))
      : file.sections.bytesOf(index);
    const units = placesOf(file, bytes, table);
    if (units === null) return null;
    return new UnitSlices(file, await DebugSections.read(file, BESIDE), { index, bytes }, { table, symbols, units });
  }

  /** The bytes of a unit as the file has them, before relocation. @param into as {@link SectionBytes.part} has it */
  rawOf({ start, end }: UnitPlace, into?: Uint8Array): Uint8Array {
    return this.#info.part(start, end, into);
  }

  /** The relocations of a unit. @param into as {@link SectionBytes.part} has it */
  rowsOf({ rows }: UnitPlace, into?: Uint8Array): RelocationTable {
    return this.#table.part(rows[0], rows[1], into);
  }

  /** Bytes of a row of {@link rowsOf}. */
  get rowSize(): number {
    return this.#table.rowSize;
  }

  /** A unit, relocated, as a section of its own that begins with it. @param known bytes from its start that are needed; fewer than all: it lasts until the next is asked for */
  slice(place: UnitPlace, known = place.end - place.start): DebugSection {
    const { start, end } = place;
    const bytes = this.#room(end - start, known);
    bytes.set(this.#info.part(start, Math.min(end, start + known)));
    const table = this.#rowsBelow(place, start + known);
    const last = firstIndex(table.count, (i) => table.offset(i) >= start + known);
    const { addresses } = this.sections;
    const rows = { table, first: 0, end: last, start };
    relocateRows(this.file, bytes, rows, (section) => BigInt(addresses.baseOf(section)));
    return { name: ".debug_info", bytes, index: this.#index };
  }

  /** Zeros. Of a unit that is not read whole they are the same ones for all, so that thousands of them need not be made. */
  #room(size: number, known: number): Uint8Array {
    if (known >= size) return new Uint8Array(size);
    if (this.#zeros.length < size) this.#zeros = new Uint8Array(size);
    // A field that begins before `known` may end behind it.
    return this.#zeros.fill(0, 0, Math.min(known + 8, this.#zeros.length)).subarray(0, size);
  }

  /** The first rows of a unit, all that are for places before `below` of the section among them. */
  #rowsBelow({ start, end, rows: [first, last] }: UnitPlace, below: number): RelocationTable {
    // A field takes four bytes, so there are seldom more.
    const some = below < end ? Math.min(last, first + ((below - start) >> 2) + 1) : last;
    const table = this.#table.part(first, some);
    const isAll = some === last || table.offset(table.count - 1) >= below;
    return isAll ? table : this.#table.part(first, last);
  }

  /** A reader of its own for each unit: it keeps abbreviations, and all of a kernel's are too many. What they read is counted together. */
  newReader(): UnitReader {
    return new UnitReader(this.sections, this.file.littleEndian, this.#budget);
  }

  /** A unit as far as its first entry tells of it, until the next is asked for; null for one without code. @throws DwarfError */
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
    for (const [i, place] of this.units.entries()) {
      const table = this.rowsOf(place);
      for (let row = 0; row < table.count; row++) add(table, row, i);
    }
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

/** Where the units of .debug_info stand; null if its relocations are not in order. @throws DwarfError */
function placesOf({ littleEndian }: DebugSource, info: SectionBytes, table: RelocationTable): UnitPlace[] | null {
  const ends: number[] = [];
  for (let at = 0; at < info.length; ) {
    const bytes = info.part(at, Math.min(at + LENGTH, info.length));
    const cursor = new Cursor({ name: ".debug_info", bytes }, littleEndian, 0);
    const { length } = cursor.unitLength();
    const end = at + cursor.at + length;
    if (!(end <= info.length)) throw cursor.error("a unit that is longer than the section");
    ends.push(end);
    at = end;
  }
  const rows = rowsBefore(table, ends);
  return rows === null
    ? null
    : ends.map((end, i) => ({ start: ends[i - 1] ?? 0, end, rows: [rows[i - 1] ?? 0, rows[i] ?? 0] }));
}

/** How many rows of a table are for places before each of some, which are in order; null if the rows are not. */
function rowsBefore(table: RelocationTable, ends: readonly number[]): number[] | null {
  const found: number[] = [];
  let before = 0;
  for (const [part, first] of table.parts(ROWS_AT_ONCE)) {
    for (let row = 0; row < part.count; row++) {
      const offset = part.offset(row);
      if (offset < before) return null;
      before = offset;
      while (found.length < ends.length && offset >= (ends[found.length] ?? 0)) found.push(first + row);
    }
  }
  while (found.length < ends.length) found.push(table.count);
  return found;
}
