// The relocations that `klplink show` lists. A large module has half a million: nothing is kept of a row, and each symbol and each
// section is put into words once.

import { findArch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { type RelocTable, relocName } from "../../reloc/def.ts";

export type RelocationRow = {
  readonly in: string;
  readonly target: string;
  readonly offset: string;
  readonly type: string | number;
  readonly symbol: string;
  readonly addend: string | null;
};

const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;

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
  readonly #symbols: SymbolTable | undefined;
  readonly #types = new Map<number, string | number>();
  readonly #labels = new Map<number, string>();

  constructor(file: ElfFile, table: RelocationTable) {
    this.in = printable(file.sections.name(table.section));
    this.target = printable(file.sections.name(table.target));
    this.#relocs = findArch(file.header.machine)?.relocs;
    this.#file = file;
    this.#symbols = file.symbolTables.get(file.sections.link(table.section));
  }

  /** One more than the highest index of a symbol; 1 without a symbol table. */
  get symbolCount(): number {
    return this.#symbols?.count ?? 1;
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
    if (this.#symbols === undefined || symbol === 0) return "";
    let label = this.#labels.get(symbol);
    if (label === undefined) {
      label = symbolLabel(this.#file, this.#symbols, symbol);
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
          offset: hexNumber(table.offset(row)),
          type: words.type(table.type(row)),
          symbol: words.symbol(table.symbol(row)),
          addend: addendText(table, row),
        };
      }
    }
  },
});

/** What a column looks like: as wide as its longest entry, numbers to the right, left out if it has no entry at all. */
class Column {
  width: number;
  isNumber = true;
  isThere = false;

  constructor(name: string) {
    this.width = name.length;
  }

  see(entry: string): void {
    if (entry !== "") this.isThere = true;
    if (entry.length > this.width) this.width = entry.length;
    if (this.isNumber && !/^(?:-?0x[0-9a-f]+|\d*)$/.test(entry)) this.isNumber = false;
  }

  pad(entry: string): string {
    return this.isNumber ? entry.padStart(this.width) : entry.padEnd(this.width);
  }
}

const NAMES = ["in", "target", "offset", "type", "symbol", "addend"] as const;

/** So many characters, or bytes, are given out at once. */
const PIECE = 1 << 16;

type Columns = Readonly<Record<(typeof NAMES)[number], Column>>;

/**
 * The text table without its title, in pieces of whole lines: text, or its bytes in UTF-8, which are free of hidden characters and good until
 * the next piece is asked for.
 */
export function* relocationText(file: ElfFile): Generator<string | Uint8Array, void, undefined> {
  const tables = file.relocations
    .filter((table) => table.count > 0)
    .map((table) => ({ table, words: new Words(file, table) }));
  const columns = Object.fromEntries(NAMES.map((name) => [name, new Column(name)])) as Record<
    (typeof NAMES)[number],
    Column
  >;
  for (const { table, words } of tables) measure(table, words, columns);
  const shown = NAMES.filter((name) => columns[name].isThere);
  yield `  ${shown.map((name) => columns[name].pad(name)).join("  ")}`.trimEnd().concat("\n");
  const lines = new Lines();
  for (const { table, words } of tables)
    yield* table.hasAddends ? lines.of(table, words, columns) : linesWithoutAddends(table, words, columns);
}

/** Entries that occur again and again are looked at once; of numbers, those that are longest. */
function measure(table: RelocationTable, words: Words, columns: Columns): void {
  columns.in.see(words.in);
  columns.target.see(words.target);
  const types = new Set<number>();
  const symbols = new Uint8Array(words.symbolCount);
  let [lastType, farthest, least, most] = [-1, 0, 0, 0];
  for (let row = 0; row < table.count; row++) {
    const type = table.type(row);
    if (type !== lastType) types.add(type);
    lastType = type;
    symbols[table.symbol(row)] = 1;
    farthest = Math.max(farthest, table.offset(row));
    const addend = table.addendNumber(row);
    if (Math.abs(addend) >= 2 ** 53) columns.addend.see(addendText(table, row) ?? "");
    else if (addend < least) least = addend;
    else if (addend > most) most = addend;
  }
  columns.offset.see(hexNumber(farthest));
  for (const type of types) columns.type.see(String(words.type(type)));
  for (let symbol = 0; symbol < symbols.length; symbol++)
    if (symbols[symbol] === 1) columns.symbol.see(words.symbol(symbol));
  if (!table.hasAddends) return;
  columns.addend.see(hexNumber(most));
  if (least < 0) columns.addend.see(`-${hexNumber(-least)}`);
}

/** An entry and the gap behind it; nothing where the column is left out. */
const cell = (columns: Columns, name: (typeof NAMES)[number], entry: string): string =>
  columns[name].isThere ? `${columns[name].pad(entry)}  ` : "";

function* linesWithoutAddends(
  table: RelocationTable,
  words: Words,
  columns: Columns,
): Generator<string, void, undefined> {
  const places = cell(columns, "in", words.in) + cell(columns, "target", words.target);
  let text = "";
  for (let row = 0; row < table.count; row++) {
    const kind = cell(columns, "type", String(words.type(table.type(row))));
    const label = cell(columns, "symbol", words.symbol(table.symbol(row)));
    const offset = hexNumber(table.offset(row)).padStart(columns.offset.width);
    text += `${`  ${places}${offset}  ${kind}${label}`.trimEnd()}\n`;
    if (text.length < PIECE) continue;
    yield text;
    text = "";
  }
  yield text;
}

const [SPACE, NEWLINE, MINUS, ZERO, X] = [" ", "\n", "-", "0", "x"].map((c) => c.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];
const DIGITS = Uint8Array.from("0123456789abcdef", (c) => c.charCodeAt(0));

/** What lines consist of beside their two numbers, as bytes: each made once. */
class Cells {
  readonly head: Uint8Array;
  /** How wide the numbers' columns are. */
  readonly offsets: number;
  readonly addends: number;
  readonly #words: Words;
  readonly #columns: Columns;
  readonly #kinds = new Map<number, Uint8Array>();
  readonly #labels: (Uint8Array | undefined)[];

  constructor(words: Words, columns: Columns) {
    this.#words = words;
    this.#columns = columns;
    this.head = Buffer.from(`  ${cell(columns, "in", words.in)}${cell(columns, "target", words.target)}`);
    this.offsets = columns.offset.width;
    this.addends = columns.addend.width;
    this.#labels = new Array<Uint8Array | undefined>(words.symbolCount);
  }

  kind(type: number): Uint8Array {
    let kind = this.#kinds.get(type);
    if (kind === undefined) {
      kind = Buffer.from(cell(this.#columns, "type", String(this.#words.type(type))));
      this.#kinds.set(type, kind);
    }
    return kind;
  }

  label(symbol: number): Uint8Array {
    let label = this.#labels[symbol];
    if (label === undefined) {
      label = Buffer.from(cell(this.#columns, "symbol", this.#words.symbol(symbol)));
      this.#labels[symbol] = label;
    }
    return label;
  }
}

/** Puts lines together as bytes: a string for each would cost more than all else of it. */
class Lines {
  /** As large as one piece and one line; larger where a line is. */
  #out = Buffer.allocUnsafeSlow(PIECE * 2);
  #at = 0;
  /** Where to begin, and to end, in `#out` for the number that is written. */
  #end = 0;

  *of(table: RelocationTable, words: Words, columns: Columns): Generator<Uint8Array, void, undefined> {
    const cells = new Cells(words, columns);
    for (let row = 0; row < table.count; ) {
      row = this.#piece(table, row, cells);
      yield this.#out.subarray(0, this.#at);
      this.#at = 0;
    }
  }

  /** Lines of rows from `first` on, until they are enough. A function of its own: V8 makes better code of its loop than of a generator's. */
  #piece(table: RelocationTable, first: number, cells: Cells): number {
    const { head, offsets, addends } = cells;
    let row = first;
    for (; row < table.count && this.#at < PIECE; row++) {
      const kind = cells.kind(table.type(row));
      const label = cells.label(table.symbol(row));
      this.#reserve(head.length + kind.length + label.length + offsets + addends + 3);
      this.#copy(head);
      this.#offset(table, row, offsets);
      this.#copy(kind);
      this.#copy(label);
      this.#addend(table, row, addends);
    }
    return row;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#out.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#at + length + PIECE);
    larger.set(this.#out.subarray(0, this.#at));
    this.#out = larger;
  }

  #copy(bytes: Uint8Array): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i] ?? 0;
    this.#at = at;
  }

  /** r_offset and the gap behind it. */
  #offset(table: RelocationTable, row: number, width: number): void {
    const offset = table.offset(row);
    this.#begin(width);
    // Beyond, it is rounded, and shown so.
    if (offset < 2 ** 53) this.#hex(Math.floor(offset / 2 ** 32), offset >>> 0);
    else this.#text(hexNumber(offset));
    this.#out[this.#at++] = SPACE;
    this.#out[this.#at++] = SPACE;
  }

  /** r_addend and the line's end. */
  #addend(table: RelocationTable, row: number, width: number): void {
    let [low, high] = [table.addendLow(row), table.addendHigh(row)];
    const isNegative = high < 0;
    if (isNegative) {
      high = low === 0 ? -high : ~high;
      low = -low >>> 0;
    }
    this.#begin(width);
    this.#hex(high >>> 0, low);
    if (isNegative) this.#out[this.#end--] = MINUS;
    this.#out[this.#at++] = NEWLINE;
  }

  /** A field of that width: spaces, until a number is written to its right end. */
  #begin(width: number): void {
    const end = this.#at + width;
    for (let at = this.#at; at < end; at++) this.#out[at] = SPACE;
    this.#at = end;
    this.#end = this.#at - 1;
  }

  /** The number of two halves, to the right end of the field that was begun. */
  #hex(high: number, low: number): void {
    const out = this.#out;
    let at = this.#end;
    let rest = low;
    let digits = high === 0 ? 1 : 8;
    for (; rest !== 0 || digits > 0; rest >>>= 4, digits--) out[at--] = DIGITS[rest & 15] ?? 0;
    for (rest = high; rest !== 0; rest >>>= 4) out[at--] = DIGITS[rest & 15] ?? 0;
    out[at--] = X;
    out[at--] = ZERO;
    this.#end = at;
  }

  #text(number: string): void {
    this.#out.write(number, this.#end - number.length + 1, "latin1");
  }
}
