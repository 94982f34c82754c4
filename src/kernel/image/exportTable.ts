// The kernel's table of exported symbols, struct kernel_symbol, read from its memory: for images without a symbol table.
// Sources: include/linux/export-internal.h, kernel/module/internal.h and main.c (find_exported_symbol_in_section), 5.4 to 7.2.

import { latin1, viewOf } from "../../base/bytes.ts";
import type { Export } from "../symbols/exports.ts";
import type { ImageForm } from "./mcountLoc.ts";
import type { ImageMemory } from "./memory.ts";

/** Where a table stands. */
export interface TableRange {
  readonly start: bigint;
  /** Address behind it. */
  readonly stop: bigint;
}

/** A row with the address of what it exports. */
export interface ExportRow extends Export {
  readonly address: bigint;
}

/** Gives the range of `__ksymtab`, `__ksymtab_gpl`, `__kcrctab`, `__kcrctab_gpl`, `__kflagstab`; null: not known or empty. */
export type RangeOf = (name: string) => TableRange | null;

/** A way to write a row: bytes of it, and bytes of one field. Pointers, or (HAVE_ARCH_PREL32_RELOCATIONS) distances from the field. */
interface RowForm {
  readonly size: number;
  readonly field: 4 | 8;
}

/** With and without a namespace, which came with 5.4. */
const FORMS: readonly RowForm[] = [
  { size: 12, field: 4 },
  { size: 24, field: 8 },
  { size: 8, field: 4 },
  { size: 16, field: 8 },
];

const IDENTIFIER = /^[A-Za-z_.$][\w.$]*$/;

/**
 * All rows of a kernel's own export tables, in their order.
 * @returns null if there is no table, or none of the known forms fits every row
 */
export function readExportTable(form: ImageForm, memory: ImageMemory, rangeOf: RangeOf): ExportRow[] | null {
  const plain = rangeOf("__ksymtab");
  const gpl = rangeOf("__ksymtab_gpl");
  const tables = [
    { range: plain, crcs: rangeOf("__kcrctab"), flags: rangeOf("__kflagstab"), isGpl: false },
    { range: gpl, crcs: rangeOf("__kcrctab_gpl"), flags: null, isGpl: true },
  ];
  for (const row of FORMS) {
    const rows: ExportRow[] = [];
    let fits = true;
    for (const table of tables) {
      if (table.range === null) continue;
      const names = rowsOf(form, memory, table.range, row);
      fits &&= names !== null;
      if (names === null) break;
      const crcOf = crcReader(form, memory, table.crcs, names.length);
      const flags = table.flags === null ? null : memory.at(table.flags.start);
      for (const [i, found] of names.entries()) {
        const flag = flags?.bytes[i];
        const gplOnly = flag === undefined ? table.isGpl : (flag & 1) !== 0;
        rows.push({ ...found, owner: "vmlinux", crc: crcOf(i), gplOnly });
      }
    }
    if (fits && rows.length > 0) return rows;
  }
  return null;
}

type NamedRow = Pick<ExportRow, "address" | "name" | "namespace">;

/** The rows of one table; null if it is not of that form. */
function rowsOf(
  { littleEndian }: ImageForm,
  memory: ImageMemory,
  { start, stop }: TableRange,
  { size, field }: RowForm,
): NamedRow[] | null {
  const length = Number(stop - start);
  const held = memory.at(start);
  if (held === null || length % size !== 0 || held.bytes.length < length) return null;
  const view = viewOf(held.bytes);
  const pointer = (at: number): bigint => {
    if (field === 8) return view.getBigUint64(at, littleEndian);
    const distance = view.getInt32(at, littleEndian);
    return BigInt.asUintN(64, start + BigInt(at + distance));
  };
  const rows: NamedRow[] = [];
  for (let at = 0; at < length; at += size) {
    const name = memory.string(pointer(at + field));
    if (name === null || !IDENTIFIER.test(name)) return null;
    const hasNamespace = size === 3 * field;
    // 0 stands for none, as a pointer and, in early kernels, as a distance.
    const isNone = !hasNamespace || (field === 8 ? pointer(at + 16) === 0n : view.getInt32(at + 8, littleEndian) === 0);
    const namespace = isNone ? "" : memory.string(pointer(at + 2 * field));
    if (namespace === null) return null;
    rows.push({ address: pointer(at), name, namespace });
  }
  return rows;
}

/**
 * Gives the checksum of row i. ppc64le kernels up to 5.18 keep distances to the checksums: taken for such if every word leads into the
 * kernel.
 */
function crcReader(
  { littleEndian }: ImageForm,
  memory: ImageMemory,
  range: TableRange | null,
  count: number,
): (row: number) => number | null {
  const held = range === null ? null : memory.at(range.start);
  if (range === null || held === null || Number(range.stop - range.start) !== 4 * count) return () => null;
  const view = viewOf(held.bytes);
  const direct = (row: number): number => view.getUint32(4 * row, littleEndian);
  const target = (row: number): Uint8Array | null => {
    const place = range.start + BigInt(4 * row);
    const found = memory.at(place + BigInt(view.getInt32(4 * row, littleEndian)));
    return found === null || found.bytes.length < 4 ? null : found.bytes;
  };
  for (let row = 0; row < count; row++) if (target(row) === null) return direct;
  return (row) => {
    const bytes = target(row);
    return bytes === null ? null : viewOf(bytes).getUint32(0, littleEndian);
  };
}

/** Rows that a table found by its content must have at least. */
const LEAST_ROWS = 500;

/**
 * The two tables of relative rows, found by a name that every kernel exports: for images that list no marks (CONFIG_KALLSYMS_ALL=n).
 * The second one begins where the order of names falls.
 * @param base address of the first byte
 */
export function findExportTables(bytes: Uint8Array, base: bigint, littleEndian: boolean): RangeOf {
  const none: RangeOf = () => null;
  const view = viewOf(bytes);
  const size = 12;
  const nameAt = (row: number): string | null => {
    if (row < 0 || row + size > bytes.length) return null;
    const from = row + 4 + view.getInt32(row + 4, littleEndian);
    if (from < 0 || from >= bytes.length) return null;
    const end = bytes.indexOf(0, from);
    if (end < 0 || end - from > 512) return null;
    const name = latin1(bytes, from, end);
    return IDENTIFIER.test(name) ? name : null;
  };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const targets = new Set<number>();
  for (let at = text.indexOf("kfree\0"); at >= 0; at = text.indexOf("kfree\0", at + 1)) targets.add(at);
  for (let at = 4; at + 8 <= bytes.length; at += 4) {
    if (!targets.has(at + view.getInt32(at, littleEndian))) continue;
    let first = at - 4;
    let end = first + size;
    while (nameAt(first - size) !== null) first -= size;
    while (nameAt(end) !== null) end += size;
    if (end - first < LEAST_ROWS * size) continue;
    let fall = end;
    for (let row = first + size; row < end && fall === end; row += size) {
      if ((nameAt(row) ?? "") < (nameAt(row - size) ?? "")) fall = row;
    }
    const range = (from: number, to: number): TableRange | null =>
      from === to ? null : { start: base + BigInt(from), stop: base + BigInt(to) };
    // Without a second table the licence is in flags that were not found: nothing is said of it.
    if (fall === end) return none;
    const found: Readonly<Record<string, TableRange | null>> = {
      __ksymtab: range(first, fall),
      __ksymtab_gpl: range(fall, end),
    };
    // The checksums stand between the tables and the names, where there are any (RO_DATA in vmlinux.lds.h).
    const [rows, gplRows] = [(fall - first) / size, (end - fall) / size];
    let strings = bytes.length;
    for (let row = first; row < end; row += size)
      strings = Math.min(strings, row + 4 + view.getInt32(row + 4, littleEndian));
    const between = strings - end - 4 * (rows + gplRows);
    if (between < 0 || between >= 16) return (name) => found[name] ?? null;
    const crcs: Readonly<Record<string, TableRange | null>> = {
      ...found,
      __kcrctab: range(end, end + 4 * rows),
      __kcrctab_gpl: range(end + 4 * rows, end + 4 * (rows + gplRows)),
    };
    return (name) => crcs[name] ?? null;
  }
  return none;
}
