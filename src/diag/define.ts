/** Where a problem is. All offsets are bytes. */
export interface Place {
  /** The file's name as the user gave it. */
  readonly file: string;
  /** Offset in the file. */
  readonly fileOffset?: number;
  /** Line of a text file, from 1. */
  readonly line?: number;
  readonly section?: string;
  /** Offset in `section`. */
  readonly offset?: number;
  readonly function?: { readonly name: string; readonly offset: number };
}

/** One instruction word near a place. */
export interface ContextLine {
  /** Offset in the section, bytes. */
  readonly offset: number;
  readonly word: number;
  /** A short reading of the word, where there is one. */
  readonly text: string | null;
  /** The relocation at this word, with its symbol. */
  readonly relocation: string | null;
  readonly symbol: string | null;
  /** Whether this is the word at fault. */
  readonly marked: boolean;
  readonly note: string | null;
}

export interface Definition<Data> {
  readonly level: "error" | "warning";
  /** Lower case, no full stop; says what is wrong, not how to mend it. */
  readonly title: (d: Data) => string;
  /** What the kernel prints for it; null: it says nothing. */
  readonly kernel?: (d: Data) => string | null;
  readonly why?: (d: Data) => string;
  /** The way out, and only that. */
  readonly help?: (d: Data) => string;
  /** For `explain CODE`: what it means, from the smallest input that triggers it. */
  readonly explain: string;
}

export const define = <Data>(definition: Definition<Data>): Definition<Data> => definition;
