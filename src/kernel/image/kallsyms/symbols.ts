// kallsyms' tables as a symbol list.

import { viewOf } from "../../../base/bytes.ts";
import { SymbolColumns } from "../../symbols/symbolColumns.ts";
import type { ImageMemory } from "../memory.ts";
import { type NameTables, textsOf } from "./find.ts";
import type { OffsetTable } from "./offsets.ts";

/**
 * The symbols, in the order of /proc/kallsyms of the kernel without KASLR.
 * @param memory tells the place of the offsets themselves; null where none is needed
 * @returns null if the place that the addresses count from is not loaded
 */
export function symbolsOf(
  bytes: Uint8Array,
  names: NameTables,
  offsets: OffsetTable,
  memory: ImageMemory,
  littleEndian: boolean,
): SymbolColumns | null {
  const own = memory.addressOf(offsets.at);
  const base = offsets.base === null ? own : viewOf(bytes).getBigUint64(offsets.base, littleEndian);
  if (base === null) return null;
  const high = Number(base >> 32n);
  const low = Number(base & 0xffff_ffffn);
  const { text, starts } = textsOf(bytes, names);
  const symbols = new SymbolColumns(text);
  for (let i = 0; i < names.count; i++) {
    const value = offsets.values[i] ?? 0;
    // Bytes from the base; an address of its own where it counts from 0.
    let distance = value >>> 0;
    let isOwn = false;
    if (offsets.code === "own") distance = value + 4 * i;
    else if (offsets.code === "percpu") {
      isOwn = value >= 0;
      distance = isOwn ? value : -1 - value;
    }
    const sum = (isOwn ? 0 : low) + distance;
    const carry = Math.floor(sum / 2 ** 32);
    const start = starts[i] ?? 0;
    const end = starts[i + 1] ?? 0;
    symbols.addAt(start + 1, end, text[start] ?? 0, ((isOwn ? 0 : high) + carry) >>> 0, sum >>> 0);
  }
  return symbols;
}
