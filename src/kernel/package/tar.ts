// tar archives: POSIX.1-2017 (pax, ustar) and GNU's long names (tar's manual, "Basic Tar Format").

import { latin1 } from "../../base/bytes.ts";
import { ArchiveError, type ArchiveFile, LONGEST_NAME, MOST_FILES, partOf, plainName } from "./archive.ts";

const BLOCK = 512;

/** Whether the bytes begin like a tar archive with a magic: all that packages hold have one. */
export const isTar = (bytes: Uint8Array): boolean => bytes.length >= BLOCK && latin1(bytes, 257, 262) === "ustar";

/** The regular files in their order; a hard link has the bytes of the file that it is to. @throws ArchiveError */
export function* tarFiles(bytes: Uint8Array): Generator<ArchiveFile> {
  const seen = new Map<string, Uint8Array>();
  let longName: string | null = null;
  let longSize: number | null = null;
  let at = 0;
  for (let count = 0; bytes.length - at >= BLOCK; count++) {
    if (count > MOST_FILES) throw new ArchiveError(at, `more than ${MOST_FILES} entries`);
    // A block of zeros ends it.
    if (isZero(bytes, at)) return;
    checkSum(bytes, at);
    const type = latin1(bytes, at + 156, at + 157);
    const size = longSize ?? numberAt(bytes, at + 124, 12);
    const name: string = longName ?? plainName(nameAt(bytes, at));
    const content = partOf(bytes, at + BLOCK, size, name);
    const link = text(bytes.subarray(at + 157, at + 257));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L") {
      longName = plainName(text(content.subarray(0, LONGEST_NAME)));
      continue;
    }
    if (type === "x") {
      const told = paxRecords(content);
      const path = told.get("path");
      if (path !== undefined) longName = plainName(path);
      const told64 = told.get("size");
      if (told64 !== undefined && /^\d{1,15}$/.test(told64)) longSize = Number(told64);
      continue;
    }
    if (type === "g" || type === "K") continue;
    longName = null;
    longSize = null;
    if (type === "1") {
      const target = seen.get(plainName(link));
      if (target !== undefined) yield { name, bytes: target };
      continue;
    }
    if (type !== "0" && type !== "\0" && type !== "7") continue;
    seen.set(name, content);
    yield { name, bytes: content };
  }
  if (at < bytes.length) throw new ArchiveError(at, "the archive is cut off");
}

const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return latin1(bytes, 0, end < 0 ? bytes.length : end);
};

function nameAt(bytes: Uint8Array, at: number): string {
  const name = text(bytes.subarray(at, at + 100));
  // GNU's own form has times where ustar has the first part of the name.
  const isUstar = latin1(bytes, at + 257, at + 263) === "ustar\0";
  const prefix = isUstar ? text(bytes.subarray(at + 345, at + 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** An octal number, or (GNU) a binary one with bit 7 of its first byte set. @throws ArchiveError */
function numberAt(bytes: Uint8Array, at: number, length: number): number {
  if (((bytes[at] ?? 0) & 0x80) !== 0) {
    let value = (bytes[at] ?? 0) & 0x7f;
    for (let k = 1; k < length; k++) value = value * 256 + (bytes[at + k] ?? 0);
    return value;
  }
  const digits = text(bytes.subarray(at, at + length)).trim();
  if (!/^[0-7]*$/.test(digits)) throw new ArchiveError(at, "a size is not a number");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function checkSum(bytes: Uint8Array, at: number): void {
  let sum = 8 * 32;
  for (let k = 0; k < BLOCK; k++) if (k < 148 || k >= 156) sum += bytes[at + k] ?? 0;
  if (sum !== numberAt(bytes, at + 148, 8)) throw new ArchiveError(at, "a header's checksum is wrong");
}

function isZero(bytes: Uint8Array, at: number): boolean {
  for (let k = 0; k < BLOCK; k++) if (bytes[at + k] !== 0) return false;
  return true;
}

/** Records `LENGTH KEY=VALUE\n`; one that is damaged ends them. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  const all = Buffer.from(bytes.subarray(0, 16 * LONGEST_NAME)).toString("latin1");
  for (let at = 0; at < all.length; ) {
    const match = /^(\d{1,6}) ([^=\n]+)=/.exec(all.slice(at, at + 100));
    const length = Number(match?.[1] ?? 0);
    if (match === null || length <= match[0].length || all[at + length - 1] !== "\n") break;
    found.set(match[2] ?? "", all.slice(at + match[0].length, at + length - 1));
    at += length;
  }
  return found;
}
