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

/** Counts the steps of the work on one input. */
export class Work {
  #left: number;
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#left = FREE + PER_BYTE * bytes;
  }

  /** @param what is being done, in the words of {@link TooMuchWork} @throws TooMuchWork */
  take(steps: number, what: string): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TooMuchWork(this.#path, what, this.#bytes);
  }
}
