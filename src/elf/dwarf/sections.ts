// The debug sections of a relocatable file, unpacked, with their relocations applied.

import { viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, SHN_ABS } from "../consts.ts";
import { sectionContent } from "../containers/compressed.ts";
import { findElfMachine } from "../machine.ts";
import type { ElfFile } from "../reader.ts";
import type { RelocationTable } from "../views/relas.ts";
import type { DebugSection } from "./cursor.ts";

/** What is needed of a file with debug information. A linked file has no relocations. */
export type DebugSource = Pick<ElfFile, "sections" | "littleEndian" | "relocations" | "symbolTables"> & {
  readonly header: { readonly machine: number };
};

/** Distance between the made-up addresses of two sections: the end of one is never the start of the next. */
const GAP = 0x1000;

/**
 * In a relocatable file all sections begin at address 0. Here each loaded one gets a made-up address of its own, so that
 * an address in the debug information names a section and an offset. Addresses are below 2^53.
 */
export class SectionAddresses {
  readonly #bases = new Map<number, number>();

  constructor(file: DebugSource) {
    const { sections } = file;
    let next = 0x1_0000;
    for (let i = 1; i < sections.count; i++) {
      if (!sections.hasFlags(i, SHF_ALLOC)) continue;
      this.#bases.set(i, next);
      next += Math.ceil(Math.min(sections.size(i), 2 ** 44) / 16) * 16 + GAP;
    }
  }

  /** The made-up address of a section; 0 for sections that are not loaded (debug sections refer to each other by offset). */
  baseOf(section: number): number {
    return this.#bases.get(section) ?? 0;
  }
}

/** Reads the sections called `.debug_*` (or `.zdebug_*`) of one file. */
export class DebugSections {
  readonly addresses: SectionAddresses;
  readonly #byName = new Map<string, DebugSection[]>();
  readonly #raw = new Map<number, Uint8Array>();

  private constructor(file: DebugSource) {
    this.addresses = new SectionAddresses(file);
  }

  /** Unpacks and relocates all sections in `names` (without the leading `.debug_`). @throws CompressionError */
  static async read(file: DebugSource, names: readonly string[]): Promise<DebugSections> {
    const contents = new Map<number, Uint8Array>();
    for (const index of debugSections(file, names).keys()) contents.set(index, await sectionContent(file, index));
    return DebugSections.of(file, names, (index) => contents.get(index) ?? new Uint8Array());
  }

  /** As {@link read}. @param content gives the unpacked bytes of a section */
  static of(file: DebugSource, names: readonly string[], content: (index: number) => Uint8Array): DebugSections {
    const result = new DebugSections(file);
    const tables = groupByTarget(file.relocations);
    for (const [index, name] of debugSections(file, names)) {
      const raw = content(index);
      result.#raw.set(index, raw);
      const bytes = relocated(file, raw, tables.get(index) ?? [], (section) =>
        BigInt(result.addresses.baseOf(section)),
      );
      const list = result.#byName.get(name) ?? [];
      result.#byName.set(name, list);
      list.push({ name: `.debug_${name}`, bytes, index });
    }
    return result;
  }

  /** The first section of that name; null if there is none. */
  find(name: string): DebugSection | null {
    return this.all(name)[0] ?? null;
  }
  all(name: string): readonly DebugSection[] {
    return this.#byName.get(name) ?? [];
  }
  /** The unpacked bytes of section `index` as the file has them, before relocation; empty if it was not read. */
  rawOf(index: number): Uint8Array {
    return this.#raw.get(index) ?? new Uint8Array();
  }
  /** Bytes of section `index`, unpacked. */
  sizeOf(index: number): number {
    return this.rawOf(index).length;
  }
  /** Bytes of all that was read. */
  get totalSize(): number {
    return [...this.#byName.values()].flat().reduce((sum, s) => sum + s.bytes.length, 0);
  }
}

/** Bytes of a debug section with its relocations applied. @param baseOf address of a section, 0 for one that is not loaded */
export function relocated(
  file: DebugSource,
  content: Uint8Array,
  tables: readonly RelocationTable[],
  baseOf: (section: number) => bigint,
): Uint8Array {
  if (tables.length === 0 || findElfMachine(file.header.machine) === null) return content;
  const bytes = new Uint8Array(content);
  for (const table of tables) relocateRows(file, bytes, { table, first: 0, end: table.count, start: 0 }, baseOf);
  return bytes;
}

/** Rows of a table, for a part of its section that begins at `start`. Bytes. */
export interface PartRows {
  readonly table: RelocationTable;
  readonly first: number;
  readonly end: number;
  readonly start: number;
}

/** Applies rows of a table to a part of its section. */
export function relocateRows(
  file: DebugSource,
  bytes: Uint8Array,
  { table, first, end, start }: PartRows,
  baseOf: (section: number) => bigint,
): void {
  const sizes = findElfMachine(file.header.machine)?.absolutes;
  const symbols = file.symbolTables.get(file.sections.link(table.section));
  if (symbols === undefined || sizes === undefined) return;
  const view = viewOf(bytes);
  for (let row = first; row < end; row++) {
    const size = sizes.get(table.type(row));
    const at = table.offset(row) - start;
    if (size === undefined || !(at >= 0) || at + size > bytes.length) continue;
    const symbol = table.symbol(row);
    const section = symbols.sectionOf(symbol);
    const isKnown = section !== null || symbols.rawShndx(symbol) === SHN_ABS;
    const base = section === null ? 0n : baseOf(section);
    const addend = table.hasAddends
      ? table.addend(row)
      : size === 8
        ? view.getBigInt64(at, file.littleEndian)
        : BigInt(view.getInt32(at, file.littleEndian));
    const value = (isKnown ? base + symbols.value(symbol) : 0n) + addend;
    if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, value), file.littleEndian);
    else view.setUint32(at, Number(BigInt.asUintN(32, value)), file.littleEndian);
  }
}

/** Indices of the sections called `.debug_NAME` or `.zdebug_NAME`, with NAME, in the order of the file. */
function debugSections(file: DebugSource, names: readonly string[]): Map<number, string> {
  const wanted = new Map(names.flatMap((n) => [`.debug_${n}`, `.zdebug_${n}`].map((full) => [full, n])));
  const found = new Map<number, string>();
  for (let i = 1; i < file.sections.count; i++) {
    const name = wanted.get(file.sections.name(i));
    if (name !== undefined) found.set(i, name);
  }
  return found;
}

/** Relocation sections by the section that they are about. */
export function groupByTarget(tables: readonly RelocationTable[]): Map<number, RelocationTable[]> {
  const groups = new Map<number, RelocationTable[]>();
  for (const table of tables) {
    const list = groups.get(table.target);
    if (list === undefined) groups.set(table.target, [table]);
    else list.push(table);
  }
  return groups;
}
