// How much work an input may make: in proportion to its size. Where pieces of an input are compared with one another, a file that is made
// for it could have any number of them compared.

/** Steps that any input may take, and those for each of its bytes. Objects of kernels take about ten a byte. */
const FREE = 1 << 28;
const PER_BYTE = 256;

/** An input takes more work than is in proportion to its size. */
export class TooMuchWork extends Error {
  readonly path: string;
  /** What was being done: `pairing functions`. */
  readonly what: string;
  /** Bytes of the input. */
  readonly bytes: number;
  constructor(path: string, what: string, bytes: number) {
    super(`${path}: ${what} takes more work than is in proportion to ${bytes} bytes`);
    this.name = "TooMuchWork";
    this.path = path;
    this.what = what;
    this.bytes = bytes;
  }
}

/** Steps that several inputs share, beside those for the bytes of each: very many small ones have no more of them than one. */
export class WorkPool {
  #left = FREE;

  /** Whether there were so many. */
  take(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }
}

/** Counts the steps of the work on one input. */
export class Work {
  /** Of those for its bytes. */
  #own: number;
  readonly #path: string;
  readonly #bytes: number;
  readonly #pool: WorkPool;

  /** @param pool what it shares with others; without, it is alone */
  constructor(path: string, bytes: number, pool = new WorkPool()) {
    this.#path = path;
    this.#bytes = bytes;
    this.#own = PER_BYTE * bytes;
    this.#pool = pool;
  }

  /** @param steps infinity: this input is given up, which takes nothing from others @param what is being done, in the words of {@link TooMuchWork} @throws TooMuchWork */
  take(steps: number, what: string): void {
    if (steps === Number.POSITIVE_INFINITY) throw new TooMuchWork(this.#path, what, this.#bytes);
    const own = Math.min(steps, this.#own);
    this.#own -= own;
    if (steps > own && !this.#pool.take(steps - own)) throw new TooMuchWork(this.#path, what, this.#bytes);
  }
}
