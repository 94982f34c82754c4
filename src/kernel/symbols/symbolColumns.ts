import { type Addr, addr } from "../../base/brand.ts";
import { latin1 } from "../../base/bytes.ts";
import { firstIndex } from "../../base/search.ts";
import { isLike, type NameShape } from "./nearNames.ts";

/** One symbol of the kernel, or of a module in a kallsyms listing. */
export interface KernelSymbol {
  readonly name: string;
  readonly address: Addr;
  /** The letter of nm and kallsyms: lower case for local symbols of vmlinux. */
  readonly letter: string;
}

/** Chosen anew by each process: no file can know which of its names will meet in one place. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000);
const FACTOR = Math.floor(Math.random() * 0x1_0000_0000) | 0x1000_0001;

/** Names are put in so many places at most, by a few of their bytes. */
const MOST_PLACES = 1 << 16;
/** Rows of one place that are looked through; more get a table of their names. */
const FEW = 64;

/** Where a name goes: by its length, its last four bytes, and three before them. */
function placeOf(length: number, end: number, before: number): number {
  let hash = Math.imul(SEED ^ length ^ end, FACTOR);
  hash = Math.imul(hash ^ (hash >>> 15) ^ before, FACTOR);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** The place of the name from `start` to `end`. */
function placeOfBytes(text: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let last = 0;
  for (let i = length > 4 ? end - 4 : start; i < end; i++) last = (last << 8) | (text[i] as number);
  if (length <= 4) return placeOf(length, last, 0);
  const a = (length * 3) >> 2;
  const b = (length * 5) >> 3;
  const c = (length * 3) >> 3;
  const before = ((text[start + a] as number) << 16) | ((text[start + b] as number) << 8) | (text[start + c] as number);
  return placeOf(length, last, before);
}

/** Names that are asked for as strings are put here. */
let scratch = new Uint8Array(256);

/** Puts a name into {@link scratch}; -1 if it has characters that no list has, else its length. */
function bytesOfName(name: string): number {
  if (name.length > scratch.length) scratch = new Uint8Array(name.length * 2);
  let all = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    all |= c;
    scratch[i] = c;
  }
  return all > 0xff ? -1 : name.length;
}

/** What {@link SymbolColumns.lone} says in place of a row. */
export const [NO_ROW, SEVERAL_ROWS] = [-1, -2] as const;

/** The only one of some rows, {@link NO_ROW}, or {@link SEVERAL_ROWS}. */
export const onlyOf = (rows: readonly number[]): number => (rows.length > 1 ? SEVERAL_ROWS : (rows[0] ?? NO_ROW));

/** A test of a name by its bytes, from `start` to `end` of a text: it is not made into a string. */
export type NameTest = (text: Uint8Array, start: number, end: number) => boolean;

/** Two halves become an address here. */
const JOINED = new DataView(new ArrayBuffer(8));

// Shared: a listing may have very many modules.
const EMPTY_WORDS = new Uint32Array(0);
const NO_ROWS: readonly number[] = [];

/**
 * Notes the place of each name, and counts those of each place in the element behind it. A function of its own, as what follows is: V8 compiles
 * what stands behind a long loop before it has run, and does it again.
 * @param place to be filled, a row each @param places one element more than there are places, a power of two
 */
function countPlaces(
  text: Uint8Array,
  starts: Uint32Array,
  ends: Uint32Array,
  place: Uint16Array,
  places: Uint32Array,
): void {
  const mask = places.length - 2;
  for (let row = 0; row < place.length; row++) {
    const own = placeOfBytes(text, starts[row] as number, ends[row] as number) & mask;
    place[row] = own;
    places[own + 1] = (places[own + 1] as number) + 1;
  }
}

/** @param next where the next row of each place goes: is changed @param rows to be filled */
function putInPlaces(place: Uint16Array, next: Uint32Array, rows: Uint32Array): void {
  for (let row = 0; row < place.length; row++) {
    const own = place[row] as number;
    rows[next[own] as number] = row;
    next[own] = (next[own] as number) + 1;
  }
}

/**
 * The symbols of one object in columns: a kernel has 200,000, of which few are ever looked at. Names stay bytes (Latin-1) where they
 * are until one is given out. When the first one is looked up, the rows are put in places, by a few bytes of their names: of those of one
 * place, all are looked at, or, where they are many, a table is made.
 */
export class SymbolColumns {
  // Small: a listing may have any number of modules.
  #halves = new Uint32Array(16);
  #letters = new Uint8Array(8);
  #starts = new Uint32Array(8);
  #ends = new Uint32Array(8);
  #count = 0;
  /** Holds the names. */
  #text: Uint8Array;
  /** Of a text of its own: how many bytes are used. Null: the text is the list that was read. */
  #used: number | null;
  /** How many rows have been put in order. */
  #ordered = 0;
  /** By place: where its rows begin among `#rows`; behind the last one, their end. */
  #places = EMPTY_WORDS;
  #rows = EMPTY_WORDS;
  /** By place with many rows: rows by name, once one was asked for. */
  #tables = new Map<number, Map<string, number[]>>();

  /**
   * @param text the list that {@link addAt} refers to; without it, the names are kept here
   * @param room so many rows are likely
   */
  constructor(text?: Uint8Array, room = 8) {
    this.#text = text ?? new Uint8Array(0);
    this.#used = text === undefined ? 0 : null;
    if (room > 8) this.#resize(room);
  }

  get size(): number {
    return this.#count;
  }

  /** @param name of Latin-1 characters @param letter character code of the nm letter. @param high, low halves of the address. */
  add(name: string, letter: number, high: number, low: number): void {
    const start = this.#used;
    if (start === null) throw new Error("the names of these columns stand in a list");
    const end = start + name.length;
    if (end > this.#text.length) {
      const text = new Uint8Array(Math.max(256, end * 2));
      text.set(this.#text);
      this.#text = text;
    }
    for (let i = 0; i < name.length; i++) this.#text[start + i] = name.charCodeAt(i);
    this.#used = end;
    this.addAt(start, end, letter, high, low);
  }

  /** As {@link add}, of a name that stands in the list from `start` to `end`. */
  addAt(start: number, end: number, letter: number, high: number, low: number): void {
    const row = this.#count++;
    if (row === this.#letters.length) this.#resize(row * 2);
    this.#halves[row * 2] = low;
    this.#halves[row * 2 + 1] = high;
    this.#letters[row] = letter;
    this.#starts[row] = start;
    this.#ends[row] = end;
  }

  #resize(length: number): void {
    const longer = <T extends Uint32Array | Uint8Array>(list: T, to: T): T => {
      to.set(list);
      return to;
    };
    this.#halves = longer(this.#halves, new Uint32Array(length * 2));
    this.#letters = longer(this.#letters, new Uint8Array(length));
    this.#starts = longer(this.#starts, new Uint32Array(length));
    this.#ends = longer(this.#ends, new Uint32Array(length));
  }

  /** Puts all rows in places for look-ups. */
  #order(): void {
    if (this.#ordered === this.#count) return;
    const [count, text, starts, ends] = [this.#count, this.#text, this.#starts, this.#ends];
    const size = Math.min(MOST_PLACES, 2 ** Math.ceil(Math.log2(count + 1)));
    const place = new Uint16Array(count);
    const places = new Uint32Array(size + 1);
    countPlaces(text, starts, ends, place, places);
    for (let i = 1; i <= size; i++) places[i] = (places[i] as number) + (places[i - 1] as number);
    const rows = new Uint32Array(count);
    putInPlaces(place, places.slice(), rows);
    this.#places = places;
    this.#rows = rows;
    this.#tables = new Map();
    this.#ordered = count;
  }

  #isSame(a: number, b: number): boolean {
    const text = this.#text;
    const one = this.#starts[a] as number;
    const other = this.#starts[b] as number;
    const length = (this.#ends[a] as number) - one;
    if ((this.#ends[b] as number) - other !== length) return false;
    for (let i = length - 1; i >= 0; i--) if (text[one + i] !== text[other + i]) return false;
    return true;
  }

  /** Whether the name of a row is the bytes of [start, end). */
  #isCalled(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const text = this.#text;
    const own = this.#starts[row] as number;
    const length = end - start;
    if ((this.#ends[row] as number) - own !== length) return false;
    for (let i = length - 1; i >= 0; i--) if (text[own + i] !== bytes[start + i]) return false;
    return true;
  }

  /** The rows of a name, in the order in which they were added. */
  #rowsOf(name: string): readonly number[] {
    this.#order();
    const length = bytesOfName(name);
    if (length < 0 || this.#places.length === 0) return NO_ROWS;
    const own = placeOfBytes(scratch, 0, length) & (this.#places.length - 2);
    const start = this.#places[own] as number;
    const end = this.#places[own + 1] as number;
    if (end - start > FEW) return this.#tableOf(own, start, end).get(name) ?? NO_ROWS;
    let found = NO_ROWS as number[];
    for (let i = start; i < end; i++) {
      const row = this.#rows[i] as number;
      if (!this.#isCalled(row, scratch, 0, length)) continue;
      if (found === NO_ROWS) found = [row];
      else found.push(row);
    }
    return found;
  }

  /** The row of the only symbol whose name is the bytes of [from, to): {@link NO_ROW}, or {@link SEVERAL_ROWS}. */
  lone(bytes: Uint8Array, from: number, to: number): number {
    this.#order();
    if (this.#places.length === 0) return NO_ROW;
    const own = placeOfBytes(bytes, from, to) & (this.#places.length - 2);
    const start = this.#places[own] as number;
    const end = this.#places[own + 1] as number;
    if (end - start > FEW) return onlyOf(this.#tableOf(own, start, end).get(latin1(bytes, from, to)) ?? NO_ROWS);
    let found: number = NO_ROW;
    for (let i = start; i < end; i++) {
      const row = this.#rows[i] as number;
      if (!this.#isCalled(row, bytes, from, to)) continue;
      if (found >= 0) return SEVERAL_ROWS;
      found = row;
    }
    return found;
  }

  #tableOf(place: number, start: number, end: number): ReadonlyMap<string, readonly number[]> {
    let table = this.#tables.get(place);
    if (table !== undefined) return table;
    table = new Map();
    for (let i = start; i < end; i++) {
      const row = this.#rows[i] as number;
      const name = this.#name(row);
      const known = table.get(name);
      if (known === undefined) table.set(name, [row]);
      else known.push(row);
    }
    this.#tables.set(place, table);
    return table;
  }

  #name(row: number): string {
    const { buffer, byteOffset, byteLength } = this.#text;
    return Buffer.from(buffer, byteOffset, byteLength).toString("latin1", this.#starts[row], this.#ends[row]);
  }

  has(name: string): boolean {
    return this.#rowsOf(name).length > 0;
  }

  /** Each name once, in the order in which they were added first. */
  *names(): IterableIterator<string> {
    const seen = new Set<string>();
    for (let row = 0; row < this.#count; row++) {
      const name = this.#name(row);
      if (seen.size < seen.add(name).size) yield name;
    }
  }

  /** How many names several symbols have. */
  countRepeated(): number {
    this.#order();
    let count = 0;
    for (let place = 0; place + 1 < this.#places.length; place++) {
      const start = this.#places[place] as number;
      const end = this.#places[place + 1] as number;
      if (end - start > FEW) {
        for (const rows of this.#tableOf(place, start, end).values()) if (rows.length > 1) count++;
      } else count += this.#repeatedIn(this.#rows.subarray(start, end));
    }
    return count;
  }

  /** How many names some rows have several times. */
  #repeatedIn(rows: Uint32Array): number {
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      let others = 0;
      for (let k = 0; k < rows.length; k++) {
        if (k === i || !this.#isSame(row, rows[k] as number)) continue;
        // Counted where it stands first.
        others = k < i ? 0 : 1;
        break;
      }
      count += others;
    }
    return count;
  }

  /** Whether a name that has `part` in it passes a test. Rows stand in the order of their names in the text. */
  hasNameHolding(part: string, test: NameTest): boolean {
    const { buffer, byteOffset, byteLength } = this.#text;
    const text = Buffer.from(buffer, byteOffset, byteLength);
    const starts = this.#starts;
    for (let from = 0; ; ) {
      const at = text.indexOf(part, from, "latin1");
      if (at < 0) return false;
      const row = firstIndex(this.#count, (i) => (starts[i] as number) > at) - 1;
      const end = this.#ends[row] ?? 0;
      from = at + 1;
      // Among what stands between names, or in two of them.
      if (row < 0 || end < at + part.length) continue;
      if (test(this.#text, starts[row] as number, end)) return true;
      // Each name is asked once.
      from = end;
    }
  }

  /** Whether a name begins so. Rows stand in the order of their names in the text, which is looked through for the bytes of it. */
  hasNameWith(prefix: string): boolean {
    const { buffer, byteOffset, byteLength } = this.#text;
    const text = Buffer.from(buffer, byteOffset, byteLength);
    const starts = this.#starts;
    for (let at = text.indexOf(prefix, 0, "latin1"); at >= 0; at = text.indexOf(prefix, at + 1, "latin1")) {
      const first = firstIndex(this.#count, (i) => (starts[i] as number) >= at);
      for (let row = first; row < this.#count && starts[row] === at; row++)
        if ((this.#ends[row] as number) - at >= prefix.length) return true;
    }
    return false;
  }

  /** The names of a shape, some of them twice: the others are not made into strings. */
  *namesLike(like: NameShape): IterableIterator<string> {
    for (let row = 0; row < this.#count; row++)
      if (isLike(like, this.#text, this.#starts[row] ?? 0, this.#ends[row] ?? 0)) yield this.#name(row);
  }

  /** How many symbols have that name. */
  countOf(name: string): number {
    return this.#rowsOf(name).length;
  }

  /** All symbols of that name in the order in which they were added. */
  findListed(name: string): KernelSymbol[] {
    return this.#rowsOf(name).map((row) => this.#symbol(name, row));
  }

  /** All symbols of that name by address; equal addresses as they were added. */
  find(name: string): KernelSymbol[] {
    const found = this.findListed(name);
    return found.length <= 1
      ? found
      : found.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  #address(row: number): Addr {
    JOINED.setUint32(0, this.#halves[row * 2 + 1] ?? 0);
    JOINED.setUint32(4, this.#halves[row * 2] ?? 0);
    return addr(JOINED.getBigUint64(0));
  }

  #symbol(name: string, row: number): KernelSymbol {
    return { name, address: this.#address(row), letter: String.fromCharCode(this.#letters[row] ?? 0) };
  }

  /** All symbols in the order in which they were added. */
  *all(): Generator<KernelSymbol> {
    for (let row = 0; row < this.#count; row++) yield this.#symbol(this.#name(row), row);
  }

  /** All addresses, ascending. */
  sortedAddresses(): BigUint64Array {
    return BigUint64Array.from({ length: this.#count }, (_, row) => this.#address(row)).sort();
  }
}
