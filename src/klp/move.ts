// Room between the functions of one section: what stands behind an island moves, and everything that counts
// from the section's start moves with it. What the assembler resolved to a number leaves no trace; so a section
// is moved only if it is made of functions whose insides stay as they are, and every word that counts from one
// function to another is known. docs/islands.md, "Functions that share a section".

import { alignUp, hex, printable, viewOf } from "../base/bytes.ts";
import { SHF_ALLOC, STT_FUNC, STT_SECTION } from "../elf/consts.ts";
import type { ElfEdits } from "../elf/edits.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/relas.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import { BRANCH_REACH, branchReaches, decodeBranch, encodeBranch, isNopWord, NOP } from "../stubs/insn.ts";
import type { CodeSymbol, FunctionIndex } from "./functions.ts";

/** Room to make in a section, in bytes; what begins at `at` or behind it moves. */
export interface Gap {
  readonly at: number;
  readonly size: number;
}

/** Why a section cannot be moved: the word or symbol that may count from the old layout. */
export interface Obstacle {
  readonly section: number;
  readonly offset: number;
  readonly reason: string;
}

/** The new layout of one section. */
export class SectionMove {
  readonly section: number;
  /** By offset. */
  readonly gaps: readonly Gap[];
  readonly #places: readonly number[];
  /** Sizes of the first n gaps together. */
  readonly #sums: readonly number[];

  constructor(section: number, gaps: readonly Gap[]) {
    this.section = section;
    this.gaps = [...gaps].sort((a, b) => a.at - b.at);
    this.#places = this.gaps.map((gap) => gap.at);
    const sums = [0];
    for (const gap of this.gaps) sums.push((sums.at(-1) ?? 0) + gap.size);
    this.#sums = sums;
  }

  /** Bytes by which what stands at `offset` moves. */
  shift(offset: number): number {
    return this.#sums[countUpTo(this.#places, offset)] ?? 0;
  }

  /** New offset of what stood at `offset`. */
  to(offset: number): number {
    return offset + this.shift(offset);
  }

  /** New offset of the first byte of the room made at `at`. */
  roomAt(at: number): number {
    return at + this.shift(at - 1);
  }
}

/** How many of the ascending `list` are at most `value`. */
function countUpTo(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A branch that the assembler resolved and that has to be encoded anew. Offsets are of the old layout. */
interface CrossingBranch {
  readonly at: number;
  readonly word: number;
}

interface AddendChange {
  readonly table: RelocationTable;
  readonly row: number;
  readonly addend: bigint;
}

/** Everything that changes when sections are moved. */
export interface Move {
  readonly sections: ReadonlyMap<number, SectionMove>;
  readonly branches: ReadonlyMap<number, readonly CrossingBranch[]>;
  readonly addends: readonly AddendChange[];
  /** Sections that could not be moved, and why. */
  readonly obstacles: ReadonlyMap<number, Obstacle>;
}

/** Branches: they reach S + A, whatever the place (ELFv2 ABI 3.5.3). */
const BRANCH_TYPES = new Set([10, 11, 12, 13, 116]);
const R_PPC64_NONE = 0;
const R_PPC64_REL32 = 26;
const R_PPC64_REL64 = 44;
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

/** Bytes that a relocation of a type may cover, at most, in code that moves. */
const fieldBytes = (type: number): number =>
  type === 38 || type === R_PPC64_REL64 || type === 51 || type === 118 || (type >= 128 && type <= 149) ? 8 : 4;

/** Plans to make room in sections. A section that meets an obstacle is left as it is. */
export function planMove(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  gaps: ReadonlyMap<number, readonly Gap[]>,
): Move {
  const sections = new Map<number, SectionMove>();
  const branches = new Map<number, readonly CrossingBranch[]>();
  const obstacles = new Map<number, Obstacle>();
  for (const [section, list] of gaps) {
    if (list.length > 0) sections.set(section, new SectionMove(section, list));
  }
  if (sections.size === 0) return { sections, branches, addends: [], obstacles };
  const planner = new Planner(file, symbols, functions, sections, obstacles);
  for (const move of [...sections.values()]) {
    const found = planner.checkSection(move);
    if (found !== null) branches.set(move.section, found);
  }
  const changes = planner.followRelocations();
  for (const section of obstacles.keys()) {
    sections.delete(section);
    branches.delete(section);
  }
  return {
    sections,
    branches,
    addends: changes.filter((c) => sections.has(c.section)).map(({ table, row, addend }) => ({ table, row, addend })),
    obstacles,
  };
}

class Planner {
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

  /** The first obstacle of a section is the one that is told. */
  #refuse(moved: number, section: number, offset: number, reason: string): null {
    if (!this.#obstacles.has(moved)) this.#obstacles.set(moved, { section, offset, reason });
    return null;
  }

  /** The section itself: functions, what stands between them, and branches. Null if there is an obstacle. */
  checkSection(move: SectionMove): CrossingBranch[] | null {
    const { section } = move;
    const data = this.#file.sections.data(section);
    const view = viewOf(data);
    const littleEndian = this.#file.littleEndian;
    const room = move.gaps.reduce((sum, gap) => sum + gap.size, 0);
    // Also a limit on memory: the room is a multiple of sh_addralign, which may be any number.
    if (data.length + room >= BRANCH_REACH) {
      return this.#refuse(section, section, 0, `with room for islands it would have ${hex(data.length + room)} bytes`);
    }
    const relocated = this.#relocatedBytes(move, data.length);
    if (relocated === null) return null;
    if (this.#file.symbolTables.size > 1) return this.#refuse(section, section, 0, "the file has two symbol tables");

    // Only whole functions, and between them nothing that runs.
    const code: CodeSymbol[] = [];
    let end = 0;
    for (const symbol of this.#functions.inSection(section)) {
      const name = printable(symbol.name);
      if (symbol.start < end) continue; // an alias, or a label inside the function before it
      if (symbol.type !== STT_FUNC || symbol.size === 0 || symbol.start + symbol.size > data.length) {
        const reason = `${name} is not compiler-made (no size or no function type), so distances in it cannot be seen`;
        return this.#refuse(section, section, symbol.start, reason);
      }
      if (symbol.start % 4 !== 0) return this.#refuse(section, section, symbol.start, `${name} is not aligned`);
      const between = this.#firstCode(view, relocated, end, symbol.start);
      if (between !== null) return this.#refuse(section, section, between, `code stands there outside any function`);
      code.push(symbol);
      end = symbol.start + symbol.size;
      for (const alias of this.#functions.aliases(symbol)) end = Math.max(end, alias.start + alias.size);
    }
    for (const gap of move.gaps) {
      const before = this.#functions.at(section, gap.at - 1);
      if (before !== null && gap.at < before.start + before.size) {
        return this.#refuse(section, section, gap.at, `it is inside ${printable(before.name)}`);
      }
    }

    const branches: CrossingBranch[] = [];
    for (const { name, start, size } of code) {
      let isCode = true;
      for (let at = start; at + 4 <= start + size; at += 4) {
        if (relocated[at >> 2] === 1) continue;
        const word = view.getUint32(at, littleEndian);
        // Compilers keep tables and trace-back data behind the code that uses them.
        if (word === 0) isCode = false;
        const branch = decodeBranch(word);
        if (branch === null || branch.absolute) continue;
        const target = at + branch.displacement;
        if (target < 0 || target > data.length || move.shift(target) === move.shift(at)) continue;
        if (!isCode) {
          const reason = `the word in ${printable(name)} may be data or a branch to another function`;
          return this.#refuse(section, section, at, reason);
        }
        const moved = reencode(word, move.to(target) - move.to(at));
        if (moved === null) {
          const reason = `the branch to ${hex(target)} does not reach its target any more`;
          return this.#refuse(section, section, at, reason);
        }
        branches.push({ at, word: moved });
      }
    }
    return branches;
  }

  /** One byte a word of the section: 1 where a relocation covers it. Null if there is an obstacle. */
  #relocatedBytes(move: SectionMove, size: number): Uint8Array | null {
    const covered = new Uint8Array(Math.ceil(size / 4));
    for (const table of this.#file.relocations) {
      if (table.target !== move.section) continue;
      for (let row = 0; row < table.count; row++) {
        const offset = table.offset(row);
        if (offset >= size) {
          return this.#refuse(move.section, move.section, size, "a relocation lies behind the section's end");
        }
        const bytes = fieldBytes(table.type(row));
        if (move.shift(offset) !== move.shift(Math.min(offset + bytes, size) - 1)) {
          return this.#refuse(move.section, move.section, offset, "a relocation reaches across the function's end");
        }
        for (let at = offset; at < Math.min(offset + bytes, size); at += 4) covered[at >> 2] = 1;
        covered[(Math.min(offset + bytes, size) - 1) >> 2] = 1;
      }
    }
    return covered;
  }

  /** The first word in [start, end) that is neither padding nor relocated; null if there is none. */
  #firstCode(view: DataView, relocated: Uint8Array, start: number, end: number): number | null {
    for (let at = start; at < end; at++) {
      if (at % 4 === 0 && at + 4 <= end) {
        const word = view.getUint32(at, this.#file.littleEndian);
        if (relocated[at >> 2] !== 1 && word !== 0 && !isNopWord(word)) return at;
        at += 3;
      } else if (view.getUint8(at) !== 0) return at;
    }
    return null;
  }

  /** New addends of all relocations that count from the start of a section that moves, or across rooms in it. */
  followRelocations(): (AddendChange & { section: number })[] {
    const changes: (AddendChange & { section: number })[] = [];
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
        const change = shift - move.shift(this.#symbols.offset(symbol));
        if (change !== 0) {
          changes.push({ table, row, addend: table.addend(row) + BigInt(change), section: move.section });
        }
      }
    }
    return changes;
  }

  /** Bytes by which the target of a relocation into `move` moves. Null if it cannot be told: an obstacle. */
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

/** The same branch over another distance; null if it does not reach. */
function reencode(word: number, displacement: number): number | null {
  const branch = decodeBranch(word);
  if (branch === null) return null;
  if (branch.conditional) {
    return displacement >= -0x8000 && displacement < 0x8000 ? ((word & ~0xfffc) | (displacement & 0xfffc)) >>> 0 : null;
  }
  if (!branchReaches(displacement)) return null;
  return (encodeBranch(displacement) | (word & 1)) >>> 0;
}

const signed = (value: number): string => (value < 0 ? `-${hex(-value)}` : hex(value));

/** Carries out a move. The room is filled with nops; r_offsets, symbols, addends and branches follow. */
export function applyMove(edits: ElfEdits, symbols: SymbolTable, move: Move): void {
  const { file } = edits;
  for (const { section, gaps } of move.sections.values()) {
    const old = file.sections.data(section);
    const total = gaps.reduce((sum, gap) => sum + gap.size, 0);
    const moved = new Uint8Array(old.length + total);
    const view = viewOf(moved);
    let from = 0;
    let to = 0;
    for (const gap of [...gaps, { at: old.length, size: 0 }]) {
      moved.set(old.subarray(from, gap.at), to);
      to += gap.at - from;
      from = gap.at;
      for (const end = to + gap.size; to < end; ) {
        if (to % 4 === 0 && to + 4 <= end) {
          view.setUint32(to, NOP, file.littleEndian);
          to += 4;
        } else to++;
      }
    }
    edits.replaceData(section, moved);
  }
  for (const [section, branches] of move.branches) {
    const layout = move.sections.get(section);
    if (layout === undefined) continue;
    for (const { at, word } of branches) edits.patchWord(section, layout.to(at), word);
  }
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    const layout = section === null ? undefined : move.sections.get(section);
    if (layout === undefined || symbols.type(i) === STT_SECTION) continue;
    const shift = layout.shift(symbols.offset(i));
    if (shift !== 0) edits.setSymbol(i, { value: symbols.value(i) + BigInt(shift) });
  }
  for (const table of file.relocations) {
    const layout = move.sections.get(table.target);
    if (layout === undefined) continue;
    for (let row = 0; row < table.count; row++) {
      const offset = table.offset(row);
      if (layout.shift(offset) !== 0) edits.moveRelocation(table, row, layout.to(offset));
    }
  }
  for (const { table, row, addend } of move.addends) edits.setAddend(table, row, addend);
}

/** Size of the room for `bytes` of code in a section: a multiple of its alignment, so that alignments behind it stay. */
export function roomFor(file: ElfFile, section: number, bytes: number): number {
  return alignUp(bytes, Math.max(4, file.sections.addralign(section)));
}
