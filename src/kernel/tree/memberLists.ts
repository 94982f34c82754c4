// Which objects a module, or the kernel, is made of: `NAME.mod`, and archives that name their members only.

import { latin1 } from "../../base/bytes.ts";

/** The objects that a `.mod` file lists. Since 6.0 one a line; before that all in one, with symbols in the next. */
export const readModuleList = (text: string): string[] => text.split(/\s+/).filter((word) => word.endsWith(".o"));

const THIN = "!<thin>\n";
/** No path is longer than this; bytes. */
const MOST_OF_NAME = 4096;
/** Bytes of a member's header, and the offsets in it of its name and of its size (ar(5)). */
const HEADER = { size: 60, name: 16, length: 48, lengthEnd: 58 } as const;

/**
 * Names of the members of a thin archive (built-in.a, vmlinux.a, lib.a), relative to its folder. Null if the bytes are not a thin archive;
 * what is cut off ends the list.
 */
export function readThinArchive(bytes: Uint8Array): string[] | null {
  if (latin1(bytes, 0, Math.min(THIN.length, bytes.length)) !== THIN) return null;
  const members: string[] = [];
  let names = "";
  for (let at = THIN.length; at + HEADER.size <= bytes.length; ) {
    const name = latin1(bytes, at, at + HEADER.name).trimEnd();
    const length = Number(latin1(bytes, at + HEADER.length, at + HEADER.lengthEnd).trim());
    at += HEADER.size;
    const isIndex = name === "/" || name === "/SYM64/";
    if (isIndex || name === "//") {
      // These alone have a content in a thin archive.
      if (!Number.isSafeInteger(length) || length < 0) return members;
      if (name === "//") names = latin1(bytes, Math.min(at, bytes.length), Math.min(at + length, bytes.length));
      at += length + (length % 2);
      continue;
    }
    // GNU ar ends some of the long ones' offsets with a slash at the end of the field.
    const offset = /^\/(\d+) *\/?$/.exec(name)?.[1];
    if (offset === undefined) {
      members.push(name.replace(/\/$/, ""));
      continue;
    }
    const long = names.slice(Number(offset), Number(offset) + MOST_OF_NAME);
    const end = long.indexOf("/\n");
    if (end >= 0) members.push(long.slice(0, end));
  }
  return members;
}
