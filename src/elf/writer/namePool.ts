/** Chosen anew by each process: no file can know which of its names will have one hash. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000);
const FACTOR = Math.floor(Math.random() * 0x1_0000_0000) | 0x1000_0001;

/**
 * Names that symbols or sections get, each once, as they will stand in a string table: Latin-1, a NUL behind each. A name is put
 * together out of pieces of text and of a file's bytes, and then known by its number; no string is made of it.
 */
export class NamePool {
  #bytes = new Uint8Array(256);
  /** Where each name begins; behind the last one, where the next will. */
  #starts = new Uint32Array(16);
  #count = 0;
  /** Where the name that is being put together ends so far. */
  #end = 0;
  /** By hash: numbers of names, and 1; 0: nothing. At least twice as many places as names. */
  #table = new Uint32Array(32);

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
    this.text(name);
    return this.take();
  }

  /** Puts characters at the end of the name that is being put together. */
  text(piece: string): void {
    let at = this.#room(piece.length);
    for (let i = 0; i < piece.length; i++) this.#bytes[at++] = piece.charCodeAt(i);
    this.#end = at;
  }

  /** The same with the bytes of [start, end). */
  copy(from: Uint8Array, start: number, end: number): void {
    let at = this.#room(end - start);
    const bytes = this.#bytes;
    for (let i = start; i < end; i++) bytes[at++] = from[i] as number;
    this.#end = at;
  }

  /** The number of the name that was put together; the next one begins. */
  take(): number {
    const start = this.start(this.#count);
    const place = this.#placeOf(start, this.#end);
    const known = this.#table[place] ?? 0;
    if (known !== 0) {
      this.#end = start;
      return known - 1;
    }
    const end = this.#room(1);
    this.#bytes[end] = 0;
    this.#end = end + 1;
    this.#count++;
    this.#table[place] = this.#count;
    if (this.#count + 1 === this.#starts.length) this.#starts = longer(this.#starts);
    this.#starts[this.#count] = this.#end;
    if (this.#count * 2 > this.#table.length) this.#spread();
    return this.#count - 1;
  }

  /** Where `length` bytes more can be put. */
  #room(length: number): number {
    const end = this.#end;
    if (end + length > this.#bytes.length) {
      const bytes = new Uint8Array((end + length) * 2);
      bytes.set(this.#bytes.subarray(0, end));
      this.#bytes = bytes;
    }
    return end;
  }

  /** The place of the name from `start` to `end`: it is there, or the place is free. */
  #placeOf(start: number, end: number): number {
    const bytes = this.#bytes;
    const table = this.#table;
    const last = table.length - 1;
    let hash = SEED;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FACTOR);
    hash = Math.imul(hash ^ (hash >>> 15), FACTOR);
    for (let place = (hash ^ (hash >>> 13)) & last; ; place = (place + 1) & last) {
      const known = table[place] as number;
      if (known === 0 || this.#isSame(this.#starts[known - 1] as number, start, end)) return place;
    }
  }

  /** Whether the name at `other` is that from `start` to `end`. */
  #isSame(other: number, start: number, end: number): boolean {
    const bytes = this.#bytes;
    if (bytes[other + end - start] !== 0) return false;
    for (let i = end - 1; i >= start; i--) if (bytes[other + i - start] !== bytes[i]) return false;
    return true;
  }

  #spread(): void {
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let id = 0; id < this.#count; id++)
      this.#table[this.#placeOf(this.start(id), this.start(id + 1) - 1)] = id + 1;
  }
}

/** A list twice as long, that begins with the same. */
export function longer<T extends Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array>(list: T): T {
  const made = new (list.constructor as new (length: number) => T)(list.length * 2);
  made.set(list as never);
  return made;
}
