// What is to change in debug sections. Changes are drafted for one piece (a line program, a list, an entry) and kept
// only if the whole piece was understood.

import { viewOf } from "../../../base/bytes.ts";
import { firstIndex } from "../../../base/search.ts";
import type { Cursor, DebugSection } from "../cursor.ts";

/** Bytes in place of `length` others. */
interface Splice {
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** Bytes of one section that are replaced by others, more or fewer; offsets are of the old content. */
export class Splices {
  readonly #byPlace = new Map<number, Splice>();
  #places: readonly number[] = [];
  /** Growth by all splices before the n-th. */
  #sums: readonly number[] = [0];
  #sorted: readonly Splice[] | null = null;

  get isEmpty(): boolean {
    return this.#byPlace.size === 0;
  }

  /** False if other bytes are to stand there already. */
  agrees({ at, length, bytes }: Splice): boolean {
    const known = this.#byPlace.get(at);
    return known === undefined || (known.length === length && Buffer.compare(known.bytes, bytes) === 0);
  }

  add(splice: Splice): void {
    this.#byPlace.set(splice.at, splice);
    this.#sorted = null;
  }

  clear(): void {
    this.#byPlace.clear();
    this.#sorted = null;
  }

  #sort(): readonly Splice[] {
    if (this.#sorted !== null) return this.#sorted;
    const sorted = [...this.#byPlace.values()].sort((a, b) => a.at - b.at);
    const sums = [0];
    for (const { length, bytes } of sorted) sums.push((sums.at(-1) ?? 0) + bytes.length - length);
    this.#sorted = sorted;
    this.#places = sorted.map((s) => s.at);
    this.#sums = sums;
    return sorted;
  }

  /** Offset of the first splice that begins inside another; null if there is none, as should be. */
  firstOverlap(): number | null {
    let end = 0;
    for (const { at, length } of this.#sort()) {
      if (at < end) return at;
      end = at + length;
    }
    return null;
  }

  /** Bytes by which the section grows. */
  get growth(): number {
    this.#sort();
    return this.#sums.at(-1) ?? 0;
  }

  /** New offset of what stood at `offset`. What is put in at `offset` itself comes behind it. */
  map(offset: number): number {
    this.#sort();
    const first = firstIndex(this.#places.length, (i) => (this.#places[i] ?? 0) >= offset);
    return offset + (this.#sums[first] ?? 0);
  }

  /** The new content. */
  apply(content: Uint8Array): Uint8Array {
    const sorted = this.#sort();
    const out = new Uint8Array(content.length + this.growth);
    let from = 0;
    let to = 0;
    for (const { at, length, bytes } of sorted) {
      out.set(content.subarray(from, at), to);
      to += at - from;
      out.set(bytes, to);
      to += bytes.length;
      from = at + length;
    }
    out.set(content.subarray(from), to);
    return out;
  }
}

/** A relocated address that is the end of something: it moves by `shift`, whatever begins there. */
export interface EndPlace {
  readonly section: number;
  readonly at: number;
  readonly shift: number;
}

/** Everything that changes, by section index. */
export class DebugChanges {
  readonly splices = new Map<number, Splices>();
  /** Section -> offset of a relocated address -> bytes by which it moves. */
  readonly ends = new Map<number, Map<number, number>>();
  /** Places of addresses that something begins at, in .debug_addr, whose entries may be shared. */
  readonly starts = new Set<number>();

  of(section: number): Splices {
    let splices = this.splices.get(section);
    if (splices === undefined) {
      splices = new Splices();
      this.splices.set(section, splices);
    }
    return splices;
  }
}

/** Changes of one piece. */
export class Draft {
  readonly #changes: DebugChanges;
  readonly #splices: { readonly where: Cursor; readonly index: number; readonly splice: Splice }[] = [];
  readonly #ends: EndPlace[] = [];
  readonly #starts: number[] = [];

  constructor(changes: DebugChanges) {
    this.#changes = changes;
  }

  /** Bytes by which the piece grows. */
  get growth(): number {
    return this.#splices.reduce((sum, { splice }) => sum + splice.bytes.length - splice.length, 0);
  }

  replace(where: Cursor, at: number, length: number, bytes: ArrayLike<number>): void {
    const { index } = where.section;
    if (index === undefined) throw where.error("a section that is not in the file");
    this.#splices.push({ where, index, splice: { at, length, bytes: Uint8Array.from(bytes) } });
  }

  /** Overwrites a number of 1, 2, 4 or 8 bytes. @throws DwarfError if it does not fit */
  number(where: Cursor, at: number, size: number, value: number): void {
    if (value < 0 || value >= 256 ** size || value > Number.MAX_SAFE_INTEGER) {
      throw where.error(`the number ${value} does not fit into ${size} bytes`);
    }
    this.replace(where, at, size, numberBytes(value, size, where.littleEndian));
  }

  /** The relocated address at `at` moves by `shift` bytes. */
  end({ index }: DebugSection, at: number, shift: number): void {
    if (index !== undefined) this.#ends.push({ section: index, at, shift });
  }

  /** Something begins at the address at `at` of .debug_addr. */
  start(at: number): void {
    this.#starts.push(at);
  }

  /** @throws DwarfError if a place is changed in two ways */
  commit(): void {
    for (const { where, index, splice } of this.#splices) {
      if (!this.#changes.of(index).agrees(splice)) {
        where.at = splice.at;
        throw where.error("two parts of the debug information read this differently");
      }
    }
    for (const { index, splice } of this.#splices) this.#changes.of(index).add(splice);
    for (const at of this.#starts) this.#changes.starts.add(at);
    for (const { section, at, shift } of this.#ends) {
      const known = this.#changes.ends.get(section);
      if (known === undefined) this.#changes.ends.set(section, new Map([[at, shift]]));
      else known.set(at, shift);
    }
  }
}

export function numberBytes(value: number, size: number, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value), littleEndian);
  return littleEndian ? bytes.subarray(0, size) : bytes.subarray(8 - size);
}
