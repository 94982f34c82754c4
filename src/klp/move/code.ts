// The inside of a section that moves: it must be made of whole functions, and every branch between them that the
// assembler resolved to a number is found and encoded anew.

import { hex, printable, viewOf } from "../../base/bytes.ts";
import { STT_FUNC } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { R_PPC64_REL64 } from "../../reloc/numbers.ts";
import { BRANCH_REACH, branchReaches, decodeBranch, encodeBranch, isNopWord } from "../../stubs/insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import type { Obstacle, SectionMove } from "./layout.ts";

/** A branch that the assembler resolved and that has to be encoded anew. Offsets are of the old layout. */
export interface CrossingBranch {
  readonly at: number;
  readonly word: number;
}

/** Bytes that a relocation of a type may cover, at most, in code that moves. */
const fieldBytes = (type: number): number =>
  type === 38 || type === R_PPC64_REL64 || type === 51 || type === 118 || (type >= 128 && type <= 149) ? 8 : 4;

/** Called with the word or symbol that is in the way; returns null. */
export type Refuse = (obstacle: Obstacle) => null;

/** The section itself: functions, what stands between them, and branches. Null if there is an obstacle. */
export function checkMovedCode(
  file: ElfFile,
  functions: FunctionIndex,
  move: SectionMove,
  tell: Refuse,
): CrossingBranch[] | null {
  const refuse: RefuseAt = (offset, reason) => tell({ section: move.section, offset, reason });
  const data = file.sections.data(move.section);
  const room = move.gaps.reduce((sum, gap) => sum + gap.size, 0);
  // Also a limit on memory: the room is a multiple of sh_addralign, which may be any number.
  if (data.length + room >= BRANCH_REACH) {
    return refuse(0, `with room for islands it would have ${hex(data.length + room)} bytes`);
  }
  const relocated = relocatedBytes(file, move, data.length, refuse);
  if (relocated === null) return null;
  if (file.symbolTables.size > 1) return refuse(0, "the file has two symbol tables");
  const words = { view: viewOf(data), littleEndian: file.littleEndian, relocated };
  const code = wholeFunctions(words, functions, move, refuse);
  return code === null ? null : crossingBranches(words, code, move, refuse);
}

type RefuseAt = (offset: number, reason: string) => null;

/** The words of a section. */
interface Words {
  readonly view: DataView;
  readonly littleEndian: boolean;
  /** One byte a word: 1 where a relocation covers it. */
  readonly relocated: Uint8Array;
}

/** Only whole functions, and between them nothing that runs; no gap within one. Null if there is an obstacle. */
function wholeFunctions(
  words: Words,
  functions: FunctionIndex,
  { section, gaps }: SectionMove,
  refuse: RefuseAt,
): CodeSymbol[] | null {
  const code: CodeSymbol[] = [];
  let end = 0;
  for (const symbol of functions.inSection(section)) {
    const name = printable(symbol.name);
    if (symbol.start < end) continue; // an alias, or a label inside the function before it
    if (symbol.type !== STT_FUNC || symbol.size === 0 || symbol.start + symbol.size > words.view.byteLength) {
      const reason = `${name} is not compiler-made (no size or no function type), so distances in it cannot be seen`;
      return refuse(symbol.start, reason);
    }
    if (symbol.start % 4 !== 0) return refuse(symbol.start, `${name} is not aligned`);
    const between = firstCode(words, end, symbol.start);
    if (between !== null) return refuse(between, `code stands there outside any function`);
    code.push(symbol);
    end = symbol.start + symbol.size;
    for (const alias of functions.aliases(symbol)) end = Math.max(end, alias.start + alias.size);
  }
  for (const gap of gaps) {
    const before = functions.at(section, gap.at - 1);
    if (before !== null && gap.at < before.start + before.size) {
      return refuse(gap.at, `it is inside ${printable(before.name)}`);
    }
  }
  return code;
}

/** The branches whose distance changes. Null if there is an obstacle. */
function crossingBranches(
  { view, littleEndian, relocated }: Words,
  code: readonly CodeSymbol[],
  move: SectionMove,
  refuse: RefuseAt,
): CrossingBranch[] | null {
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
      if (target < 0 || target > view.byteLength || move.shift(target) === move.shift(at)) continue;
      if (!isCode) {
        const reason = `the word in ${printable(name)} may be data or a branch to another function`;
        return refuse(at, reason);
      }
      const moved = reencode(word, move.to(target) - move.to(at));
      if (moved === null) {
        const reason = `the branch to ${hex(target)} does not reach its target any more`;
        return refuse(at, reason);
      }
      branches.push({ at, word: moved });
    }
  }
  return branches;
}

/** One byte a word of the section: 1 where a relocation covers it. Null if there is an obstacle. */
function relocatedBytes(file: ElfFile, move: SectionMove, size: number, refuse: RefuseAt): Uint8Array | null {
  const covered = new Uint8Array(Math.ceil(size / 4));
  for (const table of file.relocations) {
    if (table.target !== move.section) continue;
    for (let row = 0; row < table.count; row++) {
      const offset = table.offset(row);
      if (offset >= size) {
        return refuse(size, "a relocation lies behind the section's end");
      }
      const bytes = fieldBytes(table.type(row));
      if (move.shift(offset) !== move.shift(Math.min(offset + bytes, size) - 1)) {
        return refuse(offset, "a relocation reaches across the function's end");
      }
      for (let at = offset; at < Math.min(offset + bytes, size); at += 4) covered[at >> 2] = 1;
      covered[(Math.min(offset + bytes, size) - 1) >> 2] = 1;
    }
  }
  return covered;
}

/** The first word in [start, end) that is neither padding nor relocated; null if there is none. */
function firstCode({ view, littleEndian, relocated }: Words, start: number, end: number): number | null {
  for (let at = start; at < end; at++) {
    if (at % 4 === 0 && at + 4 <= end) {
      const word = view.getUint32(at, littleEndian);
      if (relocated[at >> 2] !== 1 && word !== 0 && !isNopWord(word)) return at;
      at += 3;
    } else if (view.getUint8(at) !== 0) return at;
  }
  return null;
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
