// Carries out a plan for islands, epilogues and mini frames.

import { viewOf, wordBytes } from "../../base/bytes.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { decodeBranch, encodeBranch, returnAsBranch } from "../../stubs/insn.ts";
import { slotRelocations } from "../../stubs/island.ts";
import { RESTORE_AND_RETURN } from "../../stubs/strategies/epilogue.ts";
import type { CodeSymbol, SymbolizedFile } from "../functions.ts";
import { applyMove } from "../move/move.ts";
import { endOfCode } from "../move/room.ts";
import type { RelocationRouter } from "../symbols/router.ts";
import { EPILOGUE_SIZE, type PlannedEpilogue } from "./epilogues.ts";
import { islandForms, type StackPlaces } from "./islandCode.ts";
import { type IslandPlan, stubKey } from "./islands.ts";
import { entryBytes, HELPER_SIZE, type PlannedFrame, placeMiniFrame } from "./miniFrames.ts";
import { TocSlots } from "./tocSlots.ts";

/** What islands are written with. */
export interface IslandMeans {
  readonly router: RelocationRouter;
  /** Symbols that become livepatch symbols of vmlinux in the same edit. */
  readonly converting: ReadonlySet<number>;
  /** Where the livepatch stack is; needed for klp_stubs only. */
  readonly stack: StackPlaces | null;
}

/** Writes what is planned into `edits`. Returns the number of bytes of code and data added. */
export const placeIslands = (edits: ElfEdits, code: NamedCode, plan: IslandPlan, means: IslandMeans): number =>
  new Placer(edits, code, plan).run(means);

type NamedCode = Pick<SymbolizedFile, "symbols" | "functions">;

class Placer {
  readonly #edits: ElfEdits;
  readonly #code: NamedCode;
  readonly #plan: IslandPlan;
  readonly #littleEndian: boolean;
  /** Bytes used of the room behind a function. */
  readonly #used = new Map<CodeSymbol, number>();
  readonly #framed: ReadonlySet<CodeSymbol>;
  #added = 0;

  constructor(edits: ElfEdits, code: NamedCode, plan: IslandPlan) {
    this.#edits = edits;
    this.#code = code;
    this.#plan = plan;
    this.#littleEndian = edits.file.littleEndian;
    this.#framed = new Set(plan.frames.planned.map((frame) => frame.function));
  }

  run(means: IslandMeans): number {
    const { move, frames, epilogues } = this.#plan;
    applyMove(this.#edits, this.#code.symbols, move);
    for (const { gaps } of move.sections.values()) for (const gap of gaps) this.#added += gap.size;
    for (const frame of frames.planned) this.#placeFrame(frame);
    // Before the islands, so that conditional returns reach them.
    for (const epilogue of epilogues.planned) this.#placeEpilogue(epilogue);
    const inToc = this.#placeIslands(means);
    return this.#added + inToc;
  }

  /** Offset of `size` bytes behind a function: in the room made there, or at its section's end. */
  #place(f: CodeSymbol | null, section: number, size: number): number {
    const { functions } = this.#code;
    const layout = this.#plan.move.sections.get(section);
    if (f !== null && layout !== undefined && functions.after(f) !== null) {
      const before = this.#used.get(f) ?? 0;
      this.#used.set(f, before + size);
      return layout.roomAt(endOfCode(functions, f)) + before;
    }
    this.#added += size;
    return this.#edits.append(section, new Uint8Array(size), 4);
  }

  /** The function's st_size, and that of its aliases, reaches to the end of what is added to it. */
  #cover(f: CodeSymbol | null, end: number): void {
    if (f === null) return;
    const layout = this.#plan.move.sections.get(f.section);
    const start = (layout?.to(f.start) ?? f.start) - (this.#framed.has(f) ? entryBytes(f) : 0);
    for (const alias of this.#code.functions.aliases(f)) {
      if (alias.size !== 0) this.#edits.setSymbol(alias.symbol, { size: end - start });
    }
  }

  #placeFrame(frame: PlannedFrame): void {
    const f = frame.function;
    const layout = this.#plan.move.sections.get(f.section);
    if (layout === undefined) throw new Error(`no room was planned for ${f.name}`);
    const helper = this.#place(f, f.section, HELPER_SIZE);
    placeMiniFrame(this.#edits, this.#code, frame, layout, helper);
    this.#cover(f, helper + HELPER_SIZE);
  }

  #placeEpilogue({ function: target, returns }: PlannedEpilogue): void {
    const layout = this.#plan.move.sections.get(target.section);
    const at = this.#place(target, target.section, EPILOGUE_SIZE);
    this.#edits.patch(target.section, at, wordBytes(RESTORE_AND_RETURN, this.#littleEndian));
    const original = viewOf(this.#edits.file.sections.data(target.section));
    for (const offset of returns) {
      const site = layout?.to(offset) ?? offset;
      const word = returnAsBranch(original.getUint32(offset, this.#littleEndian), at - site);
      this.#edits.patchWord(target.section, site, word);
    }
    this.#cover(target, at + EPILOGUE_SIZE);
  }

  /** Returns the bytes added to the TOC. */
  #placeIslands({ router, converting, stack }: IslandMeans): number {
    const edits = this.#edits;
    const slots = new TocSlots(edits, this.#code.symbols, router, converting);
    const stubs = new Map<string, number>();
    // By place, so that the output does not depend on the order of relocations.
    const islands = [...this.#plan.islands].sort(
      (a, b) => a.call.section - b.call.section || a.call.offset - b.call.offset,
    );
    for (const island of islands) {
      const { call, kind } = island;
      const form = islandForms[kind];
      const { size } = form;
      const site = this.#plan.move.sections.get(call.section)?.to(call.offset) ?? call.offset;
      const key = stubKey(island);
      const shared = key === null ? undefined : stubs.get(key);
      const at = shared ?? this.#place(call.caller, call.section, size);
      if (key !== null) stubs.set(key, at);
      const links = kind === "klp-stub" && decodeBranch(call.word)?.links === true;
      edits.patchWord(call.section, site, encodeBranch(at - site) | (links ? 1 : 0));
      const code = form.codeAt(at, site, stack);
      if (code.callAt !== null) edits.moveRelocation(call.table, call.row, at + code.callAt);
      else edits.removeRelocation(call.table, call.row);
      if (shared !== undefined) continue;
      form.writeTo(edits, { section: call.section, at, littleEndian: this.#littleEndian }, code);
      if (code.slotAt !== null) {
        const slot = slots.slotFor(call);
        for (const r of slotRelocations(at + code.slotAt, slot.symbol, slot.offset)) router.add(call.section, null, r);
      }
      this.#cover(call.caller, at + size);
    }
    return slots.bytes;
  }
}
