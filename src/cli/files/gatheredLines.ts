// Lines of many results: a write of its own for each takes as long as a tenth of a small module's check.

import type { OutputStream } from "../context.ts";
import { write } from "./io.ts";

/** Milliseconds that a line may wait for others; nobody sees the difference. */
const LONGEST_WAIT = 100;
/** Characters that are written at once. */
const MOST = 1 << 16;

/** Lines for a stream, written some at once; to a terminal one after the other. */
export class GatheredLines {
  readonly #stream: OutputStream;
  #text = "";
  /** When the first of those that wait came. */
  #since = 0;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  add(line: string): void {
    if (this.#text === "") this.#since = performance.now();
    this.#text += line;
  }

  /** Whether they are to be written before more come. */
  get areDue(): boolean {
    if (this.#text === "") return false;
    const { length } = this.#text;
    return this.#stream.isTTY === true || length >= MOST || performance.now() - this.#since >= LONGEST_WAIT;
  }

  /** Writes what waits. @throws InputProblem as {@link write} does */
  async give(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await write(this.#stream, text);
  }
}
