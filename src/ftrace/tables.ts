// The tables of patch sites: __mcount_loc, __patchable_function_entries, and what the linker made of them in vmlinux.

import { viewOf } from "../base/bytes.ts";
import { SHT_NOBITS } from "../elf/consts.ts";
import { type EntryTable, kernelMachines } from "../kernel/machines.ts";
import type { CodeFile, CodePlace } from "./codeFile.ts";

export type TableName = EntryTable | "__start_mcount_loc";

/** Bytes of an entry: one address. */
const ENTRY = 8;

/** One entry of a table. */
export interface SiteTableEntry {
  readonly table: TableName;
  /** Index in all tables of this name, in section order. */
  readonly index: number;
  /** The place that it names; null if that is nowhere in this file. */
  readonly place: CodePlace | null;
  /** An entry without address: the kernel passes it over. */
  readonly isZero: boolean;
}

export interface SiteTables {
  readonly entries: readonly SiteTableEntry[];
  /** Names of the tables that the file has, whether they have entries or not. */
  readonly names: readonly TableName[];
  /** Whether the entries of each section ascend. The kernel sorts them at load. */
  readonly isSorted: boolean;
}

/**
 * Reads all tables. The entries of a relocatable file are in its relocations; those of a linked file stand in place, or
 * in dynamic relocations where the place is zero.
 */
export function readTables(file: CodeFile): SiteTables {
  return file.isLinked ? readLinked(file) : readRelocatable(file);
}

function readRelocatable(file: CodeFile): SiteTables {
  const { sections } = file;
  const entries: SiteTableEntry[] = [];
  const names: TableName[] = [];
  let isSorted = true;
  for (const table of kernelMachines[file.arch].siteTables) {
    let index = 0;
    for (let section = 1; section < sections.count; section++) {
      if (sections.name(section) !== table || sections.type(section) === SHT_NOBITS) continue;
      if (!names.includes(table)) names.push(table);
      const relocations = file.relocationsOf(section);
      let last: CodePlace | null = null;
      for (let at = 0; at + ENTRY <= sections.size(section); at += ENTRY) {
        const relocation = relocations.get(at);
        const place = relocation === undefined ? null : file.placeOf(relocation);
        entries.push({ table, index: index++, place, isZero: relocation === undefined });
        if (place === null) continue;
        if (last?.section === place.section && last.offset > place.offset) isSorted = false;
        last = place;
      }
    }
  }
  return { entries, names, isSorted };
}

function readLinked(file: CodeFile): SiteTables {
  const start = file.symbolValue("__start_mcount_loc");
  const stop = file.symbolValue("__stop_mcount_loc");
  const table = "__start_mcount_loc";
  if (start === null || stop === null || stop < start) return { entries: [], names: [], isSorted: true };
  const held = file.placeAt(start);
  const data = held === null ? null : file.bytes(held.section).subarray(held.offset);
  const size = Number(stop - start);
  if (data === null || data.length < size) return { entries: [], names: [table], isSorted: true };
  const view = viewOf(data);
  const count = Math.floor(size / ENTRY);
  const addresses: bigint[] = [];
  for (let i = 0; i < count; i++) addresses.push(view.getBigUint64(i * ENTRY, file.littleEndian));
  if (addresses.some((a) => a === 0n)) {
    const addends = file.dynamicAddends(start, stop);
    for (const [i, a] of addresses.entries()) {
      if (a === 0n) addresses[i] = addends.get(start + BigInt(i * ENTRY)) ?? 0n;
    }
  }
  let isSorted = true;
  let last = 0n;
  const entries = addresses.map((address, index): SiteTableEntry => {
    if (address < last) isSorted = false;
    if (address !== 0n) last = address;
    return { table, index, place: address === 0n ? null : file.placeAt(address), isZero: address === 0n };
  });
  return { entries, names: [table], isSorted };
}
