// The order in which the module loader meets relocations, to tell which fault it reports and what it sees.

import { viewOf } from "../../base/bytes.ts";
import { isBefore, LOADING, type LoadMoment } from "../../base/loadOrder.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { isRelocated } from "../../kernel/loader/layout.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { RelocTable } from "../../reloc/def.ts";
import type { ArchLoader } from "../../stubs/loader.ts";
import { knownTocHalf } from "../../stubs/ppc64leToc.ts";
import { parseKlpSectionObject } from "../symbols/names.ts";

/** So many relocations of one place are looked at: no tool writes more than a few. */
const MOST_AT_A_PLACE = 64;

/** Ranks each relocation that is applied while a module loads. */
export class LoadOrder {
  readonly #file: ElfFile;
  readonly #relocs: RelocTable;
  readonly #version: KernelVersion | null;
  readonly #loader: ArchLoader;
  /** Relocation sections that are applied at load. */
  readonly #applied = new Set<number>();
  /** Relocation section -> rank of each row in the loader's order. */
  readonly #ranks = new Map<number, Uint32Array>();
  /** Target section -> tables applied to it at load, in order. */
  readonly #tables = new Map<number, RelocationTable[]>();
  readonly #rowsByOffset = new Map<number, Map<number, { table: RelocationTable; row: number }[]>>();

  /**
   * @param loader puts the relocations of a section into its order
   * @param version decides how equal relocations are ordered; null: as in the newest kernels
   */
  constructor(file: ElfFile, relocs: RelocTable, loader: ArchLoader, version: KernelVersion | null) {
    this.#loader = loader;
    this.#file = file;
    this.#version = version;
    this.#relocs = relocs;
    for (const table of file.relocations) {
      if (!this.#appliedAtLoad(table)) continue;
      this.#applied.add(table.section);
      const list = this.#tables.get(table.target);
      if (list === undefined) this.#tables.set(table.target, [table]);
      else list.push(table);
    }
  }

  /** apply_relocations: loaded targets only; of livepatch sections, those for vmlinux (since 5.8). */
  #appliedAtLoad(table: RelocationTable): boolean {
    const { sections } = this.#file;
    if (!isRelocated(sections.name(table.target), sections.hasFlags(table.target, SHF_ALLOC), this.#version))
      return false;
    if (!sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) return true;
    return parseKlpSectionObject(sections.name(table.section)) === "vmlinux";
  }

  /** Sort key of a row's problem; null if the relocation is not applied at load. */
  of(table: RelocationTable, row: number): LoadMoment | null {
    if (!this.#applied.has(table.section)) return null;
    return LOADING.relocation(table.section, this.#rank(table)[row] ?? 0);
  }

  /** Rank of each row of a section in the order of its loader. */
  #rank(table: RelocationTable): Uint32Array {
    const known = this.#ranks.get(table.section);
    if (known !== undefined) return known;
    const { symbols } = this.#file;
    const order = symbols === null ? null : this.#loader.order(this.#file, symbols, table, this.#version);
    const ranks = new Uint32Array(table.count);
    for (let rank = 0; rank < ranks.length; rank++) ranks[order?.[rank] ?? rank] = rank;
    this.#ranks.set(table.section, ranks);
    return ranks;
  }

  #rowsAt(section: number): Map<number, { table: RelocationTable; row: number }[]> {
    let rows = this.#rowsByOffset.get(section);
    if (rows === undefined) {
      rows = new Map();
      for (const table of this.#tables.get(section) ?? []) {
        for (let row = 0; row < table.count; row++) {
          const list = rows.get(table.offset(row));
          if (list === undefined) rows.set(table.offset(row), [{ table, row }]);
          else if (list.length < MOST_AT_A_PLACE) list.push({ table, row });
        }
      }
      this.#rowsByOffset.set(section, rows);
    }
    return rows;
  }

  /**
   * The word at `offset` as the loader will find it when it comes to relocation `row` of `table`:
   * `mask` has a bit 0 where an earlier relocation will have changed the bit to something not known here.
   */
  wordSeenAt(
    section: number,
    offset: number,
    table: RelocationTable,
    row: number,
  ): { word: number; mask: number } | null {
    const data = this.#file.sections.data(section);
    if (offset + 4 > data.length) return null;
    let word = viewOf(data).getUint32(offset, this.#file.littleEndian);
    let mask = 0xffff_ffff;
    const now = this.of(table, row);
    for (let at = offset - 7; at < offset + 4; at++) {
      for (const other of this.#rowsAt(section).get(at) ?? []) {
        const bytes = this.#relocs.defs.get(other.table.type(other.row))?.bytes ?? 0;
        const then = this.of(other.table, other.row);
        if (at + bytes <= offset || now === null || then === null || !isBefore(then, now)) continue;
        const half = at === offset ? knownTocHalf(this.#file, other.table, other.row) : null;
        if (half !== null && this.#file.littleEndian) {
          word = ((word & ~half.field) | half.value) >>> 0;
          continue;
        }
        for (let byte = Math.max(at, offset); byte < Math.min(at + bytes, offset + 4); byte++) {
          const shift = this.#file.littleEndian ? (byte - offset) * 8 : (3 - (byte - offset)) * 8;
          mask &= ~(0xff << shift);
        }
      }
    }
    return { word, mask: mask >>> 0 };
  }
}
