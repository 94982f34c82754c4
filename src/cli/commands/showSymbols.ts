// The symbols that `klplink show` lists: rows for JSON, and lines of text, for which nothing is made of a row.

import { findArch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import { chained } from "../../base/lists.ts";
import { visible } from "../../base/visible.ts";
import {
  bindNames,
  SHN_ABS,
  SHN_COMMON,
  SHN_LIVEPATCH,
  SHN_UNDEF,
  SHN_XINDEX,
  STT_SECTION,
  symbolTypeNames,
  visibilityNames,
} from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { localEntryCode, localEntryOffset, SYMBOL_WORDS, type SymbolTable } from "../../elf/views/symbols.ts";
import { KLP_SYMBOL_PREFIX, parseKlpSymbol } from "../../klp/symbols/names.ts";
import {
  Cells,
  Column,
  GAP,
  hexLength,
  Lines,
  lineOf,
  PIECE,
  putDecimal,
  putHex,
  putWords,
  ROWS_AT_ONCE,
} from "./showCells.ts";
import type { NamesOfTables, SymbolNames } from "./showNames.ts";

export type ShownSymbol = {
  readonly index: number;
  readonly value: string;
  readonly size: number;
  readonly type: string | number;
  readonly bind: string | number;
  readonly visibility: string | null;
  readonly localEntry: string | null;
  readonly section: string;
  readonly name: string;
  readonly klpObject: string | null;
  readonly klpPosition: number | null;
};

const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;

const isPpc64 = (file: ElfFile): boolean => findArch(file.header.machine)?.hasToc ?? false;

/** The rows, made when their turn comes; again for each time that they are gone through. */
export const symbolRows = (file: ElfFile): Iterable<ShownSymbol> => ({
  *[Symbol.iterator]() {
    for (const symbols of file.symbolTables.values())
      for (let i = 0; i < symbols.count; i++) yield symbolRow(file, symbols, i);
  },
});

function symbolRow(file: ElfFile, symbols: SymbolTable, i: number): ShownSymbol {
  const klp = symbols.nameStartsWith(i, KLP_SYMBOL_PREFIX) ? parseKlpSymbol(symbols.name(i)) : null;
  return {
    index: i,
    value: hexNumber(symbols.value(i)),
    size: symbols.size(i),
    type: symbolTypeNames.get(symbols.type(i)) ?? symbols.type(i),
    bind: bindNames.get(symbols.bind(i)) ?? symbols.bind(i),
    visibility: visibilityNames.get(symbols.visibility(i)) ?? null,
    localEntry: isPpc64(file) ? localEntryText(symbols.other(i)) : null,
    section: homeName(file, symbols, i),
    name: nameText(file, symbols, i),
    klpObject: klp?.object ?? null,
    klpPosition: klp?.position ?? null,
  };
}

function localEntryText(other: number): string | null {
  const code = localEntryCode(other);
  if (code === 0) return null;
  return code === 1 ? "0 (r2 not preserved)" : `+${localEntryOffset(other)}`;
}

/** The name; of a section's symbol without one, the section's. */
function nameText(file: ElfFile, symbols: SymbolTable, i: number): string {
  const name = symbols.name(i);
  return printable(symbols.type(i) === STT_SECTION && name === "" ? sectionNameOf(file, symbols, i) : name);
}

/** The name of the section that a symbol lies in; none where it lies in none. */
export function sectionNameOf(file: ElfFile, symbols: SymbolTable, i: number): string {
  const section = symbols.sectionOf(i);
  return section === null ? "" : file.sections.name(section);
}

const sectionText = (file: ElfFile, section: number): string =>
  `${section} ${printable(file.sections.name(section))}`.trim();

function homeName(file: ElfFile, symbols: SymbolTable, i: number): string {
  const section = symbols.sectionOf(i);
  if (section !== null) return sectionText(file, section);
  switch (symbols.rawShndx(i)) {
    case SHN_UNDEF:
      return "UND";
    case SHN_ABS:
      return "ABS";
    case SHN_COMMON:
      return "COM";
    case SHN_LIVEPATCH:
      return "KLP";
    default:
      return hexNumber(symbols.rawShndx(i));
  }
}

export const symbolCount = (file: ElfFile): number =>
  [...file.symbolTables.values()].reduce((sum, { count }) => sum + count, 0);

/**
 * The text table without its title, in pieces of whole lines: text, or its bytes in UTF-8, which are free of hidden characters and good until
 * the next piece is asked for.
 */
export function* symbolText(file: ElfFile, names: NamesOfTables): Generator<string | Uint8Array, void, undefined> {
  const columns = makeColumns();
  const tables = [...file.symbolTables.values()]
    .filter(({ count }) => count > 0)
    .map((symbols) => new TableText(file, symbols, names.of(symbols), columns));
  for (const table of tables) table.measure();
  const all = Object.values(columns);
  yield lineOf(all.map((column) => column.cell(column.name)).join(""));
  const lines = new Lines(all);
  for (const table of tables) yield* table.pieces(lines);
  yield lines.taken();
}

type Columns = Readonly<Record<keyof ShownSymbol, Column>>;

/** In the order of the table. */
const makeColumns = (): Columns => ({
  index: new Column("index"),
  value: new Column("value"),
  size: new Column("size"),
  type: new Column("type"),
  bind: new Column("bind"),
  visibility: new Column("visibility"),
  localEntry: new Column("localEntry"),
  section: new Column("section"),
  name: new Column("name"),
  klpObject: new Column("klpObject"),
  klpPosition: new Column("klpPosition"),
});

/** Columns between the size and the name. They say what the word of SYMBOL_WORDS.mixed does, which few symbols have of their own. */
const MIDDLE = ["type", "bind", "visibility", "localEntry", "section"] as const;

const textOf = (row: ShownSymbol, name: keyof ShownSymbol): string => visible(String(row[name] ?? ""));

/** The text of one symbol table. */
class TableText {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #words: Int32Array;
  readonly #names: SymbolNames;
  readonly #columns: Columns;
  /** A symbol that has it, and later what stands in front of its name, for each word of SYMBOL_WORDS.mixed. */
  readonly #middles = new Map<number, number>();
  readonly #cells = new Cells();
  /** All bits of values in halves, and the largest of the sizes that have a word's half. */
  readonly #seen = new Int32Array(3);

  constructor(file: ElfFile, symbols: SymbolTable, names: SymbolNames, columns: Columns) {
    this.#file = file;
    this.#symbols = symbols;
    this.#words = symbols.words();
    this.#names = names;
    this.#columns = columns;
  }

  measure(): void {
    const { count } = this.#symbols;
    const columns = this.#columns;
    for (let i = 0; i < count; i += ROWS_AT_ONCE) this.#look(i, Math.min(i + ROWS_AT_ONCE, count));
    const [low = 0, high = 0, size = 0] = this.#seen;
    columns.index.see(String(count - 1));
    columns.value.seeLength(hexLength(high, low));
    columns.size.see(String(size));
    for (const i of this.#middles.values()) this.#see(i, MIDDLE);
    const { cells, of } = this.#names;
    columns.name.seeCells(cells, of);
    for (let i = of.indexOf(0); i >= 0; i = of.indexOf(0, i + 1)) this.#see(i, ["name"]);
    const named = this.#symbols.startingWith(KLP_SYMBOL_PREFIX);
    for (const i of chained([0], named)) this.#see(i, ["klpObject", "klpPosition"]);
  }

  #look(first: number, end: number): void {
    const words = this.#words;
    const seen = this.#seen;
    let last = -1;
    for (let i = first, k = first * SYMBOL_WORDS.count; i < end; i++, k += SYMBOL_WORDS.count) {
      const mixed = words[k + SYMBOL_WORDS.mixed] ?? 0;
      if (mixed >>> 16 === SHN_XINDEX) this.#see(i, MIDDLE);
      else if (mixed !== last && !this.#middles.has(mixed)) this.#middles.set(mixed, i);
      last = mixed;
      seen[0] = (seen[0] ?? 0) | (words[k + SYMBOL_WORDS.valueLow] ?? 0);
      seen[1] = (seen[1] ?? 0) | (words[k + SYMBOL_WORDS.valueHigh] ?? 0);
      const size = words[k + SYMBOL_WORDS.sizeLow] ?? 0;
      if (size < 0 || words[k + SYMBOL_WORDS.sizeHigh] !== 0) this.#see(i, ["size"]);
      else if (size > (seen[2] ?? 0)) seen[2] = size;
    }
  }

  #see(i: number, names: readonly (keyof ShownSymbol)[]): void {
    const row = symbolRow(this.#file, this.#symbols, i);
    for (const name of names) this.#columns[name].see(textOf(row, name));
  }

  *pieces(lines: Lines): Generator<Uint8Array, void, undefined> {
    for (const [mixed, i] of this.#middles) this.#middles.set(mixed, this.#cells.add(this.#front(i)));
    const { count } = this.#symbols;
    for (let i = 0; i < count; ) {
      i = this.#put(lines, i, Math.min(i + ROWS_AT_ONCE, count));
      if (lines.at >= PIECE) yield lines.taken();
    }
  }

  /** What stands in front of a symbol's name, with blanks for its numbers. */
  #front(i: number): string {
    const row = symbolRow(this.#file, this.#symbols, i);
    const { index, value, size } = this.#columns;
    const numbers = [index, value, size].map((column) => column.cell("")).join("");
    return `  ${numbers}${this.#text(row, MIDDLE)}`;
  }

  /** Lines of symbols from one on, as long as they are no piece. @returns the symbol behind the last */
  #put(lines: Lines, first: number, end: number): number {
    const { bytes, view } = lines;
    const words = this.#words;
    const { of, cells } = this.#names;
    const fronts = this.#cells;
    const { index, value, size, name, klpObject } = this.#columns;
    const indexEnd = GAP + index.width;
    const valueEnd = indexEnd + GAP + value.width;
    const sizeEnd = valueEnd + GAP + size.width;
    const isPlain = !name.isNumber && !klpObject.isThere;
    let [last, front] = [-1, -1];
    let i = first;
    for (let k = i * SYMBOL_WORDS.count; i < end && lines.at < PIECE; i++, k += SYMBOL_WORDS.count) {
      const mixed = words[k + SYMBOL_WORDS.mixed] ?? 0;
      if (mixed !== last || front < 0) front = this.#middles.get(mixed) ?? -1;
      last = mixed;
      const cell = of[i] ?? 0;
      const length = words[k + SYMBOL_WORDS.sizeLow] ?? 0;
      const high = (words[k + SYMBOL_WORDS.sizeHigh] ?? 0) | (words[k + SYMBOL_WORDS.valueHigh] ?? 0);
      const nameSize = cells.sizes[cell] ?? 0;
      let isDone = false;
      if (isPlain && front >= 0 && cell !== 0 && high === 0 && length >= 0 && nameSize === cells.lengths[cell]) {
        const { at } = lines;
        const frontSize = fronts.sizes[front] ?? 0;
        putWords(view, at, fronts.view, fronts.starts[front] ?? 0, frontSize);
        putDecimal(bytes, at + indexEnd, i);
        putHex(bytes, at + valueEnd, words[k + SYMBOL_WORDS.valueLow] ?? 0);
        putDecimal(bytes, at + sizeEnd, length);
        putWords(view, at + frontSize, cells.view, cells.starts[cell] ?? 0, nameSize);
        const next = at + frontSize + nameSize;
        isDone = bytes[next - 1] !== SPACE;
        bytes[next] = NEWLINE;
        if (isDone) lines.at = next + 1;
      }
      if (!isDone) this.#other(lines, i);
    }
    return i;
  }

  /** The line of a symbol, of any form. */
  #other(lines: Lines, i: number): void {
    const row = symbolRow(this.#file, this.#symbols, i);
    lines.add(lineOf(this.#text(row, Object.keys(this.#columns) as (keyof ShownSymbol)[])));
  }

  /** The cells of some columns. */
  #text(row: ShownSymbol, names: readonly (keyof ShownSymbol)[]): string {
    return names.map((name) => this.#columns[name].cell(textOf(row, name))).join("");
  }
}

const SPACE = " ".charCodeAt(0);
const NEWLINE = "\n".charCodeAt(0);
