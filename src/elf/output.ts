import {
  type BigIntStats,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writevSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { append } from "../base/lists.ts";
import { copyAttributes } from "./attributes.ts";
import { type FileState, isSameState } from "./regularFile.ts";
import { forget, openTemporary, uninterrupted } from "./temporary.ts";

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
 * @param bytes in one, or in pieces @param mode permission bits, as of the input.
 * @throws OutputError
 */
export function writeWhole(path: string, bytes: Uint8Array | readonly Uint8Array[], mode: number): void {
  const pieces = bytes instanceof Uint8Array ? [bytes] : bytes;
  let target = path;
  try {
    const there = statSync(path);
    if (there.isDirectory()) throw new OutputError(path, "it is a folder");
    if (!there.isFile()) {
      const fd = openSync(path, "w");
      try {
        writeAll(fd, pieces);
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
  uninterrupted(() => putInPlace(path, target, pieces, (fd) => fchmodSync(fd, mode & 0o777)));
}

/** What {@link replaceWhole} could not keep. */
export interface NotKept {
  /** Other names of the file (hard links), which keep the old content. */
  readonly otherNames: number;
  /** In words: `its owner`, `the attribute user.x`. */
  readonly lost: readonly string[];
}

/**
 * Puts new content in a file's place, whole or not at all, as {@link writeWhole}: a new file with the owner, group, mode, extended
 * attributes and ACLs of the old one, as far as that is possible.
 * @throws OutputError also if the file is not as it was when it was read
 */
export function replaceWhole(path: string, bytes: Uint8Array, before: FileState): NotKept {
  let target: string;
  let there: BigIntStats;
  try {
    target = realpathSync(path);
    there = statSync(target, { bigint: true });
  } catch (error) {
    throw new OutputError(path, reason(error));
  }
  if (!isSameState(there, before)) throw new OutputError(path, "it changed after it was read");
  const lost: string[] = [];
  uninterrupted(() =>
    putInPlace(path, target, [bytes], (fd, temporary) => {
      append(lost, keepOwner(fd, there));
      append(lost, copyAttributes(target, temporary));
      // Last: a change of the owner takes special bits away.
      fchmodSync(fd, Number(there.mode & 0o7777n));
      if (!isSameState(statSync(target, { bigint: true }), before))
        throw new OutputError(path, "it changed after it was read");
    }),
  );
  return { otherNames: Number(there.nlink) - 1, lost };
}

/** What of owner and group could not be kept. */
function keepOwner(fd: number, { uid, gid }: BigIntStats): string[] {
  const made = fstatSync(fd, { bigint: true });
  const lost: string[] = [];
  for (const [what, is, user, group] of [
    ["its group", made.gid === gid, -1, Number(gid)],
    ["its owner", made.uid === uid, Number(uid), -1],
  ] as const) {
    if (is) continue;
    try {
      fchownSync(fd, user, group);
    } catch {
      lost.push(what);
    }
  }
  return lost;
}

/** Writes beside the target, syncs, renames. @param prepare the open file, before it is renamed @throws OutputError */
function putInPlace(
  path: string,
  target: string,
  pieces: readonly Uint8Array[],
  prepare: (fd: number, path: string) => void,
): void {
  let temporary: string | null = null;
  let fd: number | null = null;
  try {
    ({ fd, path: temporary } = openTemporary(dirname(target)));
    writeAll(fd, pieces);
    prepare(fd, temporary);
    fsyncSync(fd);
    closeSync(fd);
    fd = null;
    renameSync(temporary, target);
  } catch (error) {
    if (fd !== null) closeSync(fd);
    if (temporary !== null) removeIfThere(temporary);
    if (error instanceof OutputError) throw error;
    const folder = dirname(target);
    const isRefused = (error as NodeJS.ErrnoException).code === "ENOENT" && existsSync(folder);
    throw new OutputError(path, isRefused ? `no file can be made in ${folder}` : reason(error));
  } finally {
    if (temporary !== null) forget(temporary);
  }
  syncFolder(dirname(target));
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

function writeAll(fd: number, pieces: readonly Uint8Array[]): void {
  for (let left = behind(pieces, 0); left.length > 0; ) left = behind(left, writevSync(fd, left));
}

/** What is left of pieces behind so many bytes. */
export function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let over = bytes;
  return pieces.flatMap((piece) => {
    const rest = piece.subarray(Math.min(over, piece.length));
    over -= piece.length - rest.length;
    return rest.length === 0 ? [] : [rest];
  });
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
