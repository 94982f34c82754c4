// Words of a command that is offered for copying.

import { isHidden } from "./visible.ts";

/**
 * A word as a POSIX shell takes it for this very text: quoted where it must be. Characters that a terminal must not get stand as bytes
 * in octal in `$'…'` (POSIX.1-2024, 2.2.4; bash, zsh, ksh and busybox have it, dash does not).
 */
export function shellWord(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return isHidden(text) ? `$'${escaped(text)}'` : `'${text.replace(/'/g, "'\\''")}'`;
}

function escaped(text: string): string {
  const bytesOf = (c: string): string => [...Buffer.from(c)].map((b) => `\\${b.toString(8).padStart(3, "0")}`).join("");
  return [...text].map((c) => (isHidden(c) ? bytesOf(c) : /['\\]/.test(c) ? `\\${c}` : c)).join("");
}

/** How messages name a file of the command line: as an argument, but for standard input and output (`<stdin>`). */
export const fileText = (path: string): string => (/^<std\w+>$/.test(path) ? path : shellFile(path));

/** A file's name as an argument: quoted where it must be, and never taken for an option. `-` alone is standard input. */
export const shellFile = (path: string): string =>
  shellWord(path.length > 1 && path.startsWith("-") ? `./${path}` : path);
