// Which bits of the place a relocation changes: slices of the value, and what becomes of the rest of the word.

/** Value bits [from, from+width) land at bit `at` of word `word` of the place. No slice crosses value bit 32. */
export interface Slice {
  readonly from: number;
  readonly width: number;
  readonly at: number;
  /** For a prefixed instruction: which of its two words; 0 if it is left out. */
  readonly word?: 0 | 1;
}

/** The bits of a place that a relocation writes. */
export interface Field {
  /** Size of the place in bytes; 0: nothing is written. 8 without slices: the whole doubleword. */
  readonly bytes: 0 | 2 | 4 | 8;
  /** Added to the value before it is sliced (the "adjusted" halves of the Power ABI). */
  readonly bias?: number;
  readonly slices: readonly Slice[];
  /** Further bits of the word that become 0: a field may be wider than the value that goes into it. */
  readonly clears?: number;
  /** An instruction with two forms: for a negative value, the complement is stored and the opcode bits are `negative`. */
  readonly signForm?: { readonly mask: number; readonly positive: number; readonly negative: number };
  /** A word that is left as it is: the encoder takes it for a mark of an earlier failure. */
  readonly frozen?: number;
}

export const NOTHING: Field = { bytes: 0, slices: [] };
export const DOUBLEWORD: Field = { bytes: 8, slices: [] };
export const WORD: Field = { bytes: 4, slices: [{ from: 0, width: 32, at: 0 }] };
export const HALF: Field = { bytes: 2, slices: [{ from: 0, width: 16, at: 0 }] };

/**
 * The word with the field's bits replaced. Old bits are cleared first: foreign objects may hold some.
 * @param lo bits 0 to 31 of the value
 * @param hi bits 32 to 63
 * @param wordIndex which word of a prefixed instruction
 */
export function insert(field: Field, word: number, lo: number, hi: number, wordIndex = 0): number {
  let out = field.clears === undefined ? word : word & ~field.clears;
  for (const slice of field.slices) {
    if ((slice.word ?? 0) !== wordIndex) continue;
    const bits = slice.from < 32 ? lo >>> slice.from : hi >>> (slice.from - 32);
    // 2 ** 32 - 1 becomes -1 in the operations below, which is the mask that is meant.
    const mask = 2 ** slice.width - 1;
    out = (out & ~(mask << slice.at)) | ((bits & mask) << slice.at);
  }
  return out >>> 0;
}
