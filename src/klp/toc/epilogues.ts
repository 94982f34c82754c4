// Which functions restore their caller's TOC at each return (--toc-restore epilogue), and which cannot.

import { hex, viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, STT_FUNC } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { R_PPC64_REL24 } from "../../reloc/numbers.ts";
import { BCTR, decodeBranch, isReturn } from "../../stubs/insn.ts";
import { RESTORE_AND_RETURN } from "../../stubs/strategies/epilogue.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import { replacementFunctions } from "../patch/replacements.ts";

/** A function whose returns go through a restoring sequence behind it. */
export interface PlannedEpilogue {
  readonly function: CodeSymbol;
  /** Offsets of its return instructions in the section. */
  readonly returns: readonly number[];
}

export interface RefusedEpilogue {
  readonly function: CodeSymbol;
  /** Offset in the section of the word that is in the way. */
  readonly offset: number;
  readonly reason: string;
}

export interface EpiloguePlan {
  readonly planned: readonly PlannedEpilogue[];
  readonly refused: readonly RefusedEpilogue[];
}

/** Bytes of the sequence that restores and returns. */
export const EPILOGUE_SIZE = RESTORE_AND_RETURN.length * 4;

export const NO_EPILOGUES: EpiloguePlan = { planned: [], refused: [] };

/** A B-form branch reaches [-32 KiB, 32 KiB). */
const CONDITIONAL_REACH = 0x8000;
/** Padding that may stand between a function's end and its sequence, in bytes. */
const MARGIN = 16 * 1024;
const R12 = 12;

export function planEpilogues(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex): EpiloguePlan {
  const wanted = replacementFunctions(file, symbols, functions);
  const planned: PlannedEpilogue[] = [];
  const refused: RefusedEpilogue[] = [];
  if (wanted.length === 0) return { planned, refused };
  const branches = branchesOf(file, symbols, functions);
  for (const target of wanted) {
    // Without a TOC of its own the function leaves r2 as its caller set it.
    if (target.localEntryCode === 0) continue;
    const found = returnsOf(file, target, branches);
    if ("reason" in found) refused.push(found);
    else if (found.returns.length > 0) planned.push(found);
  }
  return { planned, refused };
}

interface Branches {
  /** `section:start` of functions that are called or branched to inside the module. */
  readonly targets: ReadonlySet<string>;
  /** `section:offset` of each word that a REL24 relocation fills. */
  readonly relocated: ReadonlySet<string>;
}

function branchesOf(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex): Branches {
  const targets = new Set<string>();
  const relocated = new Set<string>();
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, SHF_ALLOC)) continue;
    for (let row = 0; row < table.count; row++) {
      if (table.type(row) !== R_PPC64_REL24 || table.symbol(row) >= symbols.count) continue;
      relocated.add(`${table.target}:${table.offset(row)}`);
      const section = symbols.sectionOf(table.symbol(row));
      if (section === null) continue;
      const to = functions.at(section, symbols.offset(table.symbol(row)) + Number(table.addend(row)));
      if (to !== null) targets.add(`${section}:${to.start}`);
    }
  }
  return { targets, relocated };
}

function returnsOf(file: ElfFile, target: CodeSymbol, branches: Branches): PlannedEpilogue | RefusedEpilogue {
  const refuse = (offset: number, reason: string): RefusedEpilogue => ({ function: target, offset, reason });
  const { section, start, size } = target;
  const view = viewOf(file.sections.data(section));
  if (target.type !== STT_FUNC || size === 0 || start + size > view.byteLength || start % 4 !== 0) {
    return refuse(start, "it is not compiler-made (no size or no function type)");
  }
  if (branches.targets.has(`${section}:${start}`)) {
    return refuse(start, "it is also reached inside the module, where nobody stores the distance to the TOC");
  }
  const returns: number[] = [];
  let counterFrom: number | null = null;
  for (let at = start; at + 4 <= start + size; at += 4) {
    const word = view.getUint32(at, file.littleEndian);
    const branch = decodeBranch(word);
    if (branch !== null && !branch.links) {
      const to = at + branch.displacement;
      const leaves = branches.relocated.has(`${section}:${at}`) || branch.absolute || to < start || to >= start + size;
      if (leaves) return refuse(at, "it ends in a branch to other code, which returns by itself");
    }
    if ((word & 0xfc1f_ffff) >>> 0 === 0x7c09_03a6) counterFrom = (word >>> 21) & 31; // mtctr rX
    if (word === BCTR && (counterFrom === null || counterFrom === R12)) {
      return refuse(at, "it may end in an indirect sibling call");
    }
    const kind = isReturn(word);
    if (kind === "call") return refuse(at, "it calls through LR");
    if (kind === null || isRestored(view, at, start, file.littleEndian)) continue;
    if (kind === "conditional" && start + size - at + MARGIN >= CONDITIONAL_REACH) {
      return refuse(at, `a conditional return reaches ${hex(CONDITIONAL_REACH)} bytes at most`);
    }
    returns.push(at);
  }
  return { function: target, returns };
}

/** Whether the return is the end of a sequence that was put there before. */
function isRestored(view: DataView, at: number, start: number, littleEndian: boolean): boolean {
  const first = at - EPILOGUE_SIZE + 4;
  return first >= start && RESTORE_AND_RETURN.every((w, i) => view.getUint32(first + i * 4, littleEndian) === w);
}
