// How much may be unpacked: one budget for all that is inside one file, however deep.

/** What anything may unpack to, bytes. */
const FREE = 0x400_0000;
/** Kernels, modules with debug information and lists of symbols grow to four to ten times their size. */
const MOST_GROWTH = 16;

/** Bytes that so many packed ones may grow to. */
export const unpackedLimit = (packed: number): number => Math.min(MOST_UNPACKED, FREE + packed * MOST_GROWTH);

/** More would be unpacked than is allowed. */
class BudgetError extends Error {}

/** Bytes that may still be unpacked. Shared by everything that comes out of one file. */
export class UnpackBudget {
  #left: number;
  readonly #whole: number;

  /** @param bytes that may be unpacked in all */
  constructor(bytes: number = MOST_UNPACKED) {
    this.#left = bytes;
    this.#whole = bytes;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#left;
  }

  /** Takes bytes away that were unpacked. @throws BudgetError if there are not so many */
  take(bytes: number): void {
    if (bytes > this.#left) throw new BudgetError(`more than ${this.#whole} bytes would be unpacked`);
    this.#left -= bytes;
  }
}

/** The largest package of a kernel without debug information unpacks to a quarter of it, bytes. */
const MOST_UNPACKED = 0x7fff_ffff;
