// From the form of a message to the pattern of its lines.

import type { LineField, Message } from "./define.ts";

const PATTERNS: Readonly<Record<LineField, string>> = {
  module: "[\\w-]+",
  symbol: "[^\\s']+",
  word: "[0-9a-f]{8}",
  type: "\\d+",
  value: "-?(?:0x)?[0-9a-f]+",
  address: "(?:\\(____ptrval____\\)|[^\\s+]+\\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?|ADDRESS|(?:0x)?[0-9a-f]+)(?: \\[\\w+\\])?",
  errno: "-?\\d+",
  section: "\\S+",
  sectionIndex: "\\d+",
  row: "\\d+",
  object: "[^\\s']+",
  name: "[^']+?",
  number: "-?\\d+",
  text: ".*?",
};

/** `pr_fmt` of the files that print them. Some lines of dmesg have none, and some loggers cut it. */
export const PREFIX =
  "(?:(?:module_64|module|Modules|kmod|livepatch|ftrace-powerpc|ftrace|x86/modules|kobject|kpatch|traps|SMP alternatives|alternatives|vmalloc|PKCS7|asymmetric|init): )*";

export interface Shown {
  readonly message: Message;
  readonly form: string;
  /** The form, or what is left of it. */
  readonly shown: string;
}

/** The pattern of a form, or a part of it; `open` gives what opens the group of a field. */
export function patternOf(part: string, open: (field: LineField) => string): string {
  return part
    .split(/\{(\w+)\}/)
    .map((piece, i) => {
      if (i % 2 === 0) return piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return `${open(piece as LineField)}${PATTERNS[piece as LineField]})`;
    })
    .join("");
}

/** What a line must have to be of a form, cut or not: all of these whole words, and this text. */
export interface Need {
  readonly words: readonly string[];
  readonly piece: string;
}

/** The longest part of a form that is the kernel's own. */
export const longestPiece = (shown: string): string =>
  shown.split(/\{\w+\}/).reduce((longest, piece) => (piece.length > longest.length ? piece : longest), "");
