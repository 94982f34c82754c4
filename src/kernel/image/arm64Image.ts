// arm64's Image: memory from _text on, without section headers, and without the address that it was linked for. That address follows
// from the kernel's own words. Sources: Documentation/arch/arm64/booting.rst; arch/arm64/kernel/vmlinux.lds.S and Makefile of Linux
// 6.1 (relocations not applied in place), 6.12 (RELR: applied) and 7.2.

import { getUint64, latin1, viewOf } from "../../base/bytes.ts";
import { type NameTables, textsOf } from "./kallsyms/find.ts";
import type { OffsetTable } from "./kallsyms/offsets.ts";
import { ImageMemory } from "./memory.ts";

/** An Image with the address that it was linked for. */
export interface PlacedImage {
  /** The bytes with all dynamic relocations applied, as they are in memory before the kernel rewrites itself. */
  readonly bytes: Uint8Array;
  readonly memory: ImageMemory;
}

/** Its fields are little-endian in each kernel. */
const HEADER = { textOffset: 8, imageSize: 16, flags: 24 } as const;
/** r_info of R_AARCH64_RELATIVE without a symbol. */
const RELATIVE = 0x403;
const ROW = 24;
/** An image begins at a multiple of this, but for text_offset, bytes (MIN_KIMG_ALIGN). */
const ALIGNMENT = 0x20_0000n;
/** Addresses that differ in these bits only are of one image. */
const NEAR = 0x7fff_ffffn;

/** Whether the kernel itself is big-endian (bit 0 of the flags). */
export const isBigEndianImage = (bytes: Uint8Array): boolean => ((bytes[HEADER.flags] ?? 0) & 1) !== 0;

/** The image at its link address; null if that cannot be known. */
export function placeArm64Image(bytes: Uint8Array, names: NameTables, offsets: OffsetTable): PlacedImage | null {
  const rows = relativeRows(bytes);
  const base = baseOf(bytes, names, offsets, rows);
  if (base === null) return null;
  const applied = rows === null ? bytes : apply(bytes, rows, base);
  return { bytes: applied, memory: new ImageMemory([{ address: base, offset: 0, bytes: applied }]) };
}

/** The rows of `.rela.dyn`, as offsets in the file. */
interface Rows {
  readonly at: number;
  readonly count: number;
}

/** The longest run of rows whose middle word says R_AARCH64_RELATIVE; null if there is none. */
function relativeRows(bytes: Uint8Array): Rows | null {
  const view = viewOf(bytes);
  const isRow = (at: number): boolean =>
    at + ROW <= bytes.length && view.getUint32(at + 8, true) === RELATIVE && view.getUint32(at + 12, true) === 0;
  let best: Rows | null = null;
  for (let at = 0; at + ROW <= bytes.length; at += 8) {
    if (!isRow(at)) continue;
    let count = 1;
    while (isRow(at + count * ROW)) count++;
    if (best === null || count > best.count) best = { at, count };
    at += count * ROW - 8;
  }
  return best;
}

function baseOf(bytes: Uint8Array, names: NameTables, offsets: OffsetTable, rows: Rows | null): bigint | null {
  if (offsets.base === null) return votedBase(bytes);
  const inPlace = viewOf(bytes).getBigUint64(offsets.base, true);
  if (inPlace === 0n) return rows === null ? null : baseByRow(bytes, rows, offsets.base);
  const { text, starts } = textsOf(bytes, names);
  for (let i = 0; i < names.count; i++)
    if (latin1(text, (starts[i] ?? 0) + 1, starts[i + 1]) === "_text")
      return inPlace + BigInt((offsets.values[i] ?? 0) >>> 0);
  // Without CONFIG_KALLSYMS_ALL _text is not listed.
  return votedBase(bytes);
}

/** The base that puts one row on the word `place` and all rows into the image. */
function baseByRow(bytes: Uint8Array, rows: Rows, place: number): bigint | null {
  const view = viewOf(bytes);
  const textOffset = view.getBigUint64(HEADER.textOffset, true);
  const size = view.getBigUint64(HEADER.imageSize, true);
  let lowest = view.getBigUint64(rows.at, true);
  let highest = lowest;
  for (let i = 1; i < rows.count; i++) {
    const target = view.getBigUint64(rows.at + i * ROW, true);
    if (target < lowest) lowest = target;
    if (target > highest) highest = target;
  }
  const found = new Set<bigint>();
  for (let i = 0; i < rows.count; i++) {
    const base = view.getBigUint64(rows.at + i * ROW, true) - BigInt(place);
    const value = view.getBigUint64(rows.at + i * ROW + 16, true);
    if (base < 0n || (base - textOffset) % ALIGNMENT !== 0n) continue;
    if (lowest >= base && highest < base + size && value >= base && value < base + size) found.add(base);
  }
  const [only] = found;
  return found.size === 1 && only !== undefined ? only : null;
}

/** The base that most words of the image point near to, if they agree. */
function votedBase(bytes: Uint8Array): bigint | null {
  const view = viewOf(bytes);
  const votes = new Map<number, number>();
  let all = 0;
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const high = view.getUint32(at + 4, true);
    // A kernel address, but not a small negative number.
    if (high < 0xffff_0000 || high >= 0xffff_ff00) continue;
    const near = high * 2 + (view.getUint32(at, true) >>> 31);
    votes.set(near, (votes.get(near) ?? 0) + 1);
    all++;
  }
  const [winner] = [...votes].sort((a, b) => b[1] - a[1]);
  if (winner === undefined || winner[1] < all / 2) return null;
  const base = (BigInt(winner[0]) << 31n) & ~NEAR;
  return base + BigInt(getUint64(view, HEADER.textOffset, true));
}

/** A copy with each row's addend in its place. */
function apply(bytes: Uint8Array, rows: Rows, base: bigint): Uint8Array {
  const from = viewOf(bytes);
  const copy = bytes.slice();
  const view = viewOf(copy);
  for (let i = 0; i < rows.count; i++) {
    const place = from.getBigUint64(rows.at + i * ROW, true) - base;
    if (place < 0n || place > BigInt(bytes.length - 8)) continue;
    view.setBigUint64(Number(place), from.getBigUint64(rows.at + i * ROW + 16, true), true);
  }
  return copy;
}
