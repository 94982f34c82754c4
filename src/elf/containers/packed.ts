// Files packed with gzip, xz or zstd, as kernels and modules are installed.

import { gunzipSync } from "node:zlib";
import { readXzForm, XZ_FILTERS, XZ_LZMA2 } from "./xz.ts";

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
 * @throws PackedError if it is damaged, or grows out of proportion ({@link unpackedLimit}).
 */
export async function unpack(bytes: Uint8Array): Promise<Uint8Array> {
  const packing = packingOf(bytes);
  if (packing === null) return bytes;
  const limit = unpackedLimit(bytes.length);
  try {
    switch (packing) {
      case "gzip":
        return gunzipSync(bytes, { maxOutputLength: limit });
      case "xz":
        return await unpackXz(bytes, limit);
      case "zstd":
        return await unpackZstd(bytes, limit);
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

/** Filters of an .xz file besides LZMA2, which is all that the decoder here knows; null if there are none. */
function unreadFilters(bytes: Uint8Array): string | null {
  const filters = (readXzForm(bytes)?.filters ?? []).filter((f) => f !== XZ_LZMA2);
  if (filters.length === 0) return null;
  return `${filters.map((f) => XZ_FILTERS[f] ?? `number ${f}`).join(" and ")} as a filter`;
}

async function unpackXz(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
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
