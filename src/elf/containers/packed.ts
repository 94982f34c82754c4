// Files packed with gzip, xz or zstd, as kernels and modules are installed.

import { gunzipSync } from "node:zlib";
import { BRANCH_FILTERS } from "./bcj.ts";
import { readXzForm, XZ_FILTERS, XZ_LZMA2 } from "./xz.ts";
import { XzBlockError, xzBlocks } from "./xzBlocks.ts";

export type Packing = "gzip" | "xz" | "zstd";

/** A packed file cannot be unpacked. */
export class PackedError extends Error {
  readonly packing: Packing;
  /** Whether the file may be sound, and only this program cannot read it. */
  readonly isOurs: boolean;
  constructor(packing: Packing, what: string, isOurs = false) {
    super(what);
    this.name = "PackedError";
    this.packing = packing;
    this.isOurs = isOurs;
  }
}

const starts = (bytes: Uint8Array, ...magic: readonly number[]): boolean =>
  bytes.length >= magic.length && magic.every((b, i) => bytes[i] === b);

/** How a file is packed, by its first bytes; null if it is not. */
export function packingOf(bytes: Uint8Array): Packing | null {
  if (starts(bytes, 0x1f, 0x8b, 8)) return "gzip";
  if (starts(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) return "xz";
  return starts(bytes, 0x28, 0xb5, 0x2f, 0xfd) ? "zstd" : null;
}

/** Bytes that a packed file may grow to: kernels and symbol lists stay far below a thousandfold. */
export function unpackedLimit(packedSize: number): number {
  return Math.min(0x7fff_ffff, Math.max(0x400_0000, packedSize * 1000));
}

/**
 * The content of a packed file; a file that is not packed comes back as it is.
 * @param size bytes that it unpacks to, where that is known from elsewhere; null: not known
 * @throws PackedError if it is damaged, is of another size, or grows out of proportion ({@link unpackedLimit}).
 */
export async function unpack(bytes: Uint8Array, size: number | null = null): Promise<Uint8Array> {
  const packing = packingOf(bytes);
  if (packing === null) return bytes;
  if (size !== null && size > unpackedLimit(bytes.length)) throw tooLarge(packing, unpackedLimit(bytes.length));
  const content = await unpackAs(packing, bytes, size);
  if (size !== null && content.length !== size)
    throw new PackedError(packing, `the ${packing} data unpack to ${content.length} bytes, not ${size}`);
  return content;
}

async function unpackAs(packing: Packing, bytes: Uint8Array, size: number | null): Promise<Uint8Array> {
  const limit = size ?? unpackedLimit(bytes.length);
  try {
    switch (packing) {
      case "gzip":
        return gunzipSync(bytes, { maxOutputLength: limit });
      case "xz":
        return await unpackXz(bytes, limit);
      case "zstd":
        return size === null ? await unpackZstd(bytes, limit) : await unpackZstdOf(bytes, size);
    }
  } catch (error) {
    if (error instanceof PackedError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(packing, limit);
    const unread = packing === "xz" ? unreadFilters(bytes) : null;
    if (unread !== null) throw new PackedError(packing, `the xz data use ${unread}, which klplink does not read`, true);
    throw new PackedError(packing, `the ${packing} data are damaged or cut off`);
  }
}

const tooLarge = (packing: Packing, limit: number): PackedError =>
  new PackedError(packing, `the ${packing} data unpack to more than ${limit} bytes`);

/** Joins chunks and stops when there are too many. */
class Chunks {
  readonly #chunks: Uint8Array[] = [];
  readonly #packing: Packing;
  readonly #limit: number;
  #size = 0;
  constructor(packing: Packing, limit: number) {
    this.#packing = packing;
    this.#limit = limit;
  }
  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#limit) throw tooLarge(this.#packing, this.#limit);
    this.#chunks.push(chunk);
  }
  join(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

const filtersOf = (bytes: Uint8Array): number[] => (readXzForm(bytes)?.filters ?? []).filter((f) => f !== XZ_LZMA2);

/** Filters of an .xz file that are not known here; null if there are none. */
function unreadFilters(bytes: Uint8Array): string | null {
  const filters = filtersOf(bytes).filter((f) => BRANCH_FILTERS[f] === undefined);
  if (filters.length === 0) return null;
  return `${filters.map((f) => XZ_FILTERS[f] ?? `number ${f}`).join(" and ")} as a filter`;
}

async function unpackXz(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  if (filtersOf(bytes).length === 0 || unreadFilters(bytes) !== null) return unpackLzma2(bytes, limit);
  const chunks = new Chunks("xz", limit);
  try {
    for (const block of xzBlocks(bytes)) {
      if (block.size > limit) throw tooLarge("xz", limit);
      const content = await unpackLzma2(block.plain, limit);
      if (content.length !== block.size) throw new XzBlockError("a block is damaged");
      block.finish(content);
      chunks.add(content);
    }
  } catch (error) {
    if (!(error instanceof XzBlockError)) throw error;
    throw new PackedError("xz", `the xz data are damaged: ${error.message}`);
  }
  return chunks.join();
}

async function unpackLzma2(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const { XzReadableStream } = await import("xz-decompress");
  const chunks = new Chunks("xz", limit);
  const reader = new XzReadableStream(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as never).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks.join();
    chunks.add(new Uint8Array(value));
  }
}

async function unpackZstd(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const claimed = zstdWindow(bytes);
  if (claimed > limit) throw tooLarge("zstd", limit);
  const { Decompress } = await import("fzstd");
  const chunks = new Chunks("zstd", limit);
  let finished = false;
  const stream = new Decompress((chunk, isLast) => {
    chunks.add(new Uint8Array(chunk));
    finished ||= isLast === true;
  });
  const step = 0x1_0000;
  for (let at = 0; at < bytes.length; at += step) {
    stream.push(bytes.subarray(at, at + step), at + step >= bytes.length);
  }
  if (!finished) throw new PackedError("zstd", "the zstd data are cut off");
  return chunks.join();
}

/** One frame of known size, without the copying that a stream with a large window costs. */
async function unpackZstdOf(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const zlib: object & { zstdDecompressSync?: (from: Uint8Array, options: object) => Uint8Array } = (
    await import("node:zlib")
  ).default;
  // Node.js 22.15 and later has it built in; parameter 100 is the largest window (ZSTD_d_windowLogMax), here 2 GiB.
  if (zlib.zstdDecompressSync !== undefined)
    return zlib.zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, size), params: { 100: 31 } });
  const { decompress } = await import("fzstd");
  return decompress(bytes, new Uint8Array(size));
}

/** Bytes of history that the first frame asks for (RFC 8878, 3.1.1.1): allocated before anything is unpacked. */
export function zstdWindow(bytes: Uint8Array): number {
  const descriptor = bytes[4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  if (!isSingle) {
    const window = bytes[5] ?? 0;
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 7);
  }
  const start = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const size = [1, 2, 4, 8][descriptor >> 6] ?? 0;
  let claimed = size === 2 ? 256 : 0;
  for (let k = 0; k < size; k++) claimed += (bytes[start + k] ?? 0) * 2 ** (8 * k);
  return claimed;
}
