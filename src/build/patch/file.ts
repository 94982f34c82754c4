// What a patch file says, piece by piece. Text is kept byte for byte: a character is a byte (latin1).

/** One line of a hunk: what it is, and its text with the end of the line, if it has one. */
export interface HunkLine {
  readonly kind: " " | "+" | "-";
  readonly text: string;
}

export interface Hunk {
  /** Line of the old file at which the hunk stands, from 1; 0 if the old side is empty. */
  readonly oldStart: number;
  readonly newStart: number;
  readonly lines: readonly HunkLine[];
  /** Line of `@@` in the patch file, from 1. */
  readonly line: number;
}

/** What a patch does with one file. */
export interface FilePatch {
  readonly kind: "change" | "new" | "removed" | "renamed" | "copied";
  /** Path from the top of the tree; that of the old file, which a new one does not have. */
  readonly from: string;
  /** Path of the new file; as `from` unless it is renamed or copied. */
  readonly to: string;
  /** The other name of a plain diff of two files beside each other (x.c.orig, x.c); null: there is none. */
  readonly other: string | null;
  /** Permission bits that the patch gives the file; null: it says nothing. */
  readonly mode: number | null;
  readonly hunks: readonly Hunk[];
  /** Name of the patch file, and the line in it at which this begins. */
  readonly patch: string;
  readonly line: number;
}

/** What is wrong with a patch, in terms of diag/codes/build.ts. */
export type PatchFault =
  | { readonly kind: "malformed"; readonly what: string }
  | { readonly kind: "path"; readonly path: string; readonly why: string }
  | { readonly kind: "binary"; readonly path: string; readonly what: "binary" | "link" | "submodule" }
  | { readonly kind: "missing"; readonly path: string; readonly what: "absent" | "exists" | "differs" }
  | {
      readonly kind: "unfit";
      readonly path: string;
      /** Line of the old file at which the hunk should stand. */
      readonly at: number;
      /** `ends`: it has less context at one end, so it belongs to that end of the file. */
      readonly why: "context" | "several" | "bare" | "applied" | "ends";
      /** The first line of the hunk that differs, and what the file has there; null: beyond its end. */
      readonly expected: string;
      readonly found: string | null;
      /** Whether it would fit with this many lines of fuzz. */
      readonly fuzz: number | null;
    };

/** A patch that cannot be used. Nothing was changed. */
export class PatchError extends Error {
  readonly fault: PatchFault;
  readonly patch: string;
  /** Line in the patch file, from 1. */
  readonly line: number;
  constructor(fault: PatchFault, patch: string, line: number) {
    super(`${patch}:${line}: ${fault.kind}`);
    this.name = "PatchError";
    this.fault = fault;
    this.patch = patch;
    this.line = line;
  }
}

/** The text's lines, each with its end. */
export function linesOf(text: string): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const next = end === -1 ? text.length : end + 1;
    lines.push(text.slice(at, next));
    at = next;
  }
  return lines;
}
