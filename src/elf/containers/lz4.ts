// lz4's legacy frame, as kernels and initial RAM disks use it (LZ4 Frame Format Description, "Legacy frame"; LZ4 Block Format
// Description): the magic, then blocks of up to 8 MiB, each behind its packed size.

import { viewOf } from "../../base/bytes.ts";

/** The data are not sound. */
export class Lz4Error extends Error {}

const MAGIC = 0x184c_2102;
const BLOCK = 0x80_0000;
/** A match is at least this long, bytes. */
const SHORTEST_MATCH = 4;

/** Whether the bytes begin with a legacy frame. */
export const isLz4Legacy = (bytes: Uint8Array): boolean =>
  bytes.length >= 8 && viewOf(bytes).getUint32(0, true) === MAGIC;

/**
 * The content of a legacy frame.
 * @param limit bytes that it may unpack to
 * @throws Lz4Error if it is damaged, cut off, or unpacks to more
 */
export function unpackLz4Legacy(bytes: Uint8Array, limit: number): Uint8Array {
  const view = viewOf(bytes);
  const parts: Uint8Array[] = [];
  let total = 0;
  for (let at = 4; at + 4 <= bytes.length; ) {
    const size = view.getUint32(at, true);
    at += 4;
    // Frames may follow one another.
    if (size === MAGIC) continue;
    if (size > bytes.length - at) throw new Lz4Error("the lz4 data are cut off");
    const block = unpackBlock(bytes.subarray(at, at + size), Math.min(BLOCK, limit - total));
    parts.push(block);
    total += block.length;
    at += size;
  }
  return Buffer.concat(parts);
}

function unpackBlock(from: Uint8Array, limit: number): Uint8Array {
  const out = new Uint8Array(limit);
  let read = 0;
  let written = 0;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble !== 15) return length;
    for (;;) {
      const more = from[read++];
      if (more === undefined) throw new Lz4Error("the lz4 data are cut off");
      length += more;
      if (more !== 255) return length;
    }
  };
  while (read < from.length) {
    const token = from[read++] ?? 0;
    const literals = lengthFrom(token >> 4);
    if (literals > from.length - read) throw new Lz4Error("the lz4 data are cut off");
    if (literals > limit - written) throw new Lz4Error(`the lz4 data unpack to more than ${limit} bytes a block`);
    out.set(from.subarray(read, read + literals), written);
    read += literals;
    written += literals;
    // The last sequence has literals only.
    if (read === from.length) break;
    const distance = (from[read] ?? 0) | ((from[read + 1] ?? 0) << 8);
    read += 2;
    if (distance === 0 || distance > written) throw new Lz4Error("the lz4 data refer to what is before their begin");
    const length = lengthFrom(token & 15) + SHORTEST_MATCH;
    if (length > limit - written) throw new Lz4Error(`the lz4 data unpack to more than ${limit} bytes a block`);
    for (let k = 0; k < length; k++) out[written + k] = out[written - distance + k] ?? 0;
    written += length;
  }
  return out.subarray(0, written);
}
