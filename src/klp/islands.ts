// Which calls of a ppc64le module get an island, and the edits that put the islands in place.

import { alignUp, hex, printable, viewOf } from "../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_PROGBITS, STT_SECTION } from "../elf/consts.ts";
import type { ElfEdits } from "../elf/edits.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import { decodeBranch, encodeBranch, returnAsBranch } from "../stubs/insn.ts";
import {
  type IslandCode,
  localCallIsland,
  R_PPC64_ADDR64,
  returnIsland,
  SIBLING_ISLAND,
  siblingRelocations,
  wordBytes,
} from "../stubs/island.ts";
import { RESTORE_AND_RETURN } from "../stubs/strategies/epilogue.ts";
import type { Call } from "./calls.ts";
import { type EpiloguePlan, NO_EPILOGUES, type PlannedEpilogue } from "./epilogues.ts";
import type { CodeSymbol, FunctionIndex } from "./functions.ts";
import { type IslandKind, IslandRules, type Refusal } from "./islandRules.ts";
import { type Gap, type Obstacle, roomFor, type SectionMove } from "./layout.ts";
import { applyMove, type Move, planMove } from "./move.ts";
import type { RelocationRouter } from "./router.ts";

/** Bytes of the longest island. */
const LARGEST_ISLAND = 16;
const EPILOGUE_SIZE = RESTORE_AND_RETURN.length * 4;

export interface PlannedIsland {
  readonly call: Call;
  readonly kind: IslandKind;
}

export interface RefusedIsland extends PlannedIsland {
  readonly refusal: Refusal;
}

export interface IslandPlan {
  readonly islands: readonly PlannedIsland[];
  readonly refused: readonly RefusedIsland[];
  /** Functions whose returns restore the caller's TOC (--toc-restore epilogue). */
  readonly epilogues: EpiloguePlan;
  /** Functions that return with another TOC in r2, once the islands are in place. */
  readonly tocClobbering: readonly CodeSymbol[];
  readonly rules: IslandRules;
  /** Room for the islands of functions that are not the last of their section. */
  readonly move: Move;
}

/** Decides on an island for each call without a nop and each sibling call, and for what follows from those. */
export function planIslands(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  calls: readonly Call[],
  epilogues: EpiloguePlan = NO_EPILOGUES,
): IslandPlan {
  const rules = new IslandRules(file, symbols, functions);
  const wanted: PlannedIsland[] = [];
  for (const call of calls) {
    if (call.verdict === "no-nop") wanted.push({ call, kind: "return" });
    else if (call.verdict === "sibling") wanted.push({ call, kind: "sibling" });
  }
  const closure = closeOverTailCalls(file, symbols, functions, calls, wanted);
  wanted.push(...closure.localCalls.map((call): PlannedIsland => ({ call, kind: "local-call" })));
  const islands: PlannedIsland[] = [];
  const refused: RefusedIsland[] = [...closure.refused];
  const growth = largestGrowth(file, wanted);
  for (const island of wanted) {
    const refusal = rules.refusal(island.call, island.kind, growth.get(island.call.section) ?? 0);
    if (refusal === null) islands.push(island);
    else refused.push({ ...island, refusal });
  }
  const room = makeRoom(file, symbols, functions, islands, refused, unrewritten(epilogues, rules));
  return {
    islands: room.islands,
    epilogues: room.epilogues,
    refused,
    tocClobbering: closure.functions,
    rules,
    move: room.move,
  };
}

/** Without the functions one of whose returns the kernel itself may rewrite. */
function unrewritten(epilogues: EpiloguePlan, rules: IslandRules): EpiloguePlan {
  const planned: PlannedEpilogue[] = [];
  const refused = [...epilogues.refused];
  for (const epilogue of epilogues.planned) {
    const { function: target, returns } = epilogue;
    const offset = returns.find((at) => rules.rewrittenBy(target.section, at) !== null);
    if (offset === undefined) planned.push(epilogue);
    else {
      const table = rules.rewrittenBy(target.section, offset) ?? "";
      refused.push({ function: target, offset, reason: `${table} lets the kernel replace the return there` });
    }
  }
  return { planned, refused };
}

/** Section -> bytes that its islands, and the padding behind them, may take at most. */
function largestGrowth(file: ElfFile, wanted: readonly PlannedIsland[]): Map<number, number> {
  const growth = new Map<number, number>();
  const seen = new Set<CodeSymbol | null>();
  for (const { call } of wanted) {
    const padding = seen.has(call.caller) ? 0 : file.sections.addralign(call.section);
    seen.add(call.caller);
    growth.set(call.section, (growth.get(call.section) ?? 0) + LARGEST_ISLAND + padding);
  }
  return growth;
}

/** Offset where a function's islands begin, if others follow it: its end, or that of its longest alias. */
function endOfCode(functions: FunctionIndex, caller: CodeSymbol): number {
  let end = caller.start;
  for (const alias of functions.aliases(caller)) end = Math.max(end, alias.start + alias.size);
  return alignUp(end, 4);
}

/** Plans room behind each function that has islands and is not the last of its section. */
function makeRoom(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  islands: readonly PlannedIsland[],
  refused: RefusedIsland[],
  epilogues: EpiloguePlan,
): { islands: PlannedIsland[]; epilogues: EpiloguePlan; move: Move } {
  const bytes = new Map<CodeSymbol, number>();
  const followers = new Map<CodeSymbol, CodeSymbol>();
  const blocked = new Map<CodeSymbol, Obstacle>();
  const reserve = (caller: CodeSymbol | null, size: number): void => {
    const follower = caller === null ? null : functions.after(caller);
    if (caller === null || follower === null) return;
    const { section } = caller;
    followers.set(caller, follower);
    const end = endOfCode(functions, caller);
    if (caller.size === 0) {
      blocked.set(caller, { section, offset: caller.start, reason: `${printable(caller.name)} has no size` });
    } else if (follower.start < end) {
      blocked.set(caller, { section, offset: follower.start, reason: "it is a name inside the function" });
    } else bytes.set(caller, (bytes.get(caller) ?? 0) + size);
  };
  for (const { call, kind } of islands) reserve(call.caller, islandSize(kind));
  for (const epilogue of epilogues.planned) reserve(epilogue.function, EPILOGUE_SIZE);
  const gaps = new Map<number, Gap[]>();
  for (const [caller, size] of bytes) {
    const list = gaps.get(caller.section);
    const gap = { at: endOfCode(functions, caller), size: roomFor(file, caller.section, size) };
    if (list === undefined) gaps.set(caller.section, [gap]);
    else list.push(gap);
  }
  const move = planMove(file, symbols, functions, gaps);
  const accepted: PlannedIsland[] = [];
  for (const island of islands) {
    const { caller, section } = island.call;
    const follower = caller === null ? undefined : followers.get(caller);
    const obstacle = caller === null ? undefined : (blocked.get(caller) ?? move.obstacles.get(section));
    if (caller === null || follower === undefined || obstacle === undefined) accepted.push(island);
    else refused.push({ ...island, refusal: { kind: "layout", function: caller, follower, obstacle } });
  }
  const planned: PlannedEpilogue[] = [];
  const without = [...epilogues.refused];
  for (const epilogue of epilogues.planned) {
    const { function: target } = epilogue;
    const obstacle = followers.has(target) ? (blocked.get(target) ?? move.obstacles.get(target.section)) : undefined;
    if (obstacle === undefined) planned.push(epilogue);
    else {
      const where = `${printable(file.sections.name(obstacle.section))}+${hex(obstacle.offset)}`;
      without.push({
        function: target,
        offset: target.start,
        reason: `no room behind it: ${where}: ${obstacle.reason}`,
      });
    }
  }
  return { islands: accepted, epilogues: { planned, refused: without }, move };
}

interface Closure {
  readonly functions: readonly CodeSymbol[];
  /** Calls from within the module to one of `functions`. */
  readonly localCalls: readonly Call[];
  readonly refused: readonly RefusedIsland[];
}

/**
 * A function with a frameless sibling island returns with the callee's TOC in r2; so does one that ends in a
 * branch to such a function. The smallest closed set, and the calls that must save r2 themselves because of it.
 */
function closeOverTailCalls(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  calls: readonly Call[],
  wanted: readonly PlannedIsland[],
): Closure {
  const clobbering = new Map<string, CodeSymbol>();
  const key = (f: CodeSymbol): string => `${f.section}:${f.start}`;
  for (const { call, kind } of wanted) {
    if (kind === "sibling" && call.caller !== null) clobbering.set(key(call.caller), call.caller);
  }
  if (clobbering.size === 0) return { functions: [], localCalls: [], refused: [] };

  // Edges within the module, with and without a relocation.
  const edges: { from: CodeSymbol; to: CodeSymbol; call: Call; isCall: boolean; resolved: boolean }[] = [];
  for (const call of calls) {
    if (call.verdict !== "local" || call.caller === null) continue;
    const section = symbols.sectionOf(call.symbol);
    const branch = decodeBranch(call.word);
    if (section === null || branch === null) continue;
    const to = functions.at(section, symbols.offset(call.symbol) + Number(call.addend));
    if (to !== null) edges.push({ from: call.caller, to, call, isCall: branch.links, resolved: false });
  }
  for (const edge of resolvedBranches(file, functions, calls)) edges.push({ ...edge, resolved: true });

  for (let grown = true; grown; ) {
    grown = false;
    for (const edge of edges) {
      if (edge.isCall || key(edge.from) === key(edge.to)) continue;
      if (!clobbering.has(key(edge.to)) || clobbering.has(key(edge.from))) continue;
      clobbering.set(key(edge.from), edge.from);
      grown = true;
    }
  }
  const localCalls: Call[] = [];
  const refused: RefusedIsland[] = [];
  for (const edge of edges) {
    if (!edge.isCall || !clobbering.has(key(edge.to))) continue;
    if (!edge.resolved) localCalls.push(edge.call);
    else {
      refused.push({
        call: edge.call,
        kind: "local-call",
        refusal: {
          kind: "rule",
          rule: "S3",
          reason: `${edge.from.name} calls ${edge.to.name} by a branch without a relocation, and r2 is not preserved there`,
          help: "compile with -ffunction-sections, or rebuild with -fno-optimize-sibling-calls",
        },
      });
    }
  }
  return { functions: [...clobbering.values()], localCalls, refused };
}

/** Branches between functions of one section that the assembler resolved itself, so that no relocation shows them. */
function resolvedBranches(
  file: ElfFile,
  functions: FunctionIndex,
  calls: readonly Call[],
): { from: CodeSymbol; to: CodeSymbol; call: Call; isCall: boolean }[] {
  const found: { from: CodeSymbol; to: CodeSymbol; call: Call; isCall: boolean }[] = [];
  const relocated = new Set(calls.map((c) => `${c.section}:${c.offset}`));
  const { sections } = file;
  for (let section = 1; section < sections.count; section++) {
    if (!sections.hasFlags(section, SHF_ALLOC | SHF_EXECINSTR) || functions.inSection(section).length < 2) continue;
    const data = sections.data(section);
    const view = viewOf(data);
    const anyCall = calls.find((c) => c.section === section);
    const table = anyCall?.table ?? file.relocations.find((t) => t.target === section);
    if (table === undefined) continue;
    for (let at = 0; at + 4 <= data.length; at += 4) {
      if (relocated.has(`${section}:${at}`)) continue;
      const word = view.getUint32(at, file.littleEndian);
      const branch = decodeBranch(word);
      if (branch === null || branch.absolute) continue;
      const target = at + branch.displacement;
      if (target < 0 || target >= data.length) continue;
      const from = functions.at(section, at);
      const to = functions.at(section, target);
      if (from === null || to === null || from.start === to.start) continue;
      const next = at + 8 <= data.length ? view.getUint32(at + 4, file.littleEndian) : null;
      const call: Call = {
        table,
        row: -1,
        section,
        offset: at,
        symbol: to.symbol,
        callee: to.name,
        addend: 0n,
        word,
        next,
        verdict: "local",
        caller: from,
        klpObject: null,
      };
      found.push({ from, to, call, isCall: branch.links });
    }
  }
  return found;
}

/**
 * Writes the planned islands into `edits`. Returns the number of bytes of code and data added.
 * @param converting symbols that become livepatch symbols of vmlinux in the same edit.
 */
export function placeIslands(
  edits: ElfEdits,
  symbols: SymbolTable,
  functions: FunctionIndex,
  plan: IslandPlan,
  router: RelocationRouter,
  converting: ReadonlySet<number>,
): number {
  applyMove(edits, symbols, plan.move);
  let added = 0;
  for (const { gaps } of plan.move.sections.values()) for (const gap of gaps) added += gap.size;
  const slots = new Map<string, number>();
  const used = new Map<CodeSymbol, number>();
  /** Offset of `size` bytes behind a function: in the room made there, or at its section's end. */
  const place = (caller: CodeSymbol | null, section: number, size: number): number => {
    const layout = plan.move.sections.get(section);
    if (caller !== null && layout !== undefined && functions.after(caller) !== null) {
      const before = used.get(caller) ?? 0;
      used.set(caller, before + size);
      return layout.roomAt(endOfCode(functions, caller)) + before;
    }
    added += size;
    return edits.append(section, new Uint8Array(size), 4);
  };
  // First, so that conditional returns reach them.
  for (const { function: target, returns } of plan.epilogues.planned) {
    const layout = plan.move.sections.get(target.section);
    const at = place(target, target.section, EPILOGUE_SIZE);
    edits.patch(target.section, at, wordBytes(RESTORE_AND_RETURN));
    const original = viewOf(edits.file.sections.data(target.section));
    for (const offset of returns) {
      const site = layout?.to(offset) ?? offset;
      const word = returnAsBranch(original.getUint32(offset, edits.file.littleEndian), at - site);
      edits.patchWord(target.section, site, word);
    }
    coverIslands(edits, functions, target, layout, at + EPILOGUE_SIZE);
  }
  // By place, so that the output does not depend on the order of relocations.
  const islands = [...plan.islands].sort((a, b) => a.call.section - b.call.section || a.call.offset - b.call.offset);
  for (const { call, kind } of islands) {
    const size = islandSize(kind);
    const layout = plan.move.sections.get(call.section);
    const site = layout?.to(call.offset) ?? call.offset;
    const at = place(call.caller, call.section, size);
    const code = islandCode(kind, at, site);
    edits.patch(call.section, at, wordBytes(code.words));
    edits.patchWord(call.section, site, encodeBranch(at - site));
    if (code.callAt !== null) edits.moveRelocation(call.table, call.row, at + code.callAt);
    else {
      const object = call.klpObject ?? (converting.has(call.symbol) ? "vmlinux" : null);
      const slotKey = `${call.symbol}:${call.addend}:${object ?? ""}`;
      const toc = tocSymbol(edits, symbols);
      let slot = slots.get(slotKey);
      if (slot === undefined) {
        slot = edits.append(toc.section, new Uint8Array(8), 8);
        slots.set(slotKey, slot);
        added += 8;
        router.add(toc.section, object, {
          offset: slot,
          symbol: call.symbol,
          type: R_PPC64_ADDR64,
          addend: call.addend,
        });
      }
      edits.removeRelocation(call.table, call.row);
      for (const r of siblingRelocations(at, toc.symbol, slot)) router.add(call.section, null, r);
    }
    coverIslands(edits, functions, call.caller, layout, at + size);
  }
  return added;
}

function islandCode(kind: IslandKind, at: number, site: number): IslandCode {
  switch (kind) {
    case "return":
      return returnIsland(at, site);
    case "local-call":
      return localCallIsland(at, site);
    case "sibling":
      return SIBLING_ISLAND;
  }
}

const islandSize = (kind: IslandKind): number => islandCode(kind, 0, 0).words.length * 4;

/** The function's st_size, and that of its aliases, reaches to the end of its islands. */
function coverIslands(
  edits: ElfEdits,
  functions: FunctionIndex,
  caller: CodeSymbol | null,
  layout: SectionMove | undefined,
  end: number,
): void {
  if (caller === null) return;
  for (const alias of functions.aliases(caller)) {
    if (alias.size === 0) continue;
    edits.setSymbol(alias.symbol, { size: end - (layout?.to(alias.start) ?? alias.start) });
  }
}

/** The .toc section and a symbol for its start; both are made where the file has none. */
function tocSymbol(edits: ElfEdits, symbols: SymbolTable): { section: number; symbol: number } {
  const { sections } = edits.file;
  const count = sections.count;
  let section = sections.findByName(".toc");
  if (section === null) {
    const made = edits.addedSections.findIndex((s) => s.name === ".toc");
    section =
      made >= 0
        ? count + made
        : edits.addSection({
            name: ".toc",
            type: SHT_PROGBITS,
            flags: BigInt(SHF_ALLOC | SHF_WRITE),
            link: 0,
            info: 0,
            // The kernel takes the TOC base from the section's address, rounded down to 256.
            addralign: 256,
            entsize: 0,
            data: new Uint8Array(0),
          });
  }
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.type(i) === STT_SECTION && symbols.sectionOf(i) === section) return { section, symbol: i };
  }
  const known = edits.addedSymbols.findIndex(
    (s) => s.info === STT_SECTION && s.home.kind === "section" && s.home.section === section,
  );
  const symbol =
    known >= 0
      ? symbols.count + known
      : edits.addSymbol({
          name: "",
          info: STT_SECTION,
          other: 0,
          home: { kind: "section", section },
          value: 0n,
          size: 0,
        });
  return { section, symbol };
}
