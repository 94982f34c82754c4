// The blocks of an .xz file one by one, for files with branch filters, or checked by SHA-256: the decoder in use knows neither. Each block's LZMA2 data
// are put into an .xz file of their own, without filter and check; what the decoder makes of it goes through the filter, and is held
// against the check of the real file here. (The .xz File Format 1.1.0, sections 2 to 4; LZMA2 chunks as liblzma writes them.)

import { createHash } from "node:crypto";
import { viewOf } from "../../base/bytes.ts";
import { BRANCH_FILTERS } from "./bcj.ts";
import { crc32 } from "./crc32.ts";
import { XZ_LZMA2 } from "./xz.ts";

/** The file is not one that could be taken apart. */
export class XzBlockError extends Error {}

/** One block, ready for a decoder that knows LZMA2 only. */
export interface XzBlock {
  /** A whole .xz file without filter and check. */
  readonly plain: Uint8Array;
  /** Bytes that it unpacks to. */
  readonly size: number;
  /** Makes of the unpacked bytes what was packed, in place. @throws XzBlockError if the check does not fit */
  readonly finish: (unpacked: Uint8Array) => void;
}

const STREAM_HEADER = 12;
/** Bytes of the check behind a block, by its type. */
const CHECK_SIZES: readonly number[] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CHECK_CRC32 = 1;
const CHECK_SHA256 = 10;

/** Reads numbers of the format: seven bits a byte, lowest first. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;
  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new XzBlockError("the file is cut off");
    return value;
  }
  number(): number {
    let value = 0;
    for (let k = 0; k < 7; k++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * k);
      if (byte < 0x80) return value;
    }
    throw new XzBlockError("a number is too large");
  }
}

/**
 * The blocks of the first stream.
 * @throws XzBlockError if the file is damaged, or has a filter that is not a branch filter known here.
 */
export function* xzBlocks(bytes: Uint8Array): Generator<XzBlock> {
  const check = (bytes[7] ?? 0) & 0xf;
  let at = STREAM_HEADER;
  for (;;) {
    const first = bytes[at];
    if (first === undefined) throw new XzBlockError("the file is cut off");
    if (first === 0) return; // the index
    const { filters, dictionary } = blockHeader(bytes, at);
    const start = at + (first + 1) * 4;
    const { end, size } = chunks(bytes, start);
    const checkAt = start + Math.ceil((end - start) / 4) * 4;
    const data = bytes.subarray(start, end);
    yield {
      plain: plainFile(data, size, dictionary),
      size,
      finish: (unpacked) => {
        for (const { filter, offset } of filters) filter(unpacked, offset);
        if (check === CHECK_CRC32 && crc32(unpacked) !== viewOf(bytes).getUint32(checkAt, true))
          throw new XzBlockError("the checksum does not fit");
        const told = bytes.subarray(checkAt, checkAt + 32);
        if (check === CHECK_SHA256 && createHash("sha256").update(unpacked).digest().compare(told) !== 0)
          throw new XzBlockError("the checksum does not fit");
      },
    };
    at = checkAt + (CHECK_SIZES[check] ?? 0);
  }
}

/** The branch filters in the order of unpacking, and the properties byte of LZMA2. */
function blockHeader(
  bytes: Uint8Array,
  at: number,
): { filters: { filter: (bytes: Uint8Array, start: number) => void; offset: number }[]; dictionary: number } {
  const cursor = new Cursor(bytes, at + 1);
  const flags = cursor.byte();
  if ((flags & 0x40) !== 0) cursor.number();
  if ((flags & 0x80) !== 0) cursor.number();
  const filters: { filter: (bytes: Uint8Array, start: number) => void; offset: number }[] = [];
  for (let left = flags & 3; ; left--) {
    const id = cursor.number();
    const properties = cursor.number();
    if (left === 0) {
      if (id !== XZ_LZMA2 || properties !== 1) throw new XzBlockError("the last filter is not LZMA2");
      return { filters: filters.reverse(), dictionary: cursor.byte() };
    }
    const filter = BRANCH_FILTERS[id];
    if (filter === undefined || (properties !== 0 && properties !== 4)) throw new XzBlockError(`filter ${id}`);
    let offset = 0;
    if (properties === 4) {
      if (cursor.at + 4 > bytes.length) throw new XzBlockError("the file is cut off");
      offset = viewOf(bytes).getUint32(cursor.at, true);
      cursor.at += 4;
    }
    filters.push({ filter, offset });
  }
}

/** Where the LZMA2 data from `start` on end, and how many bytes they unpack to. */
function chunks(bytes: Uint8Array, start: number): { end: number; size: number } {
  const cursor = new Cursor(bytes, start);
  const big16 = (): number => (cursor.byte() << 8) | cursor.byte();
  for (let size = 0; ; ) {
    const control = cursor.byte();
    if (control === 0) return { end: cursor.at, size };
    if (control > 2 && control < 0x80) throw new XzBlockError("a chunk of an unknown kind");
    const unpacked = (control < 0x80 ? 0 : (control & 0x1f) << 16) + big16() + 1;
    let packed = unpacked;
    if (control >= 0x80) {
      packed = big16() + 1;
      if (control >= 0xc0) cursor.byte();
    }
    cursor.at += packed;
    size += unpacked;
  }
}

/** `value` as the format writes numbers. */
function numberBytes(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) | 0x80);
  }
}

function withCrc(bytes: readonly number[]): Uint8Array {
  const out = new Uint8Array(bytes.length + 4);
  out.set(bytes);
  viewOf(out).setUint32(bytes.length, crc32(out.subarray(0, bytes.length)), true);
  return out;
}

const padded = (bytes: readonly number[]): number[] => [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];

/** An .xz file of one block of LZMA2 data that unpack to `size` bytes: no filter, no check. */
function plainFile(data: Uint8Array, size: number, dictionary: number): Uint8Array {
  const flags = [0, 0];
  const head = Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...withCrc(flags)]);
  const block = withCrc([2, 0, XZ_LZMA2, 1, dictionary, 0, 0, 0]);
  const index = withCrc(padded([0, 1, ...numberBytes(block.length + data.length), ...numberBytes(size)]));
  const foot = new Uint8Array(12);
  viewOf(foot).setUint32(4, index.length / 4 - 1, true);
  foot.set([...flags, 0x59, 0x5a], 8);
  viewOf(foot).setUint32(0, crc32(foot.subarray(4, 10)), true);
  return Buffer.concat([head, block, data, new Uint8Array((4 - (data.length % 4)) % 4), index, foot]);
}
