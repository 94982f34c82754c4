// Relocations of whole words and doublewords, as nearly all of a large module are: one loop over the words of a table. It stops before each
// row that it has no form for, or that something is wrong with: that one takes the way of engine.ts.

import { LOW_HALF, viewOf } from "../base/bytes.ts";
import { ROW_WORDS } from "../elf/views/relas.ts";
import type { Overflow, RelocDef } from "./def.ts";
import { planOf, SUM, SUM_MINUS_P } from "./halves.ts";

/** A form is the bytes of the place, 4 or 8, and these; 0: none. */
const BYTES = 12;
const DISTANCE = 1;
const SIGNED = 16;
const UNSIGNED = 32;

/** Words a row with addends. */
const STRIDE = 6;
const { offsetLow, offsetHigh, type: typeAt, symbol: symbolAt, addendLow, addendHigh } = ROW_WORDS;

const TWO_TO_32 = 2 ** 32;
/** The top bit of a word. Words are read as signed ones, which V8 makes no objects of; with this bit changed they are in their order. */
const TOP = -(2 ** 31);

/** Which values a word may have; null: a rule that is not about its 32 bits. */
function checkOf(rule: Overflow): number | null {
  if (rule.check === "none") return 0;
  if (rule.bits !== 32) return null;
  return rule.check === "signed" ? SIGNED : UNSIGNED;
}

/** The form of a row's relocations; 0 if they have none here. */
export function wholeForm(def: RelocDef): number {
  const plan = planOf(def);
  if (plan === null || plan.whole === 0 || plan.bias !== 0 || plan.loose !== 0 || def.bytes !== plan.whole) return 0;
  if (plan.kind !== SUM && plan.kind !== SUM_MINUS_P) return 0;
  const checks = [checkOf(def.overflow), checkOf(def.holds ?? { check: "none" })];
  let form = plan.whole | (plan.kind === SUM_MINUS_P ? DISTANCE : 0);
  for (const check of checks) {
    if (check === null) return 0;
    form |= check;
  }
  // Both at once, or of 64 bits: no row has them.
  if ((form & SIGNED) !== 0 && (form & UNSIGNED) !== 0) return 0;
  if (plan.whole === 8 && form >= SIGNED) return 0;
  return (form & DISTANCE) !== 0 && (form & UNSIGNED) !== 0 ? 0 : form;
}

/** The section that is written to, and what goes into it. */
export interface WholesTarget {
  readonly bytes: Uint8Array;
  /** Its address. */
  readonly base: bigint;
  readonly littleEndian: boolean;
  /** Final st_value of each symbol. */
  readonly values: BigUint64Array;
  /** Whether a place has to hold zeros. */
  readonly zeros: boolean;
}

export class Wholes {
  readonly #target: WholesTarget;
  readonly #view: DataView;
  readonly #values: Int32Array;
  readonly #forms: Uint8Array;
  /** Halves of the section's address, the low one with its top bit changed. */
  readonly #baseLow: number;
  readonly #baseHigh: number;

  /** @param forms by type, as {@link wholeForm} has them */
  constructor(forms: Uint8Array, target: WholesTarget) {
    const { bytes, values, base } = target;
    this.#target = target;
    this.#view = viewOf(bytes);
    this.#values = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
    this.#forms = forms;
    this.#baseLow = Number(BigInt.asIntN(32, base)) ^ TOP;
    this.#baseHigh = Number(BigInt.asIntN(32, base >> 32n));
  }

  /**
   * Applies rows from one on, in the order of the file.
   * @param words of rows with addends, as RelocationTable.words() gives them
   * @returns the row that it stopped at, which nothing was done for; `end`: all are done
   */
  write(words: Int32Array, from: number, end: number): number {
    const { littleEndian, zeros } = this.#target;
    const values = this.#values;
    const forms = this.#forms;
    const view = this.#view;
    const size = view.byteLength;
    const baseLow = this.#baseLow;
    const baseHigh = this.#baseHigh;
    for (let row = from, k = from * STRIDE; row < end; row++, k += STRIDE) {
      const form = forms[words[k + typeAt] ?? 0] ?? 0;
      const at = words[k + offsetLow] ?? 0;
      if (form === 0 || words[k + offsetHigh] !== 0 || at < 0 || at + (form & BYTES) > size) return row;
      const symbol = (words[k + symbolAt] ?? 0) * 2;
      const valueLow = values[symbol + LOW_HALF] ?? 0;
      const valueHigh = values[symbol + 1 - LOW_HALF] ?? 0;
      const addend = words[k + addendLow] ?? 0;
      const more = words[k + addendHigh] ?? 0;
      let low = 0;
      let high = 0;
      if ((form & DISTANCE) !== 0) {
        let distance = (valueLow ^ TOP) - baseLow + addend - at;
        // Exact where it matters: what is rounded, or wraps, is not near.
        if (valueHigh !== baseHigh) distance += (valueHigh - baseHigh) * TWO_TO_32;
        low = distance | 0;
        if (more !== addend >> 31 || distance !== low) return row;
        high = low >> 31;
      } else {
        low = (valueLow + addend) | 0;
        high = (valueHigh + more + ((low ^ TOP) < (valueLow ^ TOP) ? 1 : 0)) | 0;
        if ((form & SIGNED) !== 0 && high !== low >> 31) return row;
        if ((form & UNSIGNED) !== 0 && high !== 0) return row;
      }
      // One place for each read and write, whatever the form: V8 compiles again what meets a call that it has not seen.
      const behind = at + (form & BYTES);
      if (zeros) {
        let there = 0;
        for (let to = at; to < behind; to += 4) there |= view.getInt32(to, littleEndian);
        if (there !== 0) return row;
      }
      let word = littleEndian || (form & 8) === 0 ? low : high;
      for (let to = at; to < behind; to += 4) {
        view.setInt32(to, word, littleEndian);
        word = littleEndian ? high : low;
      }
    }
    return end;
  }
}
