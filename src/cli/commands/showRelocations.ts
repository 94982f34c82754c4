// The relocations that `klplink show` lists. A large module has half a million: nothing is kept of a row, and each symbol and each
// section is put into words once.

import { findArch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { type RelocationTable, ROW_WORDS } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { type RelocTable, relocName } from "../../reloc/def.ts";
import { Cells, Column, GAP, hexLength, Lines, lineOf, PIECE, putHex, putWords, ROWS_AT_ONCE } from "./showCells.ts";
import type { NamesOfTables, SymbolNames } from "./showNames.ts";

export type RelocationRow = {
  readonly in: string;
  readonly target: string;
  readonly offset: string;
  readonly type: string | number;
  readonly symbol: string;
  readonly addend: string | null;
};

const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;

/** r_offset; rounded beyond 2^53, and shown so. */
const offsetText = (table: RelocationTable, row: number): string => hexNumber(table.offset(row));

/** r_addend, exactly. @returns null where the table has no addends */
function addendText(table: RelocationTable, row: number): string | null {
  if (!table.hasAddends) return null;
  const rounded = table.addendNumber(row);
  const addend = Math.abs(rounded) < 2 ** 53 ? rounded : table.addend(row);
  return addend < 0 ? `-${hexNumber(-addend)}` : hexNumber(addend);
}

/** What a text table has in its rows for one relocation section, in words. */
class Words {
  readonly in: string;
  readonly target: string;
  readonly #relocs: RelocTable | undefined;
  readonly #file: ElfFile;
  readonly symbols: SymbolTable | undefined;
  readonly #types = new Map<number, string | number>();
  readonly #labels = new Map<number, string>();

  constructor(file: ElfFile, table: RelocationTable) {
    this.in = printable(file.sections.name(table.section));
    this.target = printable(file.sections.name(table.target));
    this.#relocs = findArch(file.header.machine)?.relocs;
    this.#file = file;
    this.symbols = file.symbolTables.get(file.sections.link(table.section));
  }

  type(type: number): string | number {
    let name = this.#types.get(type);
    if (name === undefined) {
      name = this.#relocs === undefined ? type : relocName(this.#relocs, type);
      this.#types.set(type, name);
    }
    return name;
  }

  symbol(symbol: number): string {
    if (this.symbols === undefined || symbol === 0) return "";
    let label = this.#labels.get(symbol);
    if (label === undefined) {
      label = symbolLabel(this.#file, this.symbols, symbol);
      this.#labels.set(symbol, label);
    }
    return label;
  }
}

/** A symbol's name; of a section's symbol without one, the section's. */
function symbolLabel({ sections }: ElfFile, symbols: SymbolTable, symbol: number): string {
  const name = symbols.name(symbol);
  if (name !== "") return printable(name);
  const section = symbols.sectionOf(symbol);
  return section === null ? "" : printable(sections.name(section));
}

/** The rows, made when their turn comes; again for each time that they are gone through. */
export const relocationRows = (file: ElfFile): Iterable<RelocationRow> => ({
  *[Symbol.iterator]() {
    for (const table of file.relocations) {
      const words = new Words(file, table);
      for (let row = 0; row < table.count; row++) {
        yield {
          in: words.in,
          target: words.target,
          offset: offsetText(table, row),
          type: words.type(table.type(row)),
          symbol: words.symbol(table.symbol(row)),
          addend: addendText(table, row),
        };
      }
    }
  },
});

type Columns = Readonly<Record<keyof RelocationRow, Column>>;

/** In the order of the table. */
const makeColumns = (): Columns => ({
  in: new Column("in"),
  target: new Column("target"),
  offset: new Column("offset"),
  type: new Column("type"),
  symbol: new Column("symbol"),
  addend: new Column("addend"),
});

/**
 * The text table without its title, in pieces of whole lines: text, or its bytes in UTF-8, which are free of hidden characters and good until
 * the next piece is asked for.
 */
export function* relocationText(file: ElfFile, names: NamesOfTables): Generator<string | Uint8Array, void, undefined> {
  const columns = makeColumns();
  const labels = new Map<SymbolTable, Labels>();
  const tables = file.relocations
    .filter((table) => table.count > 0)
    .map((table) => {
      const words = new Words(file, table);
      const { symbols } = words;
      if (symbols === undefined) return new TableText(table, words, null, columns);
      const own = labels.get(symbols) ?? new Labels(words, names.of(symbols));
      labels.set(symbols, own);
      return new TableText(table, words, own, columns);
    });
  for (const table of tables) table.measure();
  const all = Object.values(columns);
  yield lineOf(all.map((column) => column.cell(column.name)).join(""));
  const lines = new Lines(all);
  for (const table of tables) yield* table.pieces(lines);
  yield lines.taken();
}

/** What relocations show of a symbol table's symbols. */
class Labels {
  readonly cells: Cells;
  /** The cell of each symbol. */
  readonly of: Int32Array;

  constructor(words: Words, names: SymbolNames) {
    this.cells = names.cells;
    this.of = names.of.slice();
    const { of } = this;
    for (let i = of.indexOf(0); i >= 0; i = of.indexOf(0, i + 1)) of[i] = this.cells.add(words.symbol(i));
    // No symbol.
    this.of[0] = 0;
  }
}

/** Where there is no symbol table. */
const NO_LABELS = { cells: new Cells(), of: new Int32Array(1) };

/** Types below this are looked up by number. */
const TYPES = 1 << 11;

/** The high half of what a negative number of two halves is less than 0; the low half is -low. */
const negatedHigh = (high: number, low: number): number => (low === 0 ? -high | 0 : ~high);

/** The text of one relocation section. */
class TableText {
  readonly #table: RelocationTable;
  readonly #words: Words;
  readonly #labels: Pick<Labels, "cells" | "of">;
  readonly #columns: Columns;
  /** Which symbols occur. */
  readonly #symbols: Uint8Array;
  /** By type: 1 where it occurs; later the cell of a line that has blanks for its numbers and its symbol. */
  readonly #kinds = new Int32Array(TYPES);
  /** The same of the types that are not below TYPES. */
  readonly #largeKinds = new Map<number, number>();
  readonly #cells = new Cells();
  /** All bits, in halves, of offsets, of addends from 0 on, and of what others are less than 0. */
  readonly #bits = new Int32Array(6);
  #hasMinus = false;

  constructor(table: RelocationTable, words: Words, labels: Labels | null, columns: Columns) {
    this.#table = table;
    this.#words = words;
    this.#labels = labels ?? NO_LABELS;
    this.#columns = columns;
    this.#symbols = new Uint8Array(this.#labels.of.length);
  }

  /** The rows as words, some at a time. */
  *#parts(): Generator<Part, void, undefined> {
    for (const { first, count, words } of this.#table.words()) {
      const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
      for (let from = 0; from < count; from += ROWS_AT_ONCE)
        yield { words: signed, from, end: Math.min(from + ROWS_AT_ONCE, count), first };
    }
  }

  measure(): void {
    const { in: own, target, offset, type, symbol, addend } = this.#columns;
    own.see(this.#words.in);
    target.see(this.#words.target);
    const { hasAddends, rowSize } = this.#table;
    for (const { words, from, end } of this.#parts()) {
      this.#look(words, from, end, rowSize / 4);
      if (hasAddends) this.#lookAtAddends(words, from, end);
    }
    const [low = 0, high = 0, plusLow = 0, plusHigh = 0, minusLow = 0, minusHigh = 0] = this.#bits;
    if (high >>> 21 === 0) offset.seeLength(hexLength(high, low));
    // Beyond 2^53 they are rounded.
    else for (let row = 0; row < this.#table.count; row++) offset.see(offsetText(this.#table, row));
    for (const number of this.#types()) type.see(this.#typeText(number));
    const { cells, of } = this.#labels;
    const isSeen = this.#symbols;
    symbol.seeCells(
      cells,
      of.filter((_, i) => isSeen[i] === 1),
    );
    if (hasAddends) addend.seeLength(hexLength(plusHigh, plusLow));
    if (this.#hasMinus) addend.seeLength(1 + hexLength(minusHigh, minusLow));
  }

  #look(words: Int32Array, from: number, end: number, stride: number): void {
    const symbols = this.#symbols;
    const kinds = this.#kinds;
    const bits = this.#bits;
    for (let row = from, k = from * stride; row < end; row++, k += stride) {
      const type = words[k + ROW_WORDS.type] ?? 0;
      if (type >= 0 && type < TYPES) kinds[type] = 1;
      else this.#largeKinds.set(type >>> 0, 1);
      symbols[words[k + ROW_WORDS.symbol] ?? 0] = 1;
      bits[0] = (bits[0] ?? 0) | (words[k + ROW_WORDS.offsetLow] ?? 0);
      bits[1] = (bits[1] ?? 0) | (words[k + ROW_WORDS.offsetHigh] ?? 0);
    }
  }

  #lookAtAddends(words: Int32Array, from: number, end: number): void {
    const bits = this.#bits;
    for (let row = from, k = from * ADDEND_ROW; row < end; row++, k += ADDEND_ROW) {
      const low = words[k + ROW_WORDS.addendLow] ?? 0;
      const high = words[k + ROW_WORDS.addendHigh] ?? 0;
      if (high >= 0) {
        bits[2] = (bits[2] ?? 0) | low;
        bits[3] = (bits[3] ?? 0) | high;
      } else {
        this.#hasMinus = true;
        bits[4] = (bits[4] ?? 0) | -low;
        bits[5] = (bits[5] ?? 0) | negatedHigh(high, low);
      }
    }
  }

  /** The types that occur. */
  *#types(): Generator<number, void, undefined> {
    for (let type = 0; type < TYPES; type++) if (this.#kinds[type] !== 0) yield type;
    yield* this.#largeKinds.keys();
  }

  #typeText(type: number): string {
    return String(this.#words.type(type));
  }

  *pieces(lines: Lines): Generator<Uint8Array, void, undefined> {
    const { in: own, target, offset, type, symbol, addend } = this.#columns;
    const head = `  ${own.cell(this.#words.in)}${target.cell(this.#words.target)}`;
    const blanks = " ".repeat(symbol.width + GAP + addend.width);
    const offsetEnd = Buffer.byteLength(head) + offset.width;
    // Names of types are of ASCII.
    const labelAt = offsetEnd + GAP + type.cell("").length;
    for (const number of this.#types()) {
      const cell = this.#cells.add(head + offset.cell("") + type.cell(this.#typeText(number)) + blanks);
      if (number < TYPES) this.#kinds[number] = cell;
      else this.#largeKinds.set(number, cell);
    }
    const places = { offsetEnd, labelAt, end: labelAt + blanks.length };
    for (const part of this.#parts()) {
      for (let row = part.from; row < part.end; ) {
        row = this.#put(lines, part, row, places);
        if (lines.at >= PIECE) yield lines.taken();
      }
    }
  }

  /** Lines of rows from one on, as long as they are no piece. @returns the row behind the last */
  #put(lines: Lines, { words, first, end }: Part, from: number, places: Places): number {
    const { bytes, view } = lines;
    const { of, cells } = this.#labels;
    const kinds = this.#kinds;
    const lineCells = this.#cells;
    const stride = this.#table.rowSize / 4;
    const isPlain = this.#table.hasAddends && !this.#columns.symbol.isNumber;
    let row = from;
    for (let k = from * stride; row < end && lines.at < PIECE; row++, k += stride) {
      const type = words[k + ROW_WORDS.type] ?? 0;
      const kind = type >= 0 && type < TYPES ? (kinds[type] ?? 0) : (this.#largeKinds.get(type >>> 0) ?? 0);
      const cell = of[words[k + ROW_WORDS.symbol] ?? 0] ?? 0;
      const size = cells.sizes[cell] ?? 0;
      const addend = isPlain ? (words[k + ROW_WORDS.addendLow] ?? 0) : LEAST;
      const isSmall = addend !== LEAST && words[k + ROW_WORDS.addendHigh] === addend >> 31;
      if (isSmall && words[k + ROW_WORDS.offsetHigh] === 0 && size === cells.lengths[cell]) {
        const { at } = lines;
        const last = at + places.end;
        putWords(view, at, lineCells.view, lineCells.starts[kind] ?? 0, places.end);
        putHex(bytes, at + places.offsetEnd, words[k + ROW_WORDS.offsetLow] ?? 0);
        putWords(view, at + places.labelAt, cells.view, cells.starts[cell] ?? 0, size);
        const sign = putHex(bytes, last, addend < 0 ? -addend : addend) - 1;
        if (addend < 0) bytes[sign] = MINUS;
        bytes[last] = NEWLINE;
        lines.at = last + 1;
      } else this.#other(lines, first + row);
    }
    return row;
  }

  /** The line of a row, of any form. */
  #other(lines: Lines, row: number): void {
    const { in: own, target, offset, type, symbol, addend } = this.#columns;
    const table = this.#table;
    const { of, cells } = this.#labels;
    lines.add(
      lineOf(
        [
          own.cell(this.#words.in),
          target.cell(this.#words.target),
          offset.cell(offsetText(table, row)),
          type.cell(this.#typeText(table.type(row))),
          symbol.cell(cells.text(of[table.symbol(row)] ?? 0)),
          addend.cell(addendText(table, row) ?? ""),
        ].join(""),
      ),
    );
  }
}

/** Where a line has its numbers and its symbol, in bytes. */
interface Places {
  readonly offsetEnd: number;
  readonly labelAt: number;
  /** Of the addend, and of the line. */
  readonly end: number;
}

/** Rows as words. */
interface Part {
  readonly words: Int32Array;
  /** Which of these rows. */
  readonly from: number;
  readonly end: number;
  /** The number of the first row of the words. */
  readonly first: number;
}

/** Words a row with addends. */
const ADDEND_ROW = 6;

/** The number that is no smaller one's opposite. */
const LEAST = -(2 ** 31);

const MINUS = "-".charCodeAt(0);
const NEWLINE = "\n".charCodeAt(0);
