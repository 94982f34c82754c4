// Tables in a module whose entries name places by distances from their own fields.

import type { OrderedView } from "../base/bytes.ts";
import type { ImageSection, LoadedMemory } from "./memory.ts";

/** One entry of a table, with what it points at. */
export interface DistanceEntry {
  readonly view: OrderedView;
  /** Offset in the table, and its address. */
  readonly at: number;
  readonly address: bigint;
}

/** The whole entries of a table, in order. @param size bytes of one */
export function entriesOf(memory: LoadedMemory, section: ImageSection, size: number): DistanceEntry[] {
  const view = memory.view(section.bytes);
  const entries: DistanceEntry[] = [];
  for (let at = 0; at + size <= section.bytes.length; at += size) {
    entries.push({ view, at, address: section.address + BigInt(at) });
  }
  return entries;
}

/** What a 32-bit distance at `field` bytes in the entry leads to. */
export const near32 = (e: DistanceEntry, field: number): bigint =>
  BigInt.asUintN(64, e.address + BigInt(field) + BigInt(e.view.getInt32(e.at + field)));

/** What a 64-bit distance at `field` bytes in the entry leads to. */
export const near64 = (e: DistanceEntry, field: number): bigint =>
  BigInt.asUintN(64, e.address + BigInt(field) + e.view.getBigInt64(e.at + field));

/** The distance from a field to an address, cut to 32 bits as the kernel cuts it. */
export const distance32 = (field: bigint, address: bigint): number => Number(BigInt.asIntN(32, address - field));

/** The pointers that a table section holds; none if the module has no such section. */
export function pointersOf(memory: LoadedMemory, name: string): bigint[] {
  const table = memory.table(name);
  return table === null ? [] : entriesOf(memory, table, 8).map((e) => e.view.getBigUint64(e.at));
}
