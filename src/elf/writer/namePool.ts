import { fromLatin1 } from "../../base/bytes.ts";

/** Chosen anew by each process: no file can know which of its names will have one hash. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000);
const FACTOR = Math.floor(Math.random() * 0x1_0000_0000) | 0x1000_0001;

/**
 * Names that symbols or sections get, each once, as they will stand in a string table: Latin-1, a NUL behind each. A name is put
 * together out of pieces of text and of a file's bytes, and then known by its number; no string is made of it.
 */
export class NamePool {
  #bytes = new Uint8Array(1024);
  /** Where each name begins; behind the last one, where the next will. */
  #starts = new Uint32Array(64);
  #hashes = new Uint32Array(64);
  #count = 0;
  /** Where the name that is being put together ends so far, and its hash. */
  #end = 0;
  #hash = SEED;
  /** By hash: numbers of names, and 1; 0: nothing. At least twice as many places as names. */
  #table = new Uint32Array(256);

  /** Number of names. */
  get count(): number {
    return this.#count;
  }
  /** All names, with what ends them; names have their places for good, in the order of their numbers. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  /** Where a name begins in `bytes`; of the number behind the last, where that one ends. */
  start(id: number): number {
    return this.#starts[id] ?? 0;
  }
  /** Length in bytes, without the NUL. */
  lengthOf(id: number): number {
    return this.start(id + 1) - this.start(id) - 1;
  }

  /** The number of a name of Latin-1 characters. */
  add(name: string): number {
    this.copy(fromLatin1(name), 0, name.length);
    return this.take();
  }

  /** Puts the bytes of [start, end) at the end of the name that is being put together. */
  copy(from: Uint8Array, start: number, end: number): void {
    let at = this.#end;
    if (at + end - start >= this.#bytes.length) this.#grow(at + end - start);
    const bytes = this.#bytes;
    let hash = this.#hash;
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      bytes[at++] = byte;
      hash = Math.imul(hash ^ byte, FACTOR);
    }
    this.#end = at;
    this.#hash = hash;
  }

  /** The number of the name that was put together; the next one begins. */
  take(): number {
    const mixed = Math.imul(this.#hash ^ (this.#hash >>> 15), FACTOR);
    const hash = (mixed ^ (mixed >>> 13)) >>> 0;
    const start = this.#starts[this.#count] as number;
    const table = this.#table;
    const last = table.length - 1;
    this.#hash = SEED;
    let place = hash & last;
    for (; table[place] !== 0; place = (place + 1) & last) {
      const id = (table[place] as number) - 1;
      if (this.#hashes[id] !== hash || !this.#isSame(id, start)) continue;
      this.#end = start;
      return id;
    }
    this.#bytes[this.#end++] = 0;
    const id = this.#count++;
    table[place] = this.#count;
    this.#hashes[id] = hash;
    if (this.#count + 1 === this.#starts.length) {
      this.#starts = longer(this.#starts);
      this.#hashes = longer(this.#hashes);
    }
    this.#starts[this.#count] = this.#end;
    if (this.#count * 2 > table.length) this.#spread();
    return id;
  }

  /** Makes room for a name that ends at `end`, and what ends it. */
  #grow(end: number): void {
    const bytes = new Uint8Array((end + 1) * 2);
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
  }

  /** Whether a name is the one from `start` on. */
  #isSame(id: number, start: number): boolean {
    const bytes = this.#bytes;
    const other = this.#starts[id] as number;
    const length = this.#end - start;
    if (this.lengthOf(id) !== length) return false;
    for (let i = length - 1; i >= 0; i--) if (bytes[other + i] !== bytes[start + i]) return false;
    return true;
  }

  /** Four times as many places. */
  #spread(): void {
    const table = new Uint32Array(this.#table.length * 4);
    const last = table.length - 1;
    for (let id = 0; id < this.#count; id++) {
      let place = (this.#hashes[id] as number) & last;
      while (table[place] !== 0) place = (place + 1) & last;
      table[place] = id + 1;
    }
    this.#table = table;
  }
}

/** A list twice as long, that begins with the same. */
export function longer<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(list: T): T {
  const made = new (list.constructor as new (length: number) => T)(list.length * 2);
  made.set(list as never);
  return made;
}
