// The ways in which kernels are packed and modules are not: lz4, lzma, bzip2, lzo.

import { latin1 } from "../../base/bytes.ts";
import { isLz4Legacy, Lz4Error, unpackLz4Legacy } from "./lz4.ts";
import { isLzma, LzmaError, unpackLzma } from "./lzma.ts";
import { isLzo, LzoError, unpackLzo } from "./lzo.ts";

export type OtherPacking = "lz4" | "lzma" | "bzip2" | "lzo";

/** Data of one of these cannot be unpacked. */
export class OtherPackedError extends Error {}

/** How bytes are packed, by their first ones; null: in none of these ways. */
export function otherPackingOf(bytes: Uint8Array): OtherPacking | null {
  if (isLz4Legacy(bytes)) return "lz4";
  if (/^BZh[1-9]1AY&SY/.test(latin1(bytes, 0, 10))) return "bzip2";
  if (isLzo(bytes)) return "lzo";
  return isLzma(bytes) ? "lzma" : null;
}

/**
 * The unpacked bytes.
 * @param limit bytes that they may be
 * @throws OtherPackedError if they are damaged, cut off, more, or of a kind that is not read
 */
export async function unpackOther(packing: OtherPacking, bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  try {
    switch (packing) {
      case "lz4":
        return unpackLz4Legacy(bytes, limit);
      case "lzma":
        return unpackLzma(bytes, limit);
      case "bzip2":
        return await unpackBzip2(bytes, limit);
      case "lzo":
        return unpackLzo(bytes, limit);
    }
  } catch (error) {
    if (error instanceof Lz4Error || error instanceof LzmaError || error instanceof LzoError)
      throw new OtherPackedError(error.message);
    throw error;
  }
}

async function unpackBzip2(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const { default: bzip2 } = await import("seek-bzip");
  let at = 0;
  let size = 0;
  let out = new Uint8Array(Math.min(limit, bytes.length * 4 + 4096));
  const readByte = (): number => {
    const byte = bytes[at++];
    if (byte === undefined) throw new OtherPackedError("the bzip2 data are cut off");
    return byte;
  };
  const read = (into: Uint8Array, from: number, count: number): number => {
    for (let k = 0; k < count; k++) into[from + k] = readByte();
    return count;
  };
  const output = {
    writeByte: (byte: number): void => {
      if (size === out.length) {
        if (size >= limit) throw new OtherPackedError(`the bzip2 data unpack to more than ${limit} bytes`);
        const more = new Uint8Array(Math.min(limit, size * 2));
        more.set(out);
        out = more;
      }
      out[size++] = byte;
    },
  };
  try {
    bzip2.decode({ readByte, read }, output);
  } catch (error) {
    if (error instanceof OtherPackedError) throw error;
    throw new OtherPackedError("the bzip2 data are damaged");
  }
  return out.subarray(0, size);
}
