// The addresses of kallsyms: kallsyms_offsets in one of three codes, with kallsyms_relative_base behind them up to Linux 6.19.
// Source: scripts/kallsyms.c (write_src) and kernel/kallsyms.c (kallsyms_sym_address) of Linux 4.19, 6.1, 6.12 and 7.2.

import { viewOf } from "../../../base/bytes.ts";
import type { NameTables } from "./find.ts";

/**
 * How an offset becomes an address:
 * - base: added to the base, without a sign
 * - percpu: at and above 0 an address of its own, below 0 counted from the base (CONFIG_KALLSYMS_ABSOLUTE_PERCPU, x86 up to 6.14)
 * - own: from the place of the offset itself (Linux 7.0)
 */
export type OffsetCode = "base" | "percpu" | "own";

export interface OffsetTable {
  readonly code: OffsetCode;
  /** Offset of kallsyms_offsets in the bytes. */
  readonly at: number;
  /** Offset of kallsyms_relative_base in the bytes; null: there is none. */
  readonly base: number | null;
  readonly values: Int32Array;
}

/** A first symbol farther from the base than this is not one, bytes. */
const FARTHEST_FIRST = 0x1000_0000;

const up = (at: number, to: number): number => Math.ceil(at / to) * to;

/** The offsets that belong to the names; null if they are not where any kernel has them. */
export function findOffsets(bytes: Uint8Array, names: NameTables, littleEndian: boolean): OffsetTable | null {
  const size = 4 * names.count;
  const places: { at: number; base: number }[] = [];
  // Since 6.4 behind the tokens, before that in front of everything.
  for (const alignment of [4, 8]) {
    const at = up(names.indexEnd, alignment);
    places.push({ at, base: up(at + size, 8) });
  }
  for (const alignment of [8, 256]) {
    const base = names.countAt - alignment;
    places.push({ at: base - up(size, alignment), base });
  }
  for (const { at, base } of places) {
    if (at < 0 || at + size > bytes.length || base < 0 || base + 8 > bytes.length) continue;
    const view = viewOf(bytes);
    const values = new Int32Array(names.count);
    for (let i = 0; i < names.count; i++) values[i] = view.getInt32(at + 4 * i, littleEndian);
    const code = codeOf(values);
    if (code !== null) return { code, at, base: code === "own" ? null : base, values };
  }
  return null;
}

/**
 * The code in which the addresses never fall. The order counts: a rising table is a rising one in the last code, too; and in that one
 * the offsets of two names of one place fall. What repeats itself, like fill, is not a table.
 */
function codeOf(values: Int32Array): OffsetCode | null {
  const first = values[0] ?? 0;
  let changes = 0;
  for (let i = 1; i < values.length; i++) if (values[i] !== values[i - 1]) changes++;
  if (changes < values.length / 4) return null;
  if (rises(values, (v) => v >>> 0)) return first >= 0 && first < FARTHEST_FIRST ? "base" : null;
  let negative = values.findIndex((v) => v < 0);
  if (negative < 0) negative = values.length;
  const absolute = values.subarray(0, negative);
  const counted = values.subarray(negative);
  if (counted.length > absolute.length && rises(absolute, (v) => v) && rises(counted, (v) => -v)) return "percpu";
  return rises(values, (v, i) => v + 4 * i) ? "own" : null;
}

function rises(values: Int32Array, of: (value: number, index: number) => number): boolean {
  let last = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = of(values[i] ?? 0, i);
    if (value < last) return false;
    last = value;
  }
  return values.length > 0;
}
