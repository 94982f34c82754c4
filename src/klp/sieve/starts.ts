// Where the instructions of a section begin, of an architecture on which they differ in size: decoded once, for all rules.

import { STT_FUNC } from "../../elf/consts.ts";
import { insnLength } from "../../reloc/x86Insn.ts";
import { type CodePlaces, firstBehind, type SymbolizedFile } from "../functions.ts";

/** Not decoded yet. */
const UNKNOWN = -1;

/** A bit for each byte of a section; instructions are decoded from the beginning of each function that is asked for. */
export class InstructionStarts {
  readonly #code: Uint8Array;
  readonly #file: SymbolizedFile;
  readonly #places: CodePlaces;
  readonly #bits: Uint8Array;
  /** By place: where what is known of its instructions ends; {@link UNKNOWN}. */
  readonly #ends: Float64Array;
  /** The place that was found last, and where the next one begins. */
  #last = -1;
  #first = 0;
  #behind = 0;

  constructor(file: SymbolizedFile, section: number, code: Uint8Array) {
    this.#file = file;
    this.#code = code;
    this.#places = file.functions.places(section);
    this.#bits = new Uint8Array((code.length >>> 3) + 1);
    this.#ends = new Float64Array(this.#places.starts.length).fill(UNKNOWN);
  }

  /**
   * Where the instruction begins that has the byte at `offset`; -1 if that is not known: data, no function, or behind what is not known.
   * Functions reach to their end or the next symbol.
   */
  at(offset: number): number {
    const place = this.#placeOf(offset);
    if (place < 0) return -1;
    let end = this.#ends[place] ?? 0;
    if (end === UNKNOWN) {
      end = this.#decode(place);
      this.#ends[place] = end;
    }
    if (offset >= end) return -1;
    let at = offset;
    // The function's first byte has a bit.
    while (((this.#bits[at >>> 3] ?? 0) & (1 << (at & 7))) === 0) at--;
    return at;
  }

  /** The first of the symbols that `offset` is charged to; negative if there is none. Ascending places are found at once. */
  #placeOf(offset: number): number {
    if (offset >= this.#first && offset < this.#behind) return this.#last;
    const { starts } = this.#places;
    const behind = firstBehind(starts, offset);
    const first = starts[behind - 1];
    if (first === undefined) return -1;
    this.#first = first;
    this.#behind = starts[behind] ?? Infinity;
    this.#last = firstBehind(starts, first - 1);
    return this.#last;
  }

  /** Returns where the known instructions end that begin at the place that was found last. */
  #decode(place: number): number {
    const { symbols } = this.#file;
    const symbol = this.#places.symbols[place] ?? 0;
    if (symbols.type(symbol) !== STT_FUNC) return this.#first;
    // What lies behind the function is not its own, whatever its last instruction says.
    const end = Math.min(this.#first + symbols.size(symbol), this.#behind, this.#code.length);
    let at = this.#first;
    while (at < end) {
      const length = insnLength(this.#code, at);
      if (length === 0) return at;
      this.#bits[at >>> 3] = (this.#bits[at >>> 3] ?? 0) | (1 << (at & 7));
      at += length;
    }
    return end;
  }
}
