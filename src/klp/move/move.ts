// Room between the functions of one section: what stands behind an island moves, and everything that counts
// from the section's start moves with it. What the assembler resolved to a number leaves no trace; so a section
// is moved only if it is made of functions whose insides stay as they are, and every word that counts from one
// function to another is known. docs/islands.md, "Functions that share a section".

import { viewOf } from "../../base/bytes.ts";
import { STT_SECTION } from "../../elf/consts.ts";
import type { ZstdUnpacker } from "../../elf/containers/compressed.ts";
import type { MovedDebug } from "../../elf/dwarf/moved/debug.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { NOP } from "../../stubs/insn.ts";
import type { FunctionIndex } from "../functions.ts";
import { type CrossingBranch, checkMovedCode } from "./code.ts";
import { applyDebugMove, planDebugMove } from "./debug.ts";
import { type Gap, type Obstacle, SectionMove } from "./layout.ts";
import { type AddendChange, TargetFollower } from "./targets.ts";

/** Everything that changes when sections are moved. */
export interface Move {
  readonly sections: ReadonlyMap<number, SectionMove>;
  readonly branches: ReadonlyMap<number, readonly CrossingBranch[]>;
  readonly addends: readonly AddendChange[];
  /** Sections that could not be moved, and why. */
  readonly obstacles: ReadonlyMap<number, Obstacle>;
  /** Debug information in numbers of its own; worked out when first asked for. */
  readonly debug: () => MovedDebug;
}

/**
 * Plans to make room in sections. A section that meets an obstacle is left as it is.
 * @param unzstd unpacks debug sections packed with zstd; null: they keep telling of the old layout
 */
export function planMove(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  gaps: ReadonlyMap<number, readonly Gap[]>,
  unzstd: ZstdUnpacker | null = null,
): Move {
  const sections = new Map<number, SectionMove>();
  const branches = new Map<number, readonly CrossingBranch[]>();
  const obstacles = new Map<number, Obstacle>();
  for (const [section, list] of gaps) {
    if (list.length > 0) sections.set(section, new SectionMove(section, list));
  }
  const debug = planDebugMove(file, sections, unzstd);
  if (sections.size === 0) return { sections, branches, addends: [], obstacles, debug };
  for (const move of sections.values()) {
    const found = checkMovedCode(file, functions, move, (obstacle) => {
      obstacles.set(move.section, obstacle);
      return null;
    });
    if (found !== null) branches.set(move.section, found);
  }
  const changes = new TargetFollower(file, symbols, functions, sections, obstacles).changes();
  for (const section of obstacles.keys()) {
    sections.delete(section);
    branches.delete(section);
  }
  return {
    sections,
    branches,
    addends: changes.filter((c) => sections.has(c.section)),
    obstacles,
    debug,
  };
}

/** Carries out a move. The room is filled with nops; r_offsets, symbols, addends, branches and debug information follow. */
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
  applyDebugMove(edits, symbols, move.sections, move.debug());
}
