import { longer, type NamePool } from "./namePool.ts";

/** Handles of sections and symbols: see {@link ElfEdits}. */
type SectionHandle = number;
type SymbolHandle = number;

/** Where a symbol is defined: in a section, or a reserved index (SHN_UNDEF, SHN_LIVEPATCH, SHN_ABS, …). */
export type SymbolHome =
  | { readonly kind: "section"; readonly section: SectionHandle }
  | { readonly kind: "reserved"; readonly index: number };

export interface SymbolFields {
  /** Latin-1, a byte a character. */
  readonly name: string;
  /** st_info: binding << 4 | type. */
  readonly info: number;
  readonly other: number;
  readonly home: SymbolHome;
  readonly value: bigint;
  /** Bytes. */
  readonly size: number;
}

/** Which fields of a symbol are given. */
export const GIVEN = { name: 1, info: 2, other: 4, home: 8, value: 16, size: 32 } as const;
const ALL = 63;

/** New fields of a file's symbols, and added symbols, in columns by handle: a livepatch has tens of thousands. */
export class SymbolEdits {
  readonly #pool: NamePool;
  /** Symbols of the file: the handle of the first one that is added. */
  readonly #original: number;
  #added = 0;
  #edited = 0;
  #given = new Uint8Array(0);
  #names = new Uint32Array(0);
  #infos = new Uint8Array(0);
  #others = new Uint8Array(0);
  /** A section's handle, or -1 less a reserved index. */
  #homes = new Int32Array(0);
  /** Halves, low and high. */
  #values = new Uint32Array(0);
  #sizes = new Float64Array(0);

  constructor(pool: NamePool, original: number) {
    this.#pool = pool;
    this.#original = original;
  }

  /** Number of added symbols. */
  get added(): number {
    return this.#added;
  }
  /** Number of the file's symbols that have new fields. */
  get edited(): number {
    return this.#edited;
  }

  set(symbol: SymbolHandle, fields: Partial<SymbolFields>): void {
    if (symbol >= this.#given.length) this.#grow(symbol);
    const before = this.#given[symbol] as number;
    if (before === 0 && symbol < this.#original) this.#edited++;
    this.#given[symbol] = before | this.#put(symbol, fields);
  }

  add(fields: SymbolFields): SymbolHandle {
    const symbol = this.#original + this.#added++;
    if (symbol >= this.#given.length) this.#grow(symbol);
    this.#put(symbol, fields);
    this.#given[symbol] = ALL;
    return symbol;
  }

  /** Adds a symbol that has a reserved index, and 0 for all else. @param name number in the pool */
  addReserved(name: number, info: number, index: number): SymbolHandle {
    const symbol = this.#original + this.#added++;
    if (symbol >= this.#given.length) this.#grow(symbol);
    this.#names[symbol] = name;
    this.#infos[symbol] = info;
    this.#homes[symbol] = -1 - index;
    this.#given[symbol] = ALL;
    return symbol;
  }

  /** Gives one of the file's symbols a reserved index in place of a section, and the value 0. */
  setReserved(symbol: SymbolHandle, index: number): void {
    if (symbol >= this.#given.length) this.#grow(symbol);
    const before = this.#given[symbol] as number;
    if (before === 0) this.#edited++;
    this.#homes[symbol] = -1 - index;
    this.#values[symbol * 2] = 0;
    this.#values[symbol * 2 + 1] = 0;
    this.#given[symbol] = before | GIVEN.home | GIVEN.value;
  }

  /** Gives one of the file's symbols a name, and 0 as st_other. @param name number in the pool */
  setName(symbol: SymbolHandle, name: number): void {
    if (symbol >= this.#given.length) this.#grow(symbol);
    const before = this.#given[symbol] as number;
    if (before === 0) this.#edited++;
    this.#names[symbol] = name;
    this.#others[symbol] = 0;
    this.#given[symbol] = before | GIVEN.name | GIVEN.other;
  }

  /** Returns which fields are given. */
  #put(symbol: SymbolHandle, { name, info, other, home, value, size }: Partial<SymbolFields>): number {
    let given = 0;
    if (name !== undefined) {
      this.#names[symbol] = this.#pool.add(name);
      given |= GIVEN.name;
    }
    if (info !== undefined) {
      this.#infos[symbol] = info;
      given |= GIVEN.info;
    }
    if (other !== undefined) {
      this.#others[symbol] = other;
      given |= GIVEN.other;
    }
    if (home !== undefined) {
      this.#homes[symbol] = home.kind === "section" ? home.section : -1 - home.index;
      given |= GIVEN.home;
    }
    if (value !== undefined) {
      this.#values[symbol * 2] = Number(BigInt.asUintN(32, value));
      this.#values[symbol * 2 + 1] = Number(BigInt.asUintN(32, value >> 32n));
      given |= GIVEN.value;
    }
    if (size !== undefined) {
      this.#sizes[symbol] = size;
      given |= GIVEN.size;
    }
    return given;
  }

  #grow(symbol: SymbolHandle): void {
    if (this.#given.length === 0) {
      const room = Math.max(16, this.#original, symbol + 1);
      this.#given = new Uint8Array(room);
      this.#names = new Uint32Array(room);
      this.#infos = new Uint8Array(room);
      this.#others = new Uint8Array(room);
      this.#homes = new Int32Array(room);
      this.#values = new Uint32Array(room * 2);
      this.#sizes = new Float64Array(room);
      return;
    }
    this.#given = longer(this.#given);
    this.#names = longer(this.#names);
    this.#infos = longer(this.#infos);
    this.#others = longer(this.#others);
    this.#homes = longer(this.#homes);
    this.#values = longer(this.#values);
    this.#sizes = longer(this.#sizes);
  }

  /** Which fields of a symbol are given, {@link GIVEN}: all of an added one. */
  given(symbol: SymbolHandle): number {
    return this.#given[symbol] ?? 0;
  }
  /** Number of its name in the pool. */
  name(symbol: SymbolHandle): number {
    return this.#names[symbol] ?? 0;
  }
  info(symbol: SymbolHandle): number {
    return this.#infos[symbol] ?? 0;
  }
  other(symbol: SymbolHandle): number {
    return this.#others[symbol] ?? 0;
  }
  /** The section that it is in; null: a reserved index. */
  section(symbol: SymbolHandle): SectionHandle | null {
    const home = this.#homes[symbol] ?? 0;
    return home < 0 ? null : home;
  }
  /** The reserved index that it has in place of a section. */
  reserved(symbol: SymbolHandle): number {
    return -1 - (this.#homes[symbol] ?? -1);
  }
  /** The low half of its value. */
  valueLow(symbol: SymbolHandle): number {
    return this.#values[symbol * 2] ?? 0;
  }
  valueHigh(symbol: SymbolHandle): number {
    return this.#values[symbol * 2 + 1] ?? 0;
  }
  /** Bytes. */
  size(symbol: SymbolHandle): number {
    return this.#sizes[symbol] ?? 0;
  }
}
