// .lzma files ("LZMA alone"), as kernels are packed with: LZMA specification by I. Pavlov (2015, public domain). The header has the
// coder's three numbers, the dictionary's size and the size of the content, or -1 where a mark ends it.

import { getUint64, viewOf } from "../../base/bytes.ts";

/** The data are not sound. */
export class LzmaError extends Error {}

const HEADER = 13;
/** Probabilities start in the middle of their 11 bits and move by a 32nd part. */
const MIDDLE = 1024;
const MOVE = 5;
const BITS = 11;
const TOP = 0x100_0000;
const STATES = 12;
const SHORTEST = 2;
/** Distances from this slot on have bits without a model, and the lowest four with one of their own. */
const FIRST_DIRECT = 14;

/** Whether the bytes begin as kernels' .lzma files do: lc 3, lp 0, pb 2, and a dictionary that is a power of two or half as much more. */
export function isLzma(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER + 5 || bytes[0] !== 0x5d || bytes[HEADER] !== 0) return false;
  const dictionary = viewOf(bytes).getUint32(1, true);
  const isPower = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
  return isPower(dictionary) || (dictionary % 3 === 0 && isPower(dictionary / 3));
}

const models = (count: number): Uint16Array => new Uint16Array(count).fill(MIDDLE);

/** The range coder's other half. */
class RangeDecoder {
  readonly #bytes: Uint8Array;
  #at: number;
  #range = 0xffff_ffff;
  #code = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    // The first byte is always 0.
    this.#at = at + 1;
    for (let k = 0; k < 4; k++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new LzmaError("the lzma data are cut off");
    return byte;
  }

  #normalise(): void {
    if (this.#range >= TOP) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  bit(table: Uint16Array, index: number): 0 | 1 {
    const model = table[index] ?? MIDDLE;
    const bound = (this.#range >>> BITS) * model;
    if (this.#code < bound) {
      this.#range = bound;
      table[index] = model + (((1 << BITS) - model) >> MOVE);
      this.#normalise();
      return 0;
    }
    this.#range = (this.#range - bound) >>> 0;
    this.#code = (this.#code - bound) >>> 0;
    table[index] = model - (model >> MOVE);
    this.#normalise();
    return 1;
  }

  direct(count: number): number {
    let value = 0;
    for (let k = 0; k < count; k++) {
      this.#range >>>= 1;
      const isOne = this.#code >= this.#range;
      if (isOne) this.#code = (this.#code - this.#range) >>> 0;
      value = value * 2 + (isOne ? 1 : 0);
      this.#normalise();
    }
    return value;
  }

  tree(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    for (let k = 0; k < bits; k++) node = (node << 1) | this.bit(table, from + node);
    return node - (1 << bits);
  }

  reverseTree(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let k = 0; k < bits; k++) {
      const bit = this.bit(table, from + node);
      node = (node << 1) | bit;
      value |= bit << k;
    }
    return value;
  }
}

/** Lengths of matches: short ones by the place in the output, long ones together. */
class LengthDecoder {
  readonly #choice = models(2);
  readonly #low = models(16 * 8);
  readonly #middle = models(16 * 8);
  readonly #high = models(256);

  read(from: RangeDecoder, place: number): number {
    if (from.bit(this.#choice, 0) === 0) return from.tree(this.#low, place * 8, 3);
    if (from.bit(this.#choice, 1) === 0) return 8 + from.tree(this.#middle, place * 8, 3);
    return 16 + from.tree(this.#high, 0, 8);
  }
}

/** What was unpacked: grows as it is needed, up to the limit. */
class Output {
  #bytes: Uint8Array;
  readonly #limit: number;
  size = 0;

  constructor(first: number, limit: number) {
    this.#bytes = new Uint8Array(Math.min(first, limit));
    this.#limit = limit;
  }

  back(distance: number): number {
    return this.#bytes[this.size - 1 - distance] ?? 0;
  }

  add(byte: number): void {
    if (this.size === this.#bytes.length) {
      if (this.size >= this.#limit) throw new LzmaError(`the lzma data unpack to more than ${this.#limit} bytes`);
      const more = new Uint8Array(Math.min(this.#limit, this.size * 2 + 4096));
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#bytes[this.size++] = byte;
  }

  all(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }
}

/**
 * The content of an .lzma file.
 * @param limit bytes that it may unpack to
 * @throws LzmaError if it is damaged, cut off, or unpacks to more
 */
export function unpackLzma(bytes: Uint8Array, limit: number): Uint8Array {
  if (bytes.length < HEADER + 5) throw new LzmaError("the lzma data are cut off");
  const properties = bytes[0] ?? 0;
  if (properties >= 9 * 5 * 5) throw new LzmaError("the lzma header is damaged");
  const told = getUint64(viewOf(bytes), 5, true);
  // -1: a mark stands at the end.
  const size = told > 2 ** 63 ? null : told;
  if (size !== null && size > limit) throw new LzmaError(`the lzma data unpack to more than ${limit} bytes`);
  const output = new Output(size ?? bytes.length * 4, limit);
  decode(new RangeDecoder(bytes, HEADER), output, size, {
    contextBits: properties % 9,
    placeBits: Math.floor(properties / 9) % 5,
    matchPlaceBits: Math.floor(properties / 45),
  });
  return output.all();
}

interface Numbers {
  /** lc: bits of the byte before that choose a literal's models. */
  readonly contextBits: number;
  /** lp: bits of the place in the output that do. */
  readonly placeBits: number;
  /** pb: bits of the place that choose models of matches. */
  readonly matchPlaceBits: number;
}

function decode(from: RangeDecoder, output: Output, size: number | null, numbers: Numbers): void {
  const literals = models(0x300 << (numbers.contextBits + numbers.placeBits));
  const isMatch = models(STATES * 16);
  const isRep = models(STATES);
  const isRep0 = models(STATES);
  const isRep1 = models(STATES);
  const isRep2 = models(STATES);
  const isLongRep0 = models(STATES * 16);
  const matchLength = new LengthDecoder();
  const repLength = new LengthDecoder();
  const distances = distanceDecoder(from);
  const literal = literalDecoder(from, output, literals, numbers);
  let state = 0;
  let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0];
  while (size === null || output.size < size) {
    const place = output.size & ((1 << numbers.matchPlaceBits) - 1);
    if (from.bit(isMatch, state * 16 + place) === 0) {
      output.add(literal(state >= 7 ? rep0 : null));
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let length: number;
    if (from.bit(isRep, state) === 0) {
      [rep3, rep2, rep1] = [rep2, rep1, rep0];
      length = matchLength.read(from, place);
      state = state < 7 ? 7 : 10;
      rep0 = distances(length);
      // The mark at the end.
      if (rep0 === 0xffff_ffff) {
        if (size !== null) throw new LzmaError("the lzma data are cut off");
        return;
      }
    } else {
      if (output.size === 0) throw new LzmaError("the lzma data refer to what is before their begin");
      if (from.bit(isRep0, state) === 0) {
        if (from.bit(isLongRep0, state * 16 + place) === 0) {
          if (rep0 >= output.size) throw new LzmaError("the lzma data refer to what is before their begin");
          state = state < 7 ? 9 : 11;
          output.add(output.back(rep0));
          continue;
        }
      } else if (from.bit(isRep1, state) === 0) [rep0, rep1] = [rep1, rep0];
      else if (from.bit(isRep2, state) === 0) [rep0, rep1, rep2] = [rep2, rep0, rep1];
      else [rep0, rep1, rep2, rep3] = [rep3, rep0, rep1, rep2];
      length = repLength.read(from, place);
      state = state < 7 ? 8 : 11;
    }
    if (rep0 >= output.size) throw new LzmaError("the lzma data refer to what is before their begin");
    const end = output.size + length + SHORTEST;
    if (size !== null && end > size) throw new LzmaError("the lzma data are damaged");
    while (output.size < end) output.add(output.back(rep0));
  }
}

/** Reads literals. @returns takes the distance of the last match where one was just before, which the models then follow */
function literalDecoder(
  from: RangeDecoder,
  output: Output,
  literals: Uint16Array,
  { contextBits, placeBits }: Numbers,
): (distance: number | null) => number {
  return (distance) => {
    const before = output.size === 0 ? 0 : output.back(0);
    const place = output.size & ((1 << placeBits) - 1);
    const start = 0x300 * ((place << contextBits) + (before >> (8 - contextBits)));
    let node = 1;
    if (distance !== null) {
      if (distance >= output.size) throw new LzmaError("the lzma data refer to what is before their begin");
      let match = output.back(distance);
      while (node < 0x100) {
        const expected = (match >> 7) & 1;
        match <<= 1;
        const bit = from.bit(literals, start + ((1 + expected) << 8) + node);
        node = (node << 1) | bit;
        if (bit !== expected) break;
      }
    }
    while (node < 0x100) node = (node << 1) | from.bit(literals, start + node);
    return node & 0xff;
  };
}

/** Reads distances. @returns takes the length of the match, less the shortest one */
function distanceDecoder(from: RangeDecoder): (length: number) => number {
  const slots = models(4 * 64);
  const special = models(1 + 128 - FIRST_DIRECT);
  const aligned = models(16);
  return (length) => {
    const slot = from.tree(slots, Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < FIRST_DIRECT) return base + from.reverseTree(special, base - slot, bits);
    return base + from.direct(bits - 4) * 16 + from.reverseTree(aligned, 0, 4);
  };
}
