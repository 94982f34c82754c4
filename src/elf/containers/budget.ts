// How much may be unpacked: of each file sixteen times its size, for all that is inside it, however deep; and beyond that a part which all files
// of a run share.

/** What all files of a run may unpack to beyond that, bytes: small files with large tables of zeros. */
const FREE = 0x400_0000;
/**
 * The least part of it that a file has which is looked at by itself: in memory there are few of those at a time. Of Debian's modules
 * lib/test_bpf.ko needs most, 4.3 million bytes (6.12 and 7.2, xz).
 */
const LEAST_PART = 0x80_0000;
/** Kernels, modules with debug information and lists of symbols grow to four to ten times their size. */
const MOST_GROWTH = 16;
/** No array of bytes may be larger. The largest package of a kernel without debug information unpacks to a quarter of it, bytes. */
const MOST_UNPACKED = 0x7fff_ffff;

/** Bytes that so many packed ones may grow to, where no other file took of what they share. */
export const unpackedLimit = (packed: number): number => Math.min(MOST_UNPACKED, FREE + packed * MOST_GROWTH);

/** What the files of a run share. */
export class UnpackPool {
  #left: number;

  /** @param files that share it evenly, where each is looked at by itself: then it does not matter which comes first */
  constructor(files = 1) {
    this.#left = Math.max(LEAST_PART, Math.floor(FREE / files));
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#left;
  }

  take(bytes: number): void {
    this.#left -= bytes;
  }
}

/** The pools of files that were read, by their memory: parts of a file are in the same. */
const pools = new WeakMap<ArrayBufferLike, UnpackPool>();

/** Says what a file that was read shares with others. Without, it is a run of its own. */
export function shareUnpacking(bytes: Uint8Array, pool: UnpackPool): void {
  pools.set(bytes.buffer, pool);
}

function poolOf({ buffer }: Uint8Array): UnpackPool {
  let pool = pools.get(buffer);
  if (pool === undefined) {
    pool = new UnpackPool();
    pools.set(buffer, pool);
  }
  return pool;
}

/** Bytes that may still be unpacked of one file, for everything that comes out of it. */
export class UnpackBudget {
  #own: number;
  readonly #pool: UnpackPool;

  /** @param bytes the file @param packed how many of them count */
  constructor(bytes: Uint8Array, packed = bytes.length) {
    this.#own = packed * MOST_GROWTH;
    this.#pool = poolOf(bytes);
  }

  /** Bytes that are left. */
  get left(): number {
    return Math.min(MOST_UNPACKED, this.#own + this.#pool.left);
  }

  /** More bytes of the file count. */
  grow(packed: number): void {
    this.#own += packed * MOST_GROWTH;
  }

  /** Takes bytes away, of which there must be so many. */
  take(bytes: number): void {
    const own = Math.min(bytes, this.#own);
    this.#own -= own;
    this.#pool.take(bytes - own);
  }

  /** Takes what was unpacked, which shares what the file does. @returns it */
  taken(content: Uint8Array): Uint8Array {
    this.take(content.length);
    shareUnpacking(content, this.#pool);
    return content;
  }
}
