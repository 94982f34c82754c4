// Standard output and standard error of the process. Node's own streams take as long to make as a small module takes to
// check; files and pipes are written to synchronously by them, and so they are here.

import { fstatSync, writeSync } from "node:fs";
import type { OutputStream } from "./context.ts";

/** st_rdev of /dev/null on Linux: character device 1, 3. */
const NULL_DEVICE = 0x103;

/** Whether the stream of the descriptor is made by Node: a terminal, or what cannot be looked at. */
function needsNode(fd: number): boolean {
  try {
    const there = fstatSync(fd);
    const isPlain = there.isFile() || there.isFIFO() || (there.isCharacterDevice() && there.rdev === NULL_DEVICE);
    return process.platform !== "linux" || !isPlain;
  } catch {
    return true;
  }
}

/**
 * Standard output (1) or standard error (2).
 * @param failed is told of each write that failed, once more than the writer
 */
export function outputStream(fd: 1 | 2, failed: (error: Error) => void): OutputStream {
  const ofNode = (): NodeJS.WriteStream & { fd: 1 | 2 } => {
    const stream = fd === 1 ? process.stdout : process.stderr;
    return stream.on("error", failed);
  };
  return needsNode(fd) ? ofNode() : new SynchronousStream(fd, failed, ofNode);
}

/** Whether all that was written to a stream has been taken: Node's own may still have to. */
export const isTaken = (stream: OutputStream): boolean => stream instanceof SynchronousStream && !stream.isWaiting;

class SynchronousStream implements OutputStream {
  readonly fd: number;
  readonly isTTY = false;
  readonly #failed: (error: Error) => void;
  readonly #ofNode: () => OutputStream;
  /** Takes what is left, once the descriptor is found to be one that does not wait. */
  #waiting: OutputStream | null = null;

  constructor(fd: number, failed: (error: Error) => void, ofNode: () => OutputStream) {
    this.fd = fd;
    this.#failed = failed;
    this.#ofNode = ofNode;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  write(data: string | Uint8Array, done: (error?: Error | null) => void = () => {}): boolean {
    if (this.#waiting !== null) return this.#waiting.write(data, done);
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
        this.#waiting = this.#ofNode();
        return this.#waiting.write(bytes.subarray(at), done);
      }
      process.nextTick(() => {
        done(error as Error);
        this.#failed(error as Error);
      });
      return true;
    }
    process.nextTick(done);
    return true;
  }

  // Errors go to `done` and `failed`.
  once(): void {}
  off(): void {}
}
