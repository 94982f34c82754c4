// A text of any length, piece by piece: whole lines in UTF-8.

import { ENCODING_BYTES, encodingOf } from "../../base/text.ts";

/** A line longer than this many bytes may be left out. */
export const LONGEST_LINE = 1 << 18;

const LF = 0x0a;
const CR = 0x0d;

/** Puts chunks together to blocks that end where a line does. */
class Blocks {
  /** What is not yet taken: the bytes up to `#filled`. */
  readonly #room = Buffer.alloc(4 * LONGEST_LINE);
  #start = 0;
  #filled = 0;
  /** The line at the end is too long, and what comes of it is dropped. */
  #isTooLong = false;
  readonly #take: (block: Uint8Array) => void;
  /** Lines that were left out. */
  left = 0;

  constructor(take: (block: Uint8Array) => void) {
    this.#take = take;
  }

  add(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#filled === this.#room.length) this.#makeRoom();
      const part = chunk.subarray(at, at + this.#room.length - this.#filled);
      this.#room.set(part, this.#filled);
      at += part.length;
      this.#grow(part.length);
    }
  }

  /** The line at the end, if none of its ends came. */
  end(): void {
    if (this.#filled > this.#start && !this.#isTooLong) this.#take(this.#room.subarray(this.#start, this.#filled));
  }

  #makeRoom(): void {
    this.#room.copyWithin(0, this.#start, this.#filled);
    this.#filled -= this.#start;
    this.#start = 0;
  }

  /** Takes the lines that `length` more bytes complete. */
  #grow(length: number): void {
    const room = this.#room;
    let end = this.#filled + length;
    const before = this.#filled;
    this.#filled = end;
    while (end > before && room[end - 1] !== LF && room[end - 1] !== CR) end--;
    if (end > before) {
      if (this.#isTooLong) {
        // Up to the first end, what came is still the line that is too long.
        let first = before;
        while (room[first] !== LF && room[first] !== CR) first++;
        this.#start = first + 1;
        this.#isTooLong = false;
      }
      if (end > this.#start) this.#take(room.subarray(this.#start, end));
      this.#start = end;
    }
    if (this.#isTooLong) this.#start = this.#filled;
    else if (this.#filled - this.#start > LONGEST_LINE) {
      this.#isTooLong = true;
      this.left++;
      this.#start = this.#filled;
    }
  }
}

/**
 * Calls `take` with blocks of whole lines of a text in UTF-8 or UTF-16 (base/text.ts), in UTF-8, in order; only the last may
 * lack its end. The bytes are valid during the call. Lines of more than LONGEST_LINE bytes may be left out.
 * @returns how many were
 */
export async function eachBlock(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  take: (block: Uint8Array) => void,
): Promise<number> {
  const blocks = new Blocks(take);
  let start: Uint8Array | null = Buffer.alloc(0);
  let decoder: InstanceType<typeof TextDecoder> | null = null;
  const begin = (bytes: Uint8Array): void => {
    const encoding = encodingOf(bytes);
    decoder = encoding === "utf-8" ? null : new TextDecoder(encoding);
    start = null;
    add(bytes);
  };
  const add = (bytes: Uint8Array): void => {
    blocks.add(decoder === null ? bytes : Buffer.from(decoder.decode(bytes, { stream: true })));
  };
  for await (const chunk of chunks) {
    if (start === null) add(chunk);
    else {
      start = Buffer.concat([start, chunk]);
      if (start.length >= ENCODING_BYTES) begin(start);
    }
  }
  if (start !== null) begin(start);
  const rest = (decoder as InstanceType<typeof TextDecoder> | null)?.decode();
  if (rest !== undefined) blocks.add(Buffer.from(rest));
  blocks.end();
  return blocks.left;
}
