// The symbols that a module defines, by name: of the thousands that a module has, few are asked for. So neither a string nor an object is made of
// one before, and nothing of the file stays in memory but what is said of them here.

import { latin1 } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHN_LORESERVE, SHN_UNDEF, STB_LOCAL, STB_WEAK, STT_FILE } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { isFreedInit } from "../machines.ts";

/** A symbol of a module. */
export interface ModuleSymbol {
  /** Index in the module's symbol table: the order in which the kernel counts. */
  readonly index: number;
  /** Bytes that the symbol states; 0: none. */
  readonly size: number;
  /** Offset in bytes in `section`; the value itself of an absolute symbol. */
  readonly offset: number;
  /** Name of the section; null for absolute and other reserved indices. */
  readonly section: string | null;
  /** Whether it is still there once the module has run its init function. */
  readonly isCore: boolean;
  readonly isText: boolean;
  readonly isGlobal: boolean;
  /** For locals: which STT_FILE symbol it stands behind, from 0; null: none, or not a local. */
  readonly file: number | null;
}

/** A section as symbols see it. */
interface Home {
  readonly name: string;
  readonly isCore: boolean;
  readonly isText: boolean;
}

/** Chosen anew by each process: no file can know which of its names will meet in one place. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000) | 0;
const FACTOR = Math.floor(Math.random() * 0x1_0000_0000) | 0x1000_0001;

/**
 * The next sum over a name. Of products and sums alone, texts could be made that have the same with any odd factor (Thue-Morse words): the high bits
 * are mixed into the low ones at each byte.
 */
function step(sum: number, byte: number): number {
  const product = Math.imul(sum ^ byte, FACTOR);
  return product ^ (product >>> 15);
}

/** The name that was summed up last: several modules are asked for one after the other. */
let lastName = "";
let lastSum = SEED;

function sumOf(name: string): number {
  if (name !== lastName) {
    let sum = SEED;
    for (let i = 0; i < name.length; i++) sum = step(sum, name.charCodeAt(i));
    lastName = name;
    lastSum = sum;
  }
  return lastSum;
}

const GLOBAL = 1;
/** The section's index is one of 16 bits. */
const NEAR = 2;

export class ModuleSymbols {
  /** Names of the STT_FILE symbols, in their order. */
  readonly sourceFiles: readonly string[];
  /** Names that it refers to weakly and does not define: zero where nothing that is loaded exports them. */
  readonly weak: ReadonlySet<string>;
  readonly #homes: readonly Home[];
  /** The string table. */
  readonly #names: Uint8Array;
  /**
   * One number a symbol of {@link defined}, in the table's order: its index, where its name begins, its section (0: none), its value
   * and size.
   */
  readonly #index: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #sections: Uint32Array;
  readonly #offsets: Float64Array;
  readonly #sizes: Float64Array;
  readonly #flags: Uint8Array;
  /** Source files that stand before it. */
  readonly #files: Uint32Array;
  /** By a sum over the name: the first such symbol, and by symbol the next one; as rows from 1, 0 for none. */
  readonly #first: Uint32Array;
  readonly #next: Uint32Array;
  /** What {@link find} was asked for. */
  readonly #found = new Map<string, readonly ModuleSymbol[]>();
  #all: ReadonlyMap<string, readonly ModuleSymbol[]> | null = null;

  constructor({ sections, symbols, header }: ElfFile) {
    const weak = new Set<string>();
    const rows = symbols === null ? [] : defined(symbols, weak);
    this.weak = weak;
    this.#homes = Array.from({ length: sections.count }, (_, i) => ({
      name: sections.name(i),
      // is_core_symbol, kernel/module/kallsyms.c: a loaded section that is not freed after init.
      isCore: sections.hasFlags(i, SHF_ALLOC) && !isFreedInit(sections.name(i), header.machine),
      isText: sections.hasFlags(i, SHF_EXECINSTR),
    }));
    this.#names = symbols === null ? new Uint8Array(0) : symbols.names.bytes.slice();
    this.#index = new Uint32Array(rows.length);
    this.#starts = new Uint32Array(rows.length);
    this.#sections = new Uint32Array(rows.length);
    this.#offsets = new Float64Array(rows.length);
    this.#sizes = new Float64Array(rows.length);
    this.#flags = new Uint8Array(rows.length);
    this.#files = new Uint32Array(rows.length);
    this.#next = new Uint32Array(rows.length + 1);
    this.#first = new Uint32Array(sizeFor(rows.length));
    this.sourceFiles = symbols === null ? [] : this.#fill(symbols, rows);
  }

  /** @param rows what {@link defined} gave @returns the names of the source files */
  #fill(symbols: SymbolTable, rows: readonly number[]): string[] {
    const sourceFiles: string[] = [];
    for (let row = 0; row < rows.length; row++) {
      const i = rows[row] ?? 0;
      const start = symbols.nameOffset(i);
      if (symbols.type(i) === STT_FILE) sourceFiles.push(symbols.name(i));
      this.#index[row] = i;
      this.#starts[row] = start;
      this.#sections[row] = symbols.sectionOf(i) ?? 0;
      this.#offsets[row] = symbols.offset(i);
      this.#sizes[row] = symbols.size(i);
      this.#flags[row] =
        (symbols.bind(i) === STB_LOCAL ? 0 : GLOBAL) | (symbols.rawShndx(i) < SHN_LORESERVE ? NEAR : 0);
      this.#files[row] = sourceFiles.length;
    }
    const mask = this.#first.length - 1;
    const names = this.#names;
    // From the last on, so that those of one name are met in their order.
    for (let row = rows.length; row > 0; row--) {
      const start = this.#starts[row - 1] ?? 0;
      // A source file may have no name.
      if ((names[start] ?? 0) === 0) continue;
      let sum = SEED;
      for (let at = start; at < names.length && names[at] !== 0; at++) sum = step(sum, names[at] ?? 0);
      this.#next[row] = this.#first[sum & mask] ?? 0;
      this.#first[sum & mask] = row;
    }
    return sourceFiles;
  }

  /** All symbols called `name`, in the table's order; the same objects each time. */
  find(name: string): readonly ModuleSymbol[] {
    const known = this.#all?.get(name) ?? this.#found.get(name);
    if (known !== undefined) return known;
    const found: ModuleSymbol[] = [];
    for (let row = this.#from(this.#head(name), name); row !== 0; row = this.#from(this.#next[row] ?? 0, name))
      found.push(this.#symbol(row - 1));
    if (found.length > 0) this.#found.set(name, found);
    return found;
  }

  /** Whether there is a symbol called `name`. */
  has(name: string): boolean {
    return this.#from(this.#head(name), name) !== 0;
  }

  /** The first row with the sum of a name. */
  #head(name: string): number {
    return this.#first[sumOf(name) & (this.#first.length - 1)] ?? 0;
  }

  /** The first row of that name from a row on, among those with its sum; 0: there is none. */
  #from(first: number, name: string): number {
    let row = first;
    while (row !== 0 && !this.#isCalled(row - 1, name)) row = this.#next[row] ?? 0;
    return row;
  }

  /** All of them, by name; names in the order in which the table has them first. */
  get all(): ReadonlyMap<string, readonly ModuleSymbol[]> {
    if (this.#all === null) {
      const all = new Map<string, readonly ModuleSymbol[]>();
      for (let row = 0; row < this.#index.length; row++) {
        const start = this.#starts[row] ?? 0;
        const end = this.#names.indexOf(0, start);
        const name = latin1(this.#names, start, end < 0 ? this.#names.length : end);
        if (name === "" || all.has(name)) continue;
        all.set(name, this.find(name));
      }
      this.#all = all;
    }
    return this.#all;
  }

  #isCalled(row: number, name: string): boolean {
    const start = this.#starts[row] ?? 0;
    const names = this.#names;
    for (let i = 0; i < name.length; i++) if (names[start + i] !== name.charCodeAt(i)) return false;
    return (names[start + name.length] ?? 0) === 0;
  }

  #symbol(row: number): ModuleSymbol {
    const section = this.#sections[row] ?? 0;
    const home = section === 0 ? null : (this.#homes[section] ?? null);
    const flags = this.#flags[row] ?? 0;
    const files = this.#files[row] ?? 0;
    return {
      index: this.#index[row] ?? 0,
      size: this.#sizes[row] ?? 0,
      offset: this.#offsets[row] ?? 0,
      section: home === null ? null : home.name,
      isCore: home?.isCore === true && (flags & NEAR) !== 0,
      isText: home?.isText === true,
      isGlobal: (flags & GLOBAL) !== 0,
      file: (flags & GLOBAL) === 0 && files > 0 ? files - 1 : null,
    };
  }
}

/** The symbols that are defined and have a name, or are source files. @param weak gets the names of those that are weak and not defined */
function defined(symbols: SymbolTable, weak: Set<string>): number[] {
  const found: number[] = [];
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.rawShndx(i) === SHN_UNDEF) {
      if (symbols.bind(i) === STB_WEAK) weak.add(symbols.name(i));
    } else if (!symbols.nameIs(i, "") || symbols.type(i) === STT_FILE) found.push(i);
  }
  return found;
}

/** A power of two with room for so many. */
function sizeFor(count: number): number {
  let size = 16;
  while (size < count * 2) size *= 2;
  return size;
}
