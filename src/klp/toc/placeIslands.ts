// Carries out a plan for islands, epilogues and mini frames.

import { viewOf, wordBytes } from "../../base/bytes.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { decodeBranch, encodeBranch, returnAsBranch } from "../../stubs/insn.ts";
import { slotRelocations } from "../../stubs/island.ts";
import { RESTORE_AND_RETURN } from "../../stubs/strategies/epilogue.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import { applyMove } from "../move/move.ts";
import { endOfCode } from "../move/room.ts";
import type { RelocationRouter } from "../symbols/router.ts";
import { EPILOGUE_SIZE } from "./epilogues.ts";
import { islandCode, islandSize, type StackPlaces } from "./islandCode.ts";
import { type IslandPlan, stubKey } from "./islands.ts";
import { entryBytes, HELPER_SIZE, placeMiniFrame } from "./miniFrames.ts";
import { TocSlots } from "./tocSlots.ts";

/**
 * Writes what is planned into `edits`. Returns the number of bytes of code and data added.
 * @param converting symbols that become livepatch symbols of vmlinux in the same edit.
 * @param stack where the livepatch stack is; needed for klp_stubs only.
 */
export function placeIslands(
  edits: ElfEdits,
  symbols: SymbolTable,
  functions: FunctionIndex,
  plan: IslandPlan,
  router: RelocationRouter,
  converting: ReadonlySet<number>,
  stack: StackPlaces | null,
): number {
  applyMove(edits, symbols, plan.move);
  let added = 0;
  for (const { gaps } of plan.move.sections.values()) for (const gap of gaps) added += gap.size;
  const used = new Map<CodeSymbol, number>();
  const framed = new Set(plan.frames.planned.map((frame) => frame.function));
  /** Offset of `size` bytes behind a function: in the room made there, or at its section's end. */
  const place = (f: CodeSymbol | null, section: number, size: number): number => {
    const layout = plan.move.sections.get(section);
    if (f !== null && layout !== undefined && functions.after(f) !== null) {
      const before = used.get(f) ?? 0;
      used.set(f, before + size);
      return layout.roomAt(endOfCode(functions, f)) + before;
    }
    added += size;
    return edits.append(section, new Uint8Array(size), 4);
  };
  /** The function's st_size, and that of its aliases, reaches to the end of what is added to it. */
  const cover = (f: CodeSymbol | null, end: number): void => {
    if (f === null) return;
    const layout = plan.move.sections.get(f.section);
    const start = (layout?.to(f.start) ?? f.start) - (framed.has(f) ? entryBytes(f) : 0);
    for (const alias of functions.aliases(f)) {
      if (alias.size !== 0) edits.setSymbol(alias.symbol, { size: end - start });
    }
  };
  for (const frame of plan.frames.planned) {
    const f = frame.function;
    const layout = plan.move.sections.get(f.section);
    if (layout === undefined) throw new Error(`no room was planned for ${f.name}`);
    const helper = place(f, f.section, HELPER_SIZE);
    placeMiniFrame(edits, symbols, functions, frame, layout, helper);
    cover(f, helper + HELPER_SIZE);
  }
  // Before the islands, so that conditional returns reach them.
  for (const { function: target, returns } of plan.epilogues.planned) {
    const layout = plan.move.sections.get(target.section);
    const at = place(target, target.section, EPILOGUE_SIZE);
    edits.patch(target.section, at, wordBytes(RESTORE_AND_RETURN, edits.file.littleEndian));
    const original = viewOf(edits.file.sections.data(target.section));
    for (const offset of returns) {
      const site = layout?.to(offset) ?? offset;
      const word = returnAsBranch(original.getUint32(offset, edits.file.littleEndian), at - site);
      edits.patchWord(target.section, site, word);
    }
    cover(target, at + EPILOGUE_SIZE);
  }
  const slots = new TocSlots(edits, symbols, router, converting);
  const stubs = new Map<string, number>();
  // By place, so that the output does not depend on the order of relocations.
  const islands = [...plan.islands].sort((a, b) => a.call.section - b.call.section || a.call.offset - b.call.offset);
  for (const island of islands) {
    const { call, kind } = island;
    const size = islandSize(kind);
    const site = plan.move.sections.get(call.section)?.to(call.offset) ?? call.offset;
    const key = stubKey(island);
    const shared = key === null ? undefined : stubs.get(key);
    const at = shared ?? place(call.caller, call.section, size);
    if (key !== null) stubs.set(key, at);
    const links = kind === "klp-stub" && decodeBranch(call.word)?.links === true;
    edits.patchWord(call.section, site, encodeBranch(at - site) | (links ? 1 : 0));
    const code = islandCode(kind, at, site, stack);
    if (code.callAt !== null) edits.moveRelocation(call.table, call.row, at + code.callAt);
    else edits.removeRelocation(call.table, call.row);
    if (shared !== undefined) continue;
    edits.patch(call.section, at, wordBytes(code.words, edits.file.littleEndian));
    if (code.slotAt !== null) {
      const slot = slots.slotFor(call);
      for (const r of slotRelocations(at + code.slotAt, slot.symbol, slot.offset)) router.add(call.section, null, r);
    }
    cover(call.caller, at + size);
  }
  return added + slots.bytes;
}
