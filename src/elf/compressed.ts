// Compressed debug sections (gABI chapter 4, "Section Compression"; and GNU's older .zdebug sections).

import { inflateSync } from "node:zlib";
import { getUint64, latin1, viewOf } from "../base/bytes.ts";
import { SHF_COMPRESSED } from "./consts.ts";
import type { ElfFile } from "./reader.ts";

const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
/** ch_type u32, reserved u32, ch_size u64, ch_addralign u64. */
const CHDR_SIZE = 24;
/** Deflate cannot expand more than 1032 times; nobody has reason to go beyond that with zstd either. */
const MOST_EXPANSION = 1032;

/** A compressed section cannot be unpacked. */
export class CompressionError extends Error {}

/**
 * The content of section `index`, unpacked if it is compressed; otherwise a view of the file.
 * @throws CompressionError if the data is damaged, of an unknown kind, or would grow out of proportion.
 */
export async function sectionContent(file: ElfFile, index: number): Promise<Uint8Array> {
  const { sections } = file;
  const data = sections.data(index);
  const name = sections.name(index);
  if (sections.hasFlags(index, SHF_COMPRESSED)) {
    if (data.length < CHDR_SIZE) throw new CompressionError(`${name}: the compression header is cut off`);
    const view = viewOf(data);
    const type = view.getUint32(0, file.littleEndian);
    return unpack(name, type, data.subarray(CHDR_SIZE), getUint64(view, 8, file.littleEndian));
  }
  if (name.startsWith(".zdebug_") && latin1(data, 0, 4) === "ZLIB" && data.length >= 12) {
    return unpack(name, ELFCOMPRESS_ZLIB, data.subarray(12), getUint64(viewOf(data), 4, false));
  }
  return data;
}

/** @param size of the result in bytes, as the section states it. */
async function unpack(name: string, type: number, packed: Uint8Array, size: number): Promise<Uint8Array> {
  if (size > packed.length * MOST_EXPANSION + 1024) {
    throw new CompressionError(`${name}: ${packed.length} bytes cannot unpack to ${size}`);
  }
  try {
    const out = type === ELFCOMPRESS_ZLIB ? inflateSync(packed, { maxOutputLength: Math.max(1, size) }) : null;
    if (out !== null) return exactly(name, out, size);
    if (type === ELFCOMPRESS_ZSTD) return exactly(name, await unpackZstd(packed, size), size);
  } catch (error) {
    if (error instanceof CompressionError) throw error;
    throw new CompressionError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new CompressionError(`${name}: compression type ${type} is not known`);
}

async function unpackZstd(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { decompress } = await import("fzstd");
  // With a buffer of our own, the sizes in the frame headers allocate nothing.
  return decompress(packed, new Uint8Array(size));
}

function exactly(name: string, out: Uint8Array, size: number): Uint8Array {
  if (out.length !== size) throw new CompressionError(`${name}: unpacks to ${out.length} bytes, not ${size}`);
  return out;
}
