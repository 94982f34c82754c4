import { SHN_UNDEF, STT_FILE, STT_FUNC, STT_NOTYPE, STT_SECTION } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { localEntryCode, localEntryOffset, SYMBOL_WORDS, type SymbolTable } from "../elf/views/symbols.ts";

/** A function, or another named piece of code, in a section. Offsets and sizes are bytes. */
export interface CodeSymbol {
  /** Symbol index. */
  readonly symbol: number;
  readonly name: string;
  readonly section: number;
  readonly start: number;
  readonly size: number;
  readonly type: number;
  /** ELFv2 local entry code, 0 to 7; 0 on other architectures. */
  readonly localEntryCode: number;
  /** Offset in the section of the local entry point. */
  readonly localEntry: number;
}

/** A file with its symbols, and what they name. */
export interface SymbolizedFile {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly functions: FunctionIndex;
}

/** Whether kallsyms and the livepatch core ignore a name (kernel/module/kallsyms.c: empty or a mapping symbol: `.L`, `L0`, `$`). */
function isNamelessToKernel({ names }: SymbolTable, start: number): boolean {
  const { bytes } = names;
  const first = bytes[start] ?? 0;
  if (first === DOT || first === CAPITAL_L) return bytes[start + 1] === (first === DOT ? CAPITAL_L : ZERO);
  return first === 0 || first === DOLLAR;
}

const [DOT, CAPITAL_L, ZERO, DOLLAR] = [".", "L", "0", "$"].map((c) => c.charCodeAt(0));

/** A row of a symbol table; its name is made when it is asked for. */
class NamedCode implements CodeSymbol {
  readonly #symbols: SymbolTable;
  readonly symbol: number;
  readonly section: number;
  readonly start: number;
  readonly size: number;
  readonly type: number;
  readonly localEntryCode: number;
  readonly localEntry: number;

  constructor(symbols: SymbolTable, symbol: number, section: number) {
    const other = symbols.other(symbol);
    this.#symbols = symbols;
    this.symbol = symbol;
    this.section = section;
    this.start = symbols.offset(symbol);
    this.size = symbols.size(symbol);
    this.type = symbols.type(symbol);
    this.localEntryCode = localEntryCode(other);
    this.localEntry = this.start + localEntryOffset(other);
  }

  get name(): string {
    return this.#symbols.name(this.symbol);
  }
}

/** Where the named symbols of a section begin. */
export interface CodePlaces {
  /** Their indices. */
  readonly symbols: Uint32Array;
  /** Bytes from the section's beginning, ascending. */
  readonly starts: Float64Array;
}

/** The named symbols of each section, by offset: what the kernel charges an address to. */
export class FunctionIndex {
  readonly #symbols: SymbolTable;
  /** By section: where its symbols begin among `#rows`; behind the last one, their end. */
  readonly #starts: Uint32Array;
  readonly #rows: Uint32Array;
  /** Made of a section when they are first asked for. */
  readonly #places = new Map<number, CodePlaces>();
  readonly #bySection = new Map<number, readonly CodeSymbol[]>();

  constructor(file: ElfFile, symbols: SymbolTable) {
    const sectionCount = file.sections.count;
    /** By symbol: the section that it names a place of; 0: none. */
    const homes = new Uint32Array(symbols.count);
    const starts = new Uint32Array(sectionCount + 1);
    const sizes = new Float64Array(sectionCount);
    for (let i = 0; i < sectionCount; i++) sizes[i] = file.sections.size(i);
    const words = symbols.words();
    for (let i = 1, at: number = SYMBOL_WORDS.count; i < symbols.count; i++, at += SYMBOL_WORDS.count) {
      const mixed = words[at + SYMBOL_WORDS.mixed] ?? 0;
      const type = mixed & 0xf;
      // Most symbols of a module are the kernel's, or name a section.
      if (type === STT_SECTION || type === STT_FILE || mixed >>> 16 === SHN_UNDEF) continue;
      const section = symbols.sectionOf(i);
      if (
        section === null ||
        symbols.offset(i) > (sizes[section] ?? -1) ||
        isNamelessToKernel(symbols, (words[at + SYMBOL_WORDS.name] ?? 0) >>> 0)
      )
        continue;
      homes[i] = section;
      starts[section + 1] = (starts[section + 1] ?? 0) + 1;
    }
    for (let i = 1; i <= sectionCount; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
    const next = starts.slice();
    const rows = new Uint32Array(starts[sectionCount] ?? 0);
    for (let i = 1; i < symbols.count; i++) {
      const home = homes[i] ?? 0;
      if (home === 0) continue;
      const at = next[home] ?? 0;
      rows[at] = i;
      next[home] = at + 1;
    }
    this.#symbols = symbols;
    this.#starts = starts;
    this.#rows = rows;
  }

  /** The named symbols of a section in columns, by offset; of several names at one place, a sized function is the first. */
  places(section: number): CodePlaces {
    let places = this.#places.get(section);
    if (places === undefined) {
      const rows = this.#rows.subarray(this.#starts[section] ?? 0, this.#starts[section + 1] ?? 0);
      places = sortedPlaces(this.#symbols, rows);
      this.#places.set(section, places);
    }
    return places;
  }

  /** All named symbols of a section, in the order of {@link places}. */
  inSection(section: number): readonly CodeSymbol[] {
    let list = this.#bySection.get(section);
    if (list === undefined) {
      const { symbols } = this.places(section);
      list = Array.from(symbols, (symbol) => new NamedCode(this.#symbols, symbol, section));
      this.#bySection.set(section, list);
    }
    return list;
  }

  /** The symbol that the kernel would charge `offset` to: the nearest at or before it. Null if there is none. */
  at(section: number, offset: number): CodeSymbol | null {
    const { starts } = this.places(section);
    const last = starts[firstBehind(starts, offset) - 1];
    // The first of several at the same place.
    return last === undefined ? null : (this.inSection(section)[firstBehind(starts, last - 1)] ?? null);
  }

  /** The next named symbol behind `symbol` in its section, at a higher offset; null if it is the last. */
  after(symbol: CodeSymbol): CodeSymbol | null {
    const { starts } = this.places(symbol.section);
    return this.inSection(symbol.section)[firstBehind(starts, symbol.start)] ?? null;
  }

  /** All symbols at the same place as `symbol`, itself included: its aliases. */
  aliases(symbol: CodeSymbol): readonly CodeSymbol[] {
    const { starts } = this.places(symbol.section);
    return this.inSection(symbol.section).slice(
      firstBehind(starts, symbol.start - 1),
      firstBehind(starts, symbol.start),
    );
  }

  /** The function called `name`; null if there is none or several. */
  named(name: string): CodeSymbol | null {
    let found: CodeSymbol | null = null;
    for (let section = 1; section + 1 < this.#starts.length; section++) {
      const rows = this.#rows.subarray(this.#starts[section], this.#starts[section + 1]);
      for (const symbol of rows) {
        if (this.#symbols.type(symbol) !== STT_FUNC || !this.#symbols.nameIs(symbol, name)) continue;
        if (found !== null) return null;
        found = this.inSection(section).find((s) => s.symbol === symbol) ?? null;
      }
    }
    return found;
  }
}

/** Index of the first symbol that begins at a higher offset than `offset`. */
export function firstBehind(starts: Float64Array, offset: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Of the names at one place: which is the best to report, the lowest first. */
function rank(symbols: SymbolTable, symbol: number): number {
  const type = symbols.type(symbol);
  return type === STT_FUNC ? (symbols.size(symbol) > 0 ? 0 : 1) : type === STT_NOTYPE ? 2 : 3;
}

const RANKS = 4;

/** @param rows symbols of one section, ascending */
function sortedPlaces(symbols: SymbolTable, rows: Uint32Array): CodePlaces {
  const count = rows.length;
  // Start, rank and row in one number: sorted without a comparison of our own, where the number is exact.
  const keys = new Float64Array(count);
  let last = 0;
  let rises = true;
  for (let i = 0; i < count; i++) {
    const symbol = rows[i] ?? 0;
    const key = (symbols.offset(symbol) * RANKS + rank(symbols, symbol)) * count + i;
    keys[i] = key;
    rises &&= key >= last;
    last = key;
  }
  if (!rises) keys.sort();
  const isExact = (keys[count - 1] ?? 0) <= Number.MAX_SAFE_INTEGER;
  const sorted = rows.slice();
  if (isExact) for (let i = 0; i < count; i++) sorted[i] = rows[(keys[i] ?? 0) % count] ?? 0;
  else sorted.sort((a, b) => symbols.offset(a) - symbols.offset(b) || rank(symbols, a) - rank(symbols, b) || a - b);
  const starts = new Float64Array(count);
  for (let i = 0; i < count; i++) starts[i] = symbols.offset(sorted[i] ?? 0);
  return { symbols: sorted, starts };
}
