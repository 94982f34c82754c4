import { type Addr, addr } from "../../base/brand.ts";
import { isLike, type NameShape } from "./nearNames.ts";

/** One symbol of the kernel, or of a module in a kallsyms listing. */
export interface KernelSymbol {
  readonly name: string;
  readonly address: Addr;
  /** The letter of nm and kallsyms: lower case for local symbols of vmlinux. */
  readonly letter: string;
}

/** Mixed into the hashes of names: no file can know which of its names will meet in one place. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000);
const FACTOR = Math.floor(Math.random() * 0x1_0000_0000) | 0x1000_0001;

const mixed = (hash: number, byte: number): number => {
  const h = Math.imul(hash ^ byte, FACTOR);
  return h ^ (h >>> 15);
};

/** Two halves become an address here. */
const JOINED = new DataView(new ArrayBuffer(8));

// Shared: a listing may have very many modules.
const EMPTY_WORDS = new Uint32Array(0);
const EMPTY_BYTES = new Uint8Array(0);

/**
 * The symbols of one object in columns: a kernel has 200,000, of which few are ever looked at. Names stay bytes (Latin-1) where they
 * are until one is given out; they are put in order for look-ups when the first one is looked up.
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
  /** By hash, open addressing: the first row of a name, and 1; 0: none. */
  #slots = EMPTY_WORDS;
  /** By row: the next row of its name, and 1; 0: none. */
  #next = EMPTY_WORDS;
  #isFirst = EMPTY_BYTES;

  /** @param text the list that {@link addAt} refers to; without it, the names are kept here */
  constructor(text?: Uint8Array) {
    this.#text = text ?? new Uint8Array(0);
    this.#used = text === undefined ? 0 : null;
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
    if (row === this.#letters.length) this.#grow();
    this.#halves[row * 2] = low;
    this.#halves[row * 2 + 1] = high;
    this.#letters[row] = letter;
    this.#starts[row] = start;
    this.#ends[row] = end;
  }

  #grow(): void {
    const longer = <T extends Uint32Array | Uint8Array>(list: T, to: T): T => {
      to.set(list);
      return to;
    };
    const length = this.#letters.length * 2;
    this.#halves = longer(this.#halves, new Uint32Array(length * 2));
    this.#letters = longer(this.#letters, new Uint8Array(length));
    this.#starts = longer(this.#starts, new Uint32Array(length));
    this.#ends = longer(this.#ends, new Uint32Array(length));
  }

  /** Puts all rows in order for look-ups. */
  #order(): void {
    if (this.#ordered === this.#count) return;
    const count = this.#count;
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(count * 2 + 2)));
    const next = new Uint32Array(count);
    const isFirst = new Uint8Array(count);
    /** By the first row of a name: its last one. */
    const last = new Uint32Array(count);
    for (let row = 0; row < count; row++) {
      const start = this.#starts[row] ?? 0;
      const end = this.#ends[row] ?? 0;
      let slot = this.#hashOf(start, end) & (slots.length - 1);
      let known = slots[slot] ?? 0;
      while (known !== 0 && !this.#isSame(known - 1, start, end)) {
        slot = (slot + 1) & (slots.length - 1);
        known = slots[slot] ?? 0;
      }
      if (known === 0) {
        slots[slot] = row + 1;
        isFirst[row] = 1;
        last[row] = row;
      } else {
        next[last[known - 1] ?? 0] = row + 1;
        last[known - 1] = row;
      }
    }
    this.#slots = slots;
    this.#next = next;
    this.#isFirst = isFirst;
    this.#ordered = count;
  }

  #hashOf(start: number, end: number): number {
    const text = this.#text;
    let hash = SEED;
    for (let i = start; i < end; i++) hash = mixed(hash, text[i] ?? 0);
    return hash >>> 0;
  }

  /** Whether a row has the name that stands from `start` to `end`. */
  #isSame(row: number, start: number, end: number): boolean {
    const text = this.#text;
    const own = this.#starts[row] ?? 0;
    if ((this.#ends[row] ?? 0) - own !== end - start) return false;
    for (let i = end - start - 1; i >= 0; i--) if (text[own + i] !== text[start + i]) return false;
    return true;
  }

  #isCalled(row: number, name: string): boolean {
    const text = this.#text;
    const own = this.#starts[row] ?? 0;
    if ((this.#ends[row] ?? 0) - own !== name.length) return false;
    for (let i = name.length - 1; i >= 0; i--) if (text[own + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  /** The first row of a name, and 1; 0: none. */
  #rowOf(name: string): number {
    this.#order();
    const slots = this.#slots;
    if (slots.length === 0) return 0;
    let hash = SEED;
    for (let i = 0; i < name.length; i++) hash = mixed(hash, name.charCodeAt(i));
    let slot = (hash >>> 0) & (slots.length - 1);
    let row = slots[slot] ?? 0;
    while (row !== 0 && !this.#isCalled(row - 1, name)) {
      slot = (slot + 1) & (slots.length - 1);
      row = slots[slot] ?? 0;
    }
    return row;
  }

  #name(row: number): string {
    const { buffer, byteOffset, byteLength } = this.#text;
    return Buffer.from(buffer, byteOffset, byteLength).toString("latin1", this.#starts[row], this.#ends[row]);
  }

  has(name: string): boolean {
    return this.#rowOf(name) !== 0;
  }

  /** Each name once, in the order in which they were added first. */
  *names(): IterableIterator<string> {
    this.#order();
    for (let row = 0; row < this.#ordered; row++) if (this.#isFirst[row] === 1) yield this.#name(row);
  }

  /** How many names several symbols have. */
  countRepeated(): number {
    this.#order();
    let count = 0;
    for (let row = 0; row < this.#ordered; row++) if (this.#isFirst[row] === 1 && this.#next[row] !== 0) count++;
    return count;
  }

  /** The names of a shape, some of them twice: the others are not made into strings. */
  *namesLike(like: NameShape): IterableIterator<string> {
    for (let row = 0; row < this.#count; row++)
      if (isLike(like, this.#text, this.#starts[row] ?? 0, this.#ends[row] ?? 0)) yield this.#name(row);
  }

  /** How many symbols have that name. */
  countOf(name: string): number {
    let count = 0;
    for (let row = this.#rowOf(name); row !== 0; row = this.#next[row - 1] ?? 0) count++;
    return count;
  }

  /** All symbols of that name in the order in which they were added. */
  findListed(name: string): KernelSymbol[] {
    const found: KernelSymbol[] = [];
    for (let row = this.#rowOf(name); row !== 0; row = this.#next[row - 1] ?? 0)
      found.push(this.#symbol(name, row - 1));
    return found;
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
