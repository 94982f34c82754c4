import { longer, type NamePool } from "./namePool.ts";

/** Handles of sections and symbols: see {@link ElfEdits}. */
type SectionHandle = number;
type SymbolHandle = number;

/** Where a symbol is defined: in a section, or a reserved index (SHN_UNDEF, SHN_LIVEPATCH, SHN_ABS, …). */
export type SymbolHome =
  | { readonly kind: "section"; readonly section: SectionHandle }
  | { readonly kind: "reserved"; readonly index: number };

export interface SymbolFields {
  /** Latin-1, a byte a character; or the number of a name in the pool of the edits. */
  readonly name: string | number;
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
  #values = new BigUint64Array(0);
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

  /** Returns which fields are given. */
  #put(symbol: SymbolHandle, { name, info, other, home, value, size }: Partial<SymbolFields>): number {
    let given = 0;
    if (name !== undefined) {
      this.#names[symbol] = typeof name === "number" ? name : this.#pool.add(name);
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
      // A new column is zeros.
      if (value !== 0n || (this.#given[symbol] as number) !== 0) this.#values[symbol] = value;
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
      this.#values = new BigUint64Array(room);
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
  value(symbol: SymbolHandle): bigint {
    return this.#values[symbol] ?? 0n;
  }
  /** Bytes. */
  size(symbol: SymbolHandle): number {
    return this.#sizes[symbol] ?? 0;
  }
}
