// Files packed with gzip, xz or zstd, as kernels and modules are installed.

import { gunzipSync } from "node:zlib";
import { BRANCH_FILTERS } from "./bcj.ts";
import { UnpackBudget, unpackedLimit } from "./budget.ts";
import { readXzForm, XZ_FILTERS, XZ_LZMA2 } from "./xz.ts";
import { XzBlockError, xzBlocks } from "./xzBlocks.ts";
import { loadZstd, unpackZstd, ZstdError } from "./zstd.ts";

export type Packing = "gzip" | "xz" | "zstd";

/** A packed file cannot be unpacked. */
export class PackedError extends Error {
  readonly packing: Packing;
  /** Whether the file may be sound, and only this program cannot read it. */
  readonly isOurs: boolean;
  /** Bytes that it may unpack to, where it unpacks to more; else null. */
  readonly limit: number | null;
  constructor(packing: Packing, what: string, isOurs = false, limit: number | null = null) {
    super(what);
    this.name = "PackedError";
    this.packing = packing;
    this.isOurs = isOurs;
    this.limit = limit;
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

/**
 * The content of a packed file; a file that is not packed comes back as it is.
 * @param size bytes that it unpacks to, where that is known from elsewhere; null: not known
 * @param budget what may be unpacked of the file that this one is in
 * @throws PackedError if it is damaged, is of another size, or grows out of proportion ({@link unpackedLimit}).
 */
export async function unpack(
  bytes: Uint8Array,
  size: number | null = null,
  budget = new UnpackBudget(bytes),
): Promise<Uint8Array> {
  const packing = packingOf(bytes);
  if (packing === null) return bytes;
  const limit = Math.min(unpackedLimit(bytes.length), budget.left);
  if (size !== null && size > limit) throw tooLarge(packing, limit);
  const content = await unpackAs(packing, bytes, size, size ?? limit);
  if (size !== null && content.length !== size)
    throw new PackedError(packing, `the ${packing} data unpack to ${content.length} bytes, not ${size}`);
  return budget.taken(content);
}

async function unpackAs(packing: Packing, bytes: Uint8Array, size: number | null, limit: number): Promise<Uint8Array> {
  try {
    switch (packing) {
      case "gzip":
        return gunzipSync(bytes, { maxOutputLength: Math.max(1, limit) });
      case "xz":
        return await unpackXz(bytes, limit);
      case "zstd":
        // Of known size at once, without the copying that a stream with a large window costs.
        return size === null ? await unpackZstd(bytes, limit) : (await loadZstd())(bytes, size);
    }
  } catch (error) {
    if (error instanceof PackedError) throw error;
    const isTooLarge = error instanceof ZstdError && error.isTooLarge;
    if (isTooLarge || (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(packing, limit);
    const unread = packing === "xz" ? unreadFilters(bytes) : null;
    if (unread !== null) throw new PackedError(packing, `the xz data use ${unread}, which klplink does not read`, true);
    throw new PackedError(packing, `the ${packing} data are damaged or cut off`);
  }
}

const tooLarge = (packing: Packing, limit: number): PackedError =>
  new PackedError(packing, `the ${packing} data unpack to more than ${limit} bytes`, false, limit);

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
    const [only] = this.#chunks;
    return only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks);
  }
}

/** The same where the size is known: written where they belong. */
class Filled {
  readonly #bytes: Uint8Array;
  readonly #packing: Packing;
  #size = 0;
  constructor(packing: Packing, size: number) {
    this.#bytes = new Uint8Array(size);
    this.#packing = packing;
  }
  add(chunk: Uint8Array): void {
    if (chunk.length > this.#bytes.length - this.#size) throw tooLarge(this.#packing, this.#bytes.length);
    this.#bytes.set(chunk, this.#size);
    this.#size += chunk.length;
  }
  join(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}

const filtersOf = (bytes: Uint8Array): number[] => (readXzForm(bytes)?.filters ?? []).filter((f) => f !== XZ_LZMA2);

/** Filters of an .xz file that are not known here; null if there are none. */
function unreadFilters(bytes: Uint8Array): string | null {
  const filters = filtersOf(bytes).filter((f) => BRANCH_FILTERS[f] === undefined);
  if (filters.length === 0) return null;
  return `${filters.map((f) => XZ_FILTERS[f] ?? `number ${f}`).join(" and ")} as a filter`;
}

/** The check that rpm has in its packages. */
const SHA256 = 10;

async function unpackXz(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const isPlain = filtersOf(bytes).length === 0 && readXzForm(bytes)?.check !== SHA256;
  if (isPlain || unreadFilters(bytes) !== null) return unpackLzma2(bytes, limit);
  const chunks = new Chunks("xz", limit);
  try {
    for (const block of xzBlocks(bytes)) {
      if (block.size > limit) throw tooLarge("xz", limit);
      const content = await unpackLzma2(block.plain, limit, block.size);
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

/** @param size bytes that it unpacks to, where the file tells; null: not known @throws PackedError if there are more */
async function unpackLzma2(bytes: Uint8Array, limit: number, size: number | null = null): Promise<Uint8Array> {
  const { XzReadableStream } = await import("xz-decompress");
  const chunks = size === null ? new Chunks("xz", limit) : new Filled("xz", size);
  const reader = new XzReadableStream(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as never).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return chunks.join();
      chunks.add(value);
    }
  } catch (error) {
    // The decoder is one for all: data that are left unread would keep it for ever.
    await reader.cancel().catch(() => {});
    throw error;
  }
}
