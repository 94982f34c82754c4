// Standard input: where it is a file, read at once in large pieces; else Node's own stream.

import { fstatSync, readSync } from "node:fs";
import type { InputStream } from "./context.ts";

const STDIN = 0;
const PIECE = 1 << 18;

export const inputStream = (): InputStream => (isFile() ? new FileStream(STDIN) : process.stdin);

function isFile(): boolean {
  try {
    return fstatSync(STDIN).isFile();
  } catch {
    // It is closed, which Node's stream says.
    return false;
  }
}

/** A file from where its descriptor stands. */
export class FileStream implements InputStream {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  *pieces(): Generator<Uint8Array> {
    const room = Buffer.alloc(PIECE);
    for (let count = -1; count !== 0; ) {
      count = readSync(this.#fd, room, 0, PIECE, null);
      if (count > 0) yield room.subarray(0, count);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (const piece of this.pieces()) yield Buffer.from(piece);
  }
}
