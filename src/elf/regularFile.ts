// Input files: regular ones, whole, as they were at one time. A device may never end, and opening a pipe may wait for ever.

import { type BigIntStats, closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";

/** A file cannot be an input: it is none, or it is written to meanwhile. */
export class InputError extends Error {
  readonly fault: "not regular" | "changed";
  /** As the system's own errors have one. */
  readonly code = "EINVAL";
  constructor(fault: InputError["fault"], what: string) {
    super(what);
    this.name = "InputError";
    this.fault = fault;
  }
}

/** What tells one state of a file from another. */
export interface FileState {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

export const isSameState = (a: FileState, b: FileState): boolean =>
  a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs;

/** A descriptor that the caller's own shell opened, as for `-k <(command)`. */
const OWN_DESCRIPTOR = /^\/(?:dev|proc\/self)\/fd\/\d+$/;

/** What a path names that is not a regular file; null if it is one, or a folder, whose reading fails by itself. */
function otherKind(there: BigIntStats): string | null {
  if (there.isFIFO()) return "it is a pipe (FIFO)";
  if (there.isSocket()) return "it is a socket";
  return there.isCharacterDevice() || there.isBlockDevice() ? "it is a device" : null;
}

/** Opens a regular file for reading; nothing waits. @throws InputError, and the system's errors */
export const openRegular = (path: string): number => openStated(path).fd;

/** As {@link openRegular}, with the file's state. */
function openStated(path: string): { readonly fd: number; readonly there: BigIntStats } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  const there = fstatSync(fd, { bigint: true });
  const kind = otherKind(there);
  if (kind === null) return { fd, there };
  closeSync(fd);
  throw new InputError("not regular", kind);
}

/** Larger files are for Node to refuse, in its own words. */
const LARGEST = 1n << 31n;

/** Memory that files are read to one after the other: fresh pages for each cost more than reading it. */
export class ReadingRoom {
  #bytes = new Uint8Array(0);

  /** Room for so many bytes, which hold anything; the same as before unless it is too small. */
  take(size: number): Uint8Array {
    if (size > MOST_ROOM) return new Uint8Array(size);
    if (size > this.#bytes.length) this.#bytes = new Uint8Array(Math.max(LEAST_ROOM, 2 ** Math.ceil(Math.log2(size))));
    return this.#bytes.subarray(0, size);
  }
}

/** Bytes. */
const LEAST_ROOM = 1 << 20;
const MOST_ROOM = 1 << 25;

/** What a file of a size holds, in memory of its own or a room: not a Buffer, and not copied. What the kernel makes up has no size. */
function bytesOf(fd: number, size: bigint, room: ReadingRoom | null): Uint8Array {
  if (size === 0n || size >= LARGEST) return new Uint8Array(readFileSync(fd));
  const bytes = room?.take(Number(size)) ?? new Uint8Array(Number(size));
  let filled = 0;
  while (filled < bytes.length) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, null);
    // It has become shorter, which its state tells.
    if (count === 0) return bytes.subarray(0, filled);
    filled += count;
  }
  return bytes;
}

/** Whether a path leads to a regular file: what else has its name, a pipe or a folder, counts as not there. */
export function isRegular(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The bytes of a regular file. A pipe is read only if it is a descriptor of this process's own (/dev/fd/63), which a shell made for it.
 * @param whileOpen called once all is read, before the file is looked at again @param room where it is read to; null: memory of its own
 * @throws InputError, and the system's errors
 */
export function readRegular(
  path: string,
  { whileOpen = () => {}, room = null }: { readonly whileOpen?: () => void; readonly room?: ReadingRoom | null } = {},
): { readonly bytes: Uint8Array; readonly state: FileState; readonly mode: number } {
  const isPipe = OWN_DESCRIPTOR.test(path) && statSync(path).isFIFO();
  const { fd, there } = isPipe ? { fd: openSync(path, "r"), there: null } : openStated(path);
  try {
    const before = there ?? fstatSync(fd, { bigint: true });
    const bytes = before.isFile() ? bytesOf(fd, before.size, room) : new Uint8Array(readFileSync(fd));
    whileOpen();
    const after = fstatSync(fd, { bigint: true });
    // What the kernel makes up while it is read has no size.
    if (before.isFile() && before.size > 0n && !isSameState(before, after)) {
      throw new InputError("changed", "it changed while it was read");
    }
    return { bytes, state: before, mode: Number(before.mode & 0o777n) };
  } finally {
    closeSync(fd);
  }
}

/**
 * What `look` finds in parts of a regular file. One that goes beyond the file's end is shorter.
 * @throws InputError, and the system's errors
 */
export function inParts<T>(path: string, look: (read: (start: number, length: number) => Uint8Array) => T): T {
  const fd = openRegular(path);
  try {
    return look((start, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, start));
    });
  } finally {
    closeSync(fd);
  }
}
