// Which replacement functions run in a mini frame (--toc-restore mini-frame), and what changes for it: their symbol goes
// to an entry before them.

import { hex, viewOf, wordBytes } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, STT_FUNC, STT_SECTION } from "../../elf/consts.ts";
import type { Prototypes } from "../../elf/dwarf/types/prototype.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { R_PPC64_ADDR64 } from "../../reloc/numbers.ts";
import {
  ENTRY_MARK,
  LOCAL_ENTRY,
  LOCAL_ENTRY_CODE,
  miniFrameEntry,
  RETURN_HELPER,
} from "../../stubs/strategies/miniFrame.ts";
import type { CodeSymbol, FunctionIndex, SymbolizedFile } from "../functions.ts";
import type { SectionMove } from "../move/layout.ts";
import { replacementFunctions } from "../patch/replacements.ts";
import { stackArguments } from "./framed.ts";

export interface RefusedFrame {
  readonly function: CodeSymbol;
  readonly reason: string;
}

export interface PlannedFrame {
  readonly function: CodeSymbol;
  /** Bytes of data right before the function that its code finds by their distance from it (see leadOf). */
  readonly lead: number;
}

export interface MiniFramePlan {
  readonly planned: readonly PlannedFrame[];
  readonly refused: readonly RefusedFrame[];
}

export const NO_FRAMES: MiniFramePlan = { planned: [], refused: [] };
export const HELPER_SIZE = RETURN_HELPER.length * 4;
const LD_R2_BEFORE_R12 = 0xe84c_fff8; // ld r2,-8(r12)
/** A function with its islands must be shorter: the entry finds the helper by a 16-bit distance. */
const REACH = 0x7000;
/** Branches go to the local entry by themselves (ELFv2 ABI 3.5.3). */
const BRANCHES = new Set([10, 11, 12, 13, 116]);

/** @param force gives the frame to functions, too, whose arguments are not shown to be in registers. */
export function planMiniFrames(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  prototypes: Prototypes,
  force: boolean,
): MiniFramePlan {
  const planned: PlannedFrame[] = [];
  const refused: RefusedFrame[] = [];
  for (const f of replacementFunctions(file, symbols, functions)) {
    // Without a TOC of its own the function leaves r2 as its caller set it.
    if (f.localEntryCode === 0 || hasFrame(file, f)) continue;
    const shape = shapeProblem(file, f);
    const reason = shape ?? stackArguments(prototypes, f.name);
    if (reason !== null) refused.push({ function: f, reason });
    if (shape === null && (reason === null || force)) planned.push({ function: f, lead: leadOf(file, f) });
  }
  return { planned, refused };
}

/** Whether the function has such an entry already: it was linked before. */
function hasFrame(file: ElfFile, f: CodeSymbol): boolean {
  if (f.localEntry - f.start !== LOCAL_ENTRY) return false;
  const view = viewOf(file.sections.data(f.section));
  const mark = ENTRY_MARK;
  for (let at = f.start; at + mark.length * 4 <= Math.min(f.localEntry, view.byteLength); at += 4) {
    if (mark.every((word, i) => view.getUint32(at + i * 4, file.littleEndian) === word)) return true;
  }
  return false;
}

function shapeProblem(file: ElfFile, f: CodeSymbol): string | null {
  const size = file.sections.size(f.section);
  if (f.type !== STT_FUNC || f.size === 0 || f.start + f.size > size || f.start % 4 !== 0) {
    return "it is not compiler-made (no size or no function type)";
  }
  if (f.size >= REACH) return `it has ${hex(f.size)} bytes, and the helper behind it must be near`;
  // Ten words at most, and the data before the function.
  return entryBytes(f) - leadOf(file, f) < 40
    ? `its local entry is ${f.localEntry - f.start} bytes behind its global entry`
    : null;
}

/**
 * Under -mcmodel=large the distance to the TOC stands in eight bytes right before the function, and the function begins
 * with `ld r2,-8(r12)`: they must not be parted.
 */
function leadOf(file: ElfFile, f: CodeSymbol): number {
  const data = file.sections.data(f.section);
  if (f.start < 8 || f.start + 4 > data.length) return 0;
  return viewOf(data).getUint32(f.start, file.littleEndian) === LD_R2_BEFORE_R12 ? 8 : 0;
}

/** Bytes of a function's new entry: what is missing to 64 before its local entry. */
export const entryBytes = (f: CodeSymbol): number => LOCAL_ENTRY - (f.localEntry - f.start);

/**
 * Writes the entry and the helper of one function.
 * @param layout its section's new layout, with room before the function
 * @param helper offset of the helper, behind the function
 */
export function placeMiniFrame(
  edits: ElfEdits,
  { symbols, functions }: Pick<SymbolizedFile, "symbols" | "functions">,
  { function: f, lead }: PlannedFrame,
  layout: SectionMove,
  helper: number,
): void {
  const size = entryBytes(f);
  const entry = layout.to(f.start) - size;
  edits.patch(f.section, entry, wordBytes(miniFrameEntry(size, lead, helper - entry), edits.file.littleEndian));
  edits.patch(f.section, helper, wordBytes(RETURN_HELPER, edits.file.littleEndian));
  const aliases = new Set<number>();
  for (const { symbol } of functions.aliases(f)) {
    aliases.add(symbol);
    const other = (symbols.other(symbol) & 0x1f) | (LOCAL_ENTRY_CODE << 5);
    edits.setSymbol(symbol, { value: symbols.value(symbol) + BigInt(entry - f.start), other });
  }
  followSymbol(edits, symbols, f, aliases, size);
}

/** The symbol went back by `size` bytes: places counted from it stay; pointers to the function go to its entry. */
function followSymbol(
  edits: ElfEdits,
  symbols: SymbolTable,
  f: CodeSymbol,
  aliases: ReadonlySet<number>,
  size: number,
): void {
  const { sections } = edits.file;
  for (const table of edits.file.relocations) {
    if (!table.hasAddends) continue;
    const isLoaded = sections.hasFlags(table.target, SHF_ALLOC);
    const isData = isLoaded && !sections.hasFlags(table.target, SHF_EXECINSTR);
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (symbol >= symbols.count || BRANCHES.has(table.type(row))) continue;
      const addend = table.addend(row);
      let change = 0;
      if (aliases.has(symbol)) change = addend === 0n && isLoaded ? 0 : size;
      else if (isData && table.type(row) === R_PPC64_ADDR64 && symbols.type(symbol) === STT_SECTION) {
        const names = symbols.sectionOf(symbol) === f.section && symbols.offset(symbol) + Number(addend) === f.start;
        if (names) change = -size;
      }
      if (change === 0) continue;
      const now = edits.relocation(table, row)?.addend ?? addend;
      edits.setAddend(table, row, now + BigInt(change));
    }
  }
}
