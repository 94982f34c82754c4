// .lzo files as lzop writes them and kernels are packed with: a header with a checksum, then blocks, each behind its two sizes and its
// checksums; a size of 0 ends the file. The data of a block are an LZO1X stream (Linux: Documentation/staging/lzo.rst).

import { latin1, viewOf } from "../../base/bytes.ts";
import { crc32 } from "./crc32.ts";

/** The data are not sound. */
export class LzoError extends Error {}

const MAGIC = "\x89LZO\0\r\n\x1a\n";
/** The first version whose header has the fields that came later. */
const LATER = 0x940;
/** Flags: which checksums stand where. */
const ADLER_OF_PLAIN = 0x1;
const ADLER_OF_PACKED = 0x2;
const EXTRA_FIELD = 0x40;
const CRC_OF_PLAIN = 0x100;
const CRC_OF_PACKED = 0x200;
const FILTERED = 0x800;
const CRC_OF_HEADER = 0x1000;
/** lzop's largest block, bytes. */
const LARGEST_BLOCK = 0x400_0000;

export const isLzo = (bytes: Uint8Array): boolean => latin1(bytes, 0, MAGIC.length) === MAGIC;

const cutOff = (): LzoError => new LzoError("the lzo data are cut off");
const damaged = (what: string): LzoError => new LzoError(`the lzo data are damaged: ${what}`);

/** Reads numbers of the file, big-endian. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at = MAGIC.length;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }
  number(size: 1 | 2 | 4): number {
    const at = this.at;
    this.skip(size);
    if (size === 4) return this.#view.getUint32(at, false);
    return size === 2 ? this.#view.getUint16(at, false) : this.#view.getUint8(at);
  }
  skip(count: number): void {
    if (count > this.bytes.length - this.at) throw cutOff();
    this.at += count;
  }
  take(count: number): Uint8Array {
    const from = this.at;
    this.skip(count);
    return this.bytes.subarray(from, this.at);
  }
}

/**
 * The content of an .lzo file; what stands behind its end is not looked at.
 * @param limit bytes that it may unpack to
 * @throws LzoError if it is damaged, cut off, of a kind that lzop does not write, or unpacks to more
 */
export function unpackLzo(bytes: Uint8Array, limit: number): Uint8Array {
  const cursor = new Cursor(bytes);
  const flags = readHeader(cursor);
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const size = cursor.number(4);
    if (size === 0) return Buffer.concat(parts);
    if (size > LARGEST_BLOCK) throw damaged(`a block of ${size} bytes`);
    if (size > limit - total) throw new LzoError(`the lzo data unpack to more than ${limit} bytes`);
    parts.push(readBlock(cursor, flags, size));
    total += size;
  }
}

/** The flags. */
function readHeader(cursor: Cursor): number {
  const start = cursor.at;
  const version = cursor.number(2);
  // The library's version and, from then on, the oldest one that can read the file.
  cursor.skip(version >= LATER ? 4 : 2);
  const method = cursor.number(1);
  if (method < 1 || method > 3) throw new LzoError(`the lzo data are packed by method ${method}, which is not LZO1X`);
  if (version >= LATER) cursor.skip(1);
  const flags = cursor.number(4);
  if ((flags & FILTERED) !== 0) throw new LzoError("the lzo data are filtered, which is not read here");
  // The file's mode and times.
  cursor.skip(version >= LATER ? 12 : 8);
  cursor.skip(cursor.number(1));
  const header = cursor.bytes.subarray(start, cursor.at);
  if (cursor.number(4) !== ((flags & CRC_OF_HEADER) !== 0 ? crc32(header) : adler32(header)))
    throw damaged("the header's checksum does not fit");
  if ((flags & EXTRA_FIELD) !== 0) cursor.skip(cursor.number(4) + 4);
  return flags;
}

function readBlock(cursor: Cursor, flags: number, size: number): Uint8Array {
  const packedSize = cursor.number(4);
  if (packedSize === 0 || packedSize > size) throw damaged("a packed block is larger than the block");
  const sum = (flag: number): number | null => ((flags & flag) === 0 ? null : cursor.number(4));
  const plainAdler = sum(ADLER_OF_PLAIN);
  const plainCrc = sum(CRC_OF_PLAIN);
  // A block that does not get smaller is stored, and has no sums of its own for that.
  const isStored = packedSize === size;
  const packedAdler = isStored ? null : sum(ADLER_OF_PACKED);
  const packedCrc = isStored ? null : sum(CRC_OF_PACKED);
  const packed = cursor.take(packedSize);
  checkSums(packed, packedAdler, packedCrc);
  const block = isStored ? packed : unpackBlock(packed, size);
  checkSums(block, plainAdler, plainCrc);
  return block;
}

function checkSums(bytes: Uint8Array, adler: number | null, crc: number | null): void {
  if ((adler !== null && adler !== adler32(bytes)) || (crc !== null && crc !== crc32(bytes)))
    throw damaged("a checksum does not fit");
}

/** RFC 1950. */
function adler32(bytes: Uint8Array): number {
  const PRIME = 65521;
  /** So many steps do not leave 32 bits. */
  const ROUND = 5552;
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + ROUND);
    for (; at < end; at++) {
      a += bytes[at] ?? 0;
      b += a;
    }
    a %= PRIME;
    b %= PRIME;
  }
  return b * 0x1_0000 + a;
}

/** Two halves of an LZO1X stream: what is read, and what is written of exactly `size` bytes. */
class Lzo1x {
  readonly #from: Uint8Array;
  readonly #out: Uint8Array;
  #read = 0;
  #written = 0;

  constructor(from: Uint8Array, size: number) {
    this.#from = from;
    this.#out = new Uint8Array(size);
  }

  byte(): number {
    const byte = this.#from[this.#read++];
    if (byte === undefined) throw cutOff();
    return byte;
  }

  /** Two bytes, the low one first. */
  pair(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }

  /** A length whose field is 0 goes on: 255 for each further byte of 0, then the last byte. */
  length(field: number, most: number): number {
    if (field !== 0) return field;
    for (let length = most; ; length += 255) {
      const more = this.byte();
      if (more !== 0) return length + more;
      if (length > this.#out.length) throw damaged("a length is larger than its block");
    }
  }

  literals(count: number): void {
    if (count > this.#from.length - this.#read) throw cutOff();
    if (count > this.#out.length - this.#written) throw damaged("a block is larger than it is said to be");
    this.#out.set(this.#from.subarray(this.#read, this.#read + count), this.#written);
    this.#read += count;
    this.#written += count;
  }

  match(distance: number, count: number): void {
    if (distance > this.#written) throw damaged("it refers to what is before the block");
    if (count > this.#out.length - this.#written) throw damaged("a block is larger than it is said to be");
    for (let k = 0; k < count; k++) this.#out[this.#written + k] = this.#out[this.#written + k - distance] ?? 0;
    this.#written += count;
  }

  end(): Uint8Array {
    if (this.#read !== this.#from.length || this.#written !== this.#out.length)
      throw damaged("a block ends before its end");
    return this.#out;
  }
}

/** Behind a run of literals of its own, short instructions mean something else. */
const AFTER_RUN = 4;

function unpackBlock(packed: Uint8Array, size: number): Uint8Array {
  const stream = new Lzo1x(packed, size);
  /** Literals that the last instruction brought along, 0 to 3; or {@link AFTER_RUN}. */
  let state = 0;
  const first = packed[0] ?? 0;
  if (first > 17) {
    stream.byte();
    stream.literals(first - 17);
    state = Math.min(first - 17, AFTER_RUN);
  }
  for (;;) {
    const code = stream.byte();
    if (code < 16 && state === 0) {
      stream.literals(stream.length(code, 15) + 3);
      state = AFTER_RUN;
      continue;
    }
    /** Its lowest two bits say how many literals follow. */
    let tail = code;
    if (code >= 64) stream.match(((code >> 2) & 7) + stream.byte() * 8 + 1, (code >> 5) + 1);
    else if (code >= 32) {
      const count = stream.length(code & 31, 31) + 2;
      tail = stream.pair();
      stream.match((tail >> 2) + 1, count);
    } else if (code >= 16) {
      const count = stream.length(code & 7, 7) + 2;
      tail = stream.pair();
      const distance = ((code & 8) << 11) + (tail >> 2);
      if (distance === 0) return stream.end();
      stream.match(distance + 0x4000, count);
    } else if (state === AFTER_RUN) stream.match((code >> 2) + stream.byte() * 4 + 0x801, 3);
    else stream.match((code >> 2) + stream.byte() * 4 + 1, 2);
    state = tail & 3;
    stream.literals(state);
  }
}
