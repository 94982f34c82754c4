// Relocations that a row says all of, in numbers: a value of 64 bits is two halves of 32. The rest of the rows, and every relocation
// that something is wrong with, take the way of value.ts, in bigints.

import { unreachable } from "../base/brand.ts";
import { LOW_HALF } from "../base/bytes.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { Overflow, RelocDef } from "./def.ts";
import { insert } from "./field.ts";

const TWO_TO_32 = 0x1_0000_0000;

/** What of S+A is the value. */
export const SUM = 0;
export const SUM_MINUS_P = 1;
const SUM_MINUS_TOC = 2;
const PAGES = 3;

/** A row, as this file needs it. */
export interface Plan {
  readonly def: RelocDef;
  readonly kind: number;
  /** Values from `min` on, below `end`. */
  readonly min: number;
  readonly end: number;
  /** 1 less than what the value is a multiple of. */
  readonly loose: number;
  readonly bias: number;
  /** 8: the doubleword; 4: the word; 0: slices of `def.field`. */
  readonly whole: number;
}

/** Bounds of the values that keep both rules. */
function bounds(rules: readonly (Overflow | undefined)[]): { min: number; end: number } {
  let [min, end] = [-Infinity, Infinity];
  for (const rule of rules) {
    if (rule === undefined || rule.check === "none") continue;
    const isSigned = rule.check === "signed";
    min = Math.max(min, isSigned ? -(2 ** (rule.bits - 1)) : 0);
    end = Math.min(end, 2 ** (isSigned ? rule.bits - 1 : rule.bits));
  }
  return { min, end };
}

function kindOf({ value }: RelocDef): number | null {
  switch (value) {
    case "S+A":
      return SUM;
    case "S+A-P":
      return SUM_MINUS_P;
    case "S+A-TOC":
      return SUM_MINUS_TOC;
    case "page(S+A)-page(P)":
      return PAGES;
    case "none":
    case "TOC":
      return null;
    default:
      return unreachable(value);
  }
}

/** Null for a row whose relocations take the other way. */
export function planOf(def: RelocDef): Plan | null {
  const { field } = def;
  const kind = kindOf(def);
  const isPlain = field.signForm === undefined && field.frozen === undefined && def.hook === undefined;
  if (kind === null || !isPlain || field.bytes === 0) return null;
  if (field.bytes === 8 && field.slices.length > 0) return null;
  const [slice] = field.slices;
  const isWord = field.bytes === 4 && slice?.width === 32 && field.slices.length === 1 && field.clears === undefined;
  return {
    ...{ def, kind, loose: def.align - 1, bias: field.bias ?? 0, whole: field.bytes === 8 ? 8 : isWord ? 4 : 0 },
    // A value that the kernel cuts off without a word is reported, too.
    ...bounds([def.overflow, def.holds]),
  };
}

/** Writes the values of relocations of one table. */
export class Halves {
  readonly #table: RelocationTable;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #values: Uint32Array;
  readonly #baseLow: number;
  readonly #baseHigh: number;
  readonly #tocLow: number;
  readonly #tocHigh: number;
  readonly #zeros: boolean;

  /**
   * @param bytes of the target section, whose address is `base`
   * @param values final st_value of each symbol
   * @param zeros whether a place has to hold zeros
   */
  constructor(
    table: RelocationTable,
    target: { readonly bytes: Uint8Array; readonly base: bigint; readonly littleEndian: boolean },
    values: BigUint64Array,
    TOC: bigint,
    zeros: boolean,
  ) {
    const { bytes, base, littleEndian } = target;
    this.#table = table;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.#values = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
    this.#baseLow = Number(base & 0xffff_ffffn);
    this.#baseHigh = Number((base >> 32n) & 0xffff_ffffn);
    this.#tocLow = Number(TOC & 0xffff_ffffn);
    this.#tocHigh = Number((TOC >> 32n) & 0xffff_ffffn);
    this.#zeros = zeros;
  }

  /**
   * Writes one; false if nothing was done, because something is to be reported.
   * @param at offset of the place, which lies in the target section
   */
  write(plan: Plan, row: number, at: number): boolean {
    const table = this.#table;
    const symbol = table.symbol(row) * 2;
    let low = (this.#values[symbol + LOW_HALF] ?? 0) + table.addendLow(row);
    let high = (this.#values[symbol + 1 - LOW_HALF] ?? 0) + table.addendHigh(row);
    if (plan.kind === SUM_MINUS_P) {
      low -= this.#baseLow + at;
      high -= this.#baseHigh;
    } else if (plan.kind === SUM_MINUS_TOC) {
      low -= this.#tocLow;
      high -= this.#tocHigh;
    } else if (plan.kind === PAGES) {
      const place = this.#baseLow + at;
      // Below 2^53 as all of these are, and without the low bits of both.
      high += Math.floor(low / TWO_TO_32) - this.#baseHigh - Math.floor(place / TWO_TO_32);
      low = ((low & ~0xfff) >>> 0) - ((place & ~0xfff) >>> 0);
    }
    high = (high + Math.floor(low / TWO_TO_32)) | 0;
    low >>>= 0;
    // Rounded, but never across a power of two.
    const value = high * TWO_TO_32 + low;
    if (!(value >= plan.min && value < plan.end) || (low & plan.loose) !== 0) return false;
    if (this.#zeros && !this.#isZero(at, plan.def.bytes)) return false;
    this.#store(plan, at, low, high);
    return true;
  }

  #store({ def, whole, bias }: Plan, at: number, low: number, high: number): void {
    const view = this.#view;
    const littleEndian = this.#littleEndian;
    if (whole === 8) {
      view.setUint32(littleEndian ? at : at + 4, low, littleEndian);
      view.setInt32(littleEndian ? at + 4 : at, high, littleEndian);
      return;
    }
    const biased = low + bias;
    if (whole === 4) {
      view.setUint32(at, biased, littleEndian);
      return;
    }
    const { field } = def;
    const over = (high + Math.floor(biased / TWO_TO_32)) | 0;
    if (field.bytes === 2) {
      view.setUint16(at, insert(field, view.getUint16(at, littleEndian), biased | 0, over), littleEndian);
    } else view.setUint32(at, insert(field, view.getUint32(at, littleEndian), biased | 0, over), littleEndian);
  }

  #isZero(at: number, length: number): boolean {
    const bytes = this.#bytes;
    for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false;
    return true;
  }
}
