// What counts into a section that moves: addends of relocations, in every relocation section. A word of the form
// `label - place` needs care, because its addend holds a distance, too.

import { hex } from "../../base/bytes.ts";
import { countUpTo } from "../../base/search.ts";
import { SHF_ALLOC, STT_SECTION } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { R_PPC64_NONE, R_PPC64_REL32, R_PPC64_REL64 } from "../../reloc/numbers.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import type { Obstacle, SectionMove } from "./layout.ts";

export interface AddendChange {
  /** The section that moves. */
  readonly section: number;
  readonly table: RelocationTable;
  readonly row: number;
  readonly addend: bigint;
}

/** Branches: they reach S + A, whatever the place (ELFv2 ABI 3.5.3). */
const BRANCH_TYPES = new Set([10, 11, 12, 13, 116]);
/** All others that subtract the place: REL16 and its parts, the prefixed ones, PLT-relative ones. */
const OTHER_PC_RELATIVE = new Set([28, 46, 132, 133, 134, 135, 240, 241, 242, 243, 244, 245, 246, 249, 250, 251, 252]);

/** Tables each of whose fields counts from itself, as the kernel reads them. */
const SELF_RELATIVE = new Set([
  "__ex_table",
  "__bug_table",
  "__jump_table",
  ".static_call_sites",
  "__lwsync_fixup",
  "__spec_barrier_fixup",
  "__stf_entry_barrier_fixup",
  "__stf_exit_barrier_fixup",
  "__uaccess_flush_fixup",
  "__entry_flush_fixup",
  "__scv_entry_flush_fixup",
  "__rfi_flush_fixup",
  "__btb_flush_fixup",
  "__ksymtab",
  "__ksymtab_gpl",
  ".eh_frame",
  ".kcfi_traps",
]);
/** Tables of six doublewords an entry; fields 2 to 5 count from the entry's start. Field 3 is an end. */
const ENTRY_RELATIVE = new Set(["__ftr_fixup", "__mmu_ftr_fixup", "__fw_ftr_fixup"]);
const FEATURE_ENTRY = 48;
const FEATURE_END_FIELD = 3;

/** Finds the new addends. The first obstacle of a section is the one that is told. */
export class TargetFollower {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #functions: FunctionIndex;
  readonly #moves: ReadonlyMap<number, SectionMove>;
  readonly #obstacles: Map<number, Obstacle>;
  /** Section -> offsets that something refers to: where a table may begin. Gathered on first use. */
  #starts: Map<number, number[]> | null = null;
  readonly #tableShifts = new Map<string, number | null>();
  readonly #sortedRows = new Map<number, { rows: readonly number[]; places: readonly number[] }>();

  constructor(
    file: ElfFile,
    symbols: SymbolTable,
    functions: FunctionIndex,
    moves: ReadonlyMap<number, SectionMove>,
    obstacles: Map<number, Obstacle>,
  ) {
    this.#file = file;
    this.#symbols = symbols;
    this.#functions = functions;
    this.#moves = moves;
    this.#obstacles = obstacles;
  }

  #refuse(moved: number, section: number, offset: number, reason: string): null {
    if (!this.#obstacles.has(moved)) this.#obstacles.set(moved, { section, offset, reason });
    return null;
  }

  /** New addends of all relocations that count from the start of a section that moves, or across rooms in it. */
  changes(): AddendChange[] {
    const changes: AddendChange[] = [];
    const { sections } = this.#file;
    for (const table of this.#file.relocations) {
      if (sections.link(table.section) !== this.#symbols.section) {
        for (const section of this.#moves.keys()) {
          this.#refuse(section, table.section, 0, "a relocation section belongs to another symbol table");
        }
        continue;
      }
      for (let row = 0; row < table.count; row++) {
        const symbol = table.symbol(row);
        if (symbol >= this.#symbols.count) continue;
        const section = this.#symbols.sectionOf(symbol);
        const move = section === null ? undefined : this.#moves.get(section);
        if (move === undefined || this.#obstacles.has(move.section)) continue;
        if (table.type(row) === R_PPC64_NONE) continue;
        const shift = this.#targetShift(table, row, move);
        if (shift === null) continue;
        // The section's own symbol stays at its start, even if room is made there.
        const own = this.#symbols.type(symbol) === STT_SECTION ? 0 : move.shift(this.#symbols.offset(symbol));
        const change = shift - own;
        if (change !== 0) {
          changes.push({ table, row, addend: table.addend(row) + BigInt(change), section: move.section });
        }
      }
    }
    return changes;
  }

  /** Bytes by which the target of a relocation into `move` moves. Null if it cannot be known: an obstacle. */
  #targetShift(table: RelocationTable, row: number, move: SectionMove): number | null {
    const symbol = table.symbol(row);
    const type = table.type(row);
    const place = table.offset(row);
    const size = this.#file.sections.size(move.section);
    const refuse = (reason: string): null => this.#refuse(move.section, table.target, place, reason);
    const start = this.#symbols.offset(symbol);
    if (!table.hasAddends) return refuse("the relocation has no addend");
    if (start > size) return refuse("its symbol lies behind the section's end");
    const addend = Number(table.addend(row));
    const target = start + addend;
    const exact = (at: number): number | null =>
      at >= 0 && at <= size ? move.shift(at) : refuse(`it refers to ${signed(at)}, outside the section`);

    if (BRANCH_TYPES.has(type)) return exact(target);
    if (OTHER_PC_RELATIVE.has(type)) {
      // The addend may hold a distance from the place; it does not matter within one function.
      return move.shift(start) === move.shift(target) && this.#symbols.type(symbol) !== STT_SECTION
        ? move.shift(start)
        : refuse("the addend of a place-relative relocation may hold a distance");
    }
    if (type !== R_PPC64_REL32 && type !== R_PPC64_REL64) return exact(target);

    const name = this.#file.sections.name(table.target);
    if (SELF_RELATIVE.has(name)) return exact(target);
    if (ENTRY_RELATIVE.has(name)) {
      const field = Math.floor((place % FEATURE_ENTRY) / 8);
      const at = target - field * 8;
      // The end of a range belongs to what stands before it.
      return field === FEATURE_END_FIELD && at > 0 ? (exact(at) === null ? null : move.shift(at - 1)) : exact(at);
    }
    // The place may lie up to its own offset behind what it counts from.
    const low = Math.max(0, target - place);
    const high = Math.min(size, target);
    if (low <= high && move.shift(low) === move.shift(high)) return move.shift(low);
    const inTable = this.#jumpTableShift(table, row, move);
    return inTable ?? refuse("it is not known from where the word counts");
  }

  /**
   * `.long .Ltarget-.Ltable` in another section: the addend holds the entry's distance from the table's start.
   * The start is the last place before it that anything refers to. Null unless all entries of the table then lie
   * in one function, and they are not all function starts when read as counting from themselves.
   */
  #jumpTableShift(table: RelocationTable, row: number, move: SectionMove): number | null {
    const starts = this.#tableStarts().get(table.target) ?? [];
    const place = table.offset(row);
    const index = countUpTo(starts, place) - 1;
    const begin = starts[index];
    if (begin === undefined) return null;
    const key = `${table.section}:${begin}:${move.section}`;
    const known = this.#tableShifts.get(key);
    if (known !== undefined) return known;
    const end = starts[index + 1] ?? Number.POSITIVE_INFINITY;
    const { rows, places } = this.#rowsByPlace(table);
    let shift: number | null = null;
    let home: CodeSymbol | null = null;
    let isConsistent = true;
    let allStarts = true;
    let beginsWithEntry = false;
    for (let k = countUpTo(places, begin - 1); k < rows.length && isConsistent; k++) {
      const r = rows[k] ?? 0;
      const at = table.offset(r);
      if (at >= end) break;
      const symbol = table.symbol(r);
      if (at === begin) beginsWithEntry = table.type(r) === table.type(row);
      if (symbol >= this.#symbols.count || this.#symbols.sectionOf(symbol) !== move.section) continue;
      const self = this.#symbols.offset(symbol) + Number(table.addend(r));
      const target = self - (at - begin);
      const owner = target >= 0 ? this.#functions.at(move.section, target) : null;
      if (owner === null || target >= owner.start + owner.size || target % 4 !== 0) isConsistent = false;
      else if (home !== null && home.start !== owner.start) isConsistent = false;
      else home = owner;
      if (this.#functions.at(move.section, self)?.start !== self) allStarts = false;
      shift = move.shift(target);
    }
    const result = isConsistent && beginsWithEntry && !allStarts ? shift : null;
    this.#tableShifts.set(key, result);
    return result;
  }

  #rowsByPlace(table: RelocationTable): { rows: readonly number[]; places: readonly number[] } {
    let known = this.#sortedRows.get(table.section);
    if (known === undefined) {
      const rows = Array.from({ length: table.count }, (_, r) => r).sort((a, b) => table.offset(a) - table.offset(b));
      known = { rows, places: rows.map((r) => table.offset(r)) };
      this.#sortedRows.set(table.section, known);
    }
    return known;
  }

  /** Section -> offsets that symbols or absolute references name, ascending. */
  #tableStarts(): Map<number, number[]> {
    if (this.#starts !== null) return this.#starts;
    const sets = new Map<number, Set<number>>();
    const add = (section: number | null, offset: number): void => {
      if (section === null) return;
      const set = sets.get(section);
      if (set === undefined) sets.set(section, new Set([offset]));
      else set.add(offset);
    };
    for (let i = 1; i < this.#symbols.count; i++) {
      if (this.#symbols.type(i) !== STT_SECTION) add(this.#symbols.sectionOf(i), this.#symbols.offset(i));
    }
    for (const table of this.#file.relocations) {
      // Debug information names variables, not compiler-made tables.
      if (!this.#file.sections.hasFlags(table.target, SHF_ALLOC) || !table.hasAddends) continue;
      for (let row = 0; row < table.count; row++) {
        const type = table.type(row);
        if (type === R_PPC64_REL32 || type === R_PPC64_REL64 || OTHER_PC_RELATIVE.has(type)) continue;
        const symbol = table.symbol(row);
        if (symbol >= this.#symbols.count) continue;
        add(this.#symbols.sectionOf(symbol), this.#symbols.offset(symbol) + Number(table.addend(row)));
      }
    }
    this.#starts = new Map([...sets].map(([section, set]) => [section, [...set].sort((a, b) => a - b)]));
    return this.#starts;
  }
}

const signed = (value: number): string => (value < 0 ? `-${hex(-value)}` : hex(value));
