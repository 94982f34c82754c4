import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** Why an output file could not be written; nothing has been changed. */
export class OutputError extends Error {
  readonly path: string;
  constructor(path: string, why: string) {
    super(why);
    this.name = "OutputError";
    this.path = path;
  }
}

/** Whether two paths name the same file, through links of either kind. False if either does not exist. */
export function isSameFile(a: string, b: string): boolean {
  try {
    const x = statSync(a, { bigint: true });
    const y = statSync(b, { bigint: true });
    return x.dev === y.dev && x.ino === y.ino;
  } catch {
    return false;
  }
}

/**
 * Writes a file so that it appears whole or not at all: a temporary file in the same folder, fsync, rename.
 * A symbolic link at `path` is followed. A path that is not a regular file (a pipe, /dev/stdout) is written directly.
 * @param mode permission bits, as of the input.
 * @throws OutputError
 */
export function writeWhole(path: string, bytes: Uint8Array, mode: number): void {
  let target = path;
  try {
    const there = statSync(path);
    if (there.isDirectory()) throw new OutputError(path, "it is a folder");
    if (!there.isFile()) {
      const fd = openSync(path, "w");
      try {
        writeAll(fd, bytes);
      } finally {
        closeSync(fd);
      }
      return;
    }
    // Only now: /dev/stdout leads to a pipe or a terminal by a link that names no path.
    target = realpathSync(path);
  } catch (error) {
    if (error instanceof OutputError) throw error;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new OutputError(path, reason(error));
    target = followLinks(path);
  }
  let temporary: string | null = null;
  let fd: number | null = null;
  try {
    ({ fd, path: temporary } = openTemporary(dirname(target)));
    writeAll(fd, bytes);
    fchmodSync(fd, mode & 0o777);
    fsyncSync(fd);
    closeSync(fd);
    fd = null;
    renameSync(temporary, target);
  } catch (error) {
    if (fd !== null) closeSync(fd);
    if (temporary !== null) removeIfThere(temporary);
    const folder = dirname(target);
    const isRefused = (error as NodeJS.ErrnoException).code === "ENOENT" && existsSync(folder);
    throw new OutputError(path, isRefused ? `no file can be made in ${folder}` : reason(error));
  }
  syncFolder(dirname(target));
}

/** A new file in `folder`. What a killed run left behind stays: it may be another one's that still runs. */
function openTemporary(folder: string): { readonly fd: number; readonly path: string } {
  for (let n = 0; ; n++) {
    const path = join(folder, `.klplink-${process.pid}-${n}.tmp`);
    try {
      return { fd: openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || n >= 1000) throw error;
    }
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Renamed already, or out of reach.
  }
}

/** The file that a symbolic link, or a chain of them, names; it need not be there. */
function followLinks(path: string): string {
  let at = path;
  for (let n = 0; n < 40; n++) {
    try {
      at = join(realpathSync(dirname(at)), basename(at));
      at = resolve(dirname(at), readlinkSync(at));
    } catch {
      return at;
    }
  }
  return at;
}

/** Makes the rename itself durable, where the system lets a folder be synced. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Not possible on every system; the file itself is complete.
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Why the system did not take an output, in words. */
export function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "ENOENT":
      return "no such folder";
    case "ENOSPC":
      return "no space left";
    case "EROFS":
      return "the file system is read-only";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "ENAMETOOLONG":
      return "the name is too long";
    case "EFBIG":
      return "it would be larger than the limit for files (ulimit -f)";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
