// Names of symbols as bytes, each looked at once.

import { printable } from "../../base/bytes.ts";
import { SYMBOL_WORDS, type SymbolTable } from "../../elf/views/symbols.ts";
import { Cells, ROWS_AT_ONCE } from "./showCells.ts";

/** The names of a symbol table's symbols. */
export class SymbolNames {
  readonly cells: Cells;
  /** The cell of each symbol's name: 0, the empty one, where it has none. */
  readonly of: Int32Array;
  readonly #symbols: SymbolTable;
  readonly #words: Int32Array;

  constructor(symbols: SymbolTable) {
    this.cells = new Cells(symbols.count + symbols.count / 8, symbols.names.size);
    this.of = new Int32Array(symbols.count);
    this.#symbols = symbols;
    this.#words = symbols.words();
    for (let i = 0; i < symbols.count; i += ROWS_AT_ONCE) this.#read(i, Math.min(i + ROWS_AT_ONCE, symbols.count));
  }

  #read(first: number, end: number): void {
    const { of, cells } = this;
    const { bytes } = this.#symbols.names;
    const words = this.#words;
    for (let i = first, k = first * SYMBOL_WORDS.count; i < end; i++, k += SYMBOL_WORDS.count) {
      const cell = cells.addName(bytes, (words[k + SYMBOL_WORDS.name] ?? 0) >>> 0);
      of[i] = cell >= 0 ? cell : cells.add(printable(this.#symbols.name(i)));
    }
  }
}

/** The names of symbol tables, made when they are asked for. */
export class NamesOfTables {
  readonly #known = new Map<SymbolTable, SymbolNames>();

  of(symbols: SymbolTable): SymbolNames {
    const names = this.#known.get(symbols) ?? new SymbolNames(symbols);
    this.#known.set(symbols, names);
    return names;
  }
}
