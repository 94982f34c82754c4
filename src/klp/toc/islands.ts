// Which calls of a ppc64le module get an island, and of which kind.

import { hex, printable } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import type { ZstdUnpacker } from "../../elf/containers/compressed.ts";
import type { Prototypes } from "../../elf/dwarf/types/prototype.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { CodeSymbol, FunctionIndex, SymbolizedFile } from "../functions.ts";
import type { Move } from "../move/move.ts";
import { planRoom, type Room, type Wish } from "../move/room.ts";
import type { Call } from "./calls.ts";
import { functionKey, TailCalls } from "./closure.ts";
import { EPILOGUE_SIZE, type EpiloguePlan, NO_EPILOGUES, type PlannedEpilogue } from "./epilogues.ts";
import { stackArguments } from "./framed.ts";
import { type IslandKind, islandForms, LARGEST_CALL_ISLAND } from "./islandCode.ts";
import { IslandRules, type Refusal } from "./islandRules.ts";
import { entryBytes, HELPER_SIZE, type MiniFramePlan, NO_FRAMES } from "./miniFrames.ts";

export interface PlannedIsland {
  readonly call: Call;
  readonly kind: IslandKind;
}

export interface RefusedIsland extends PlannedIsland {
  readonly refusal: Refusal;
}

/** What decides on the kind of islands. */
export interface IslandChoice {
  /** Calls go through klp_stubs on the livepatch stack (--toc-restore shadow-stack). */
  readonly stubs: boolean;
  /** Sibling calls get framed islands wherever the parameters allow it, not only where nothing else will do. */
  readonly preferFramed: boolean;
  readonly prototypes: Prototypes;
  /** Unpacks debug sections of code that moves; null if none are packed with zstd, or they are not to follow. */
  readonly unzstd: ZstdUnpacker | null;
  /** Functions whose returns restore the caller's TOC (--toc-restore epilogue). */
  readonly epilogues: EpiloguePlan;
  /** Functions that run in a mini frame (--toc-restore mini-frame). */
  readonly frames: MiniFramePlan;
}

export const DEFAULT_CHOICE: IslandChoice = {
  stubs: false,
  preferFramed: false,
  prototypes: new Map(),
  unzstd: null,
  epilogues: NO_EPILOGUES,
  frames: NO_FRAMES,
};

export interface IslandPlan {
  readonly islands: readonly PlannedIsland[];
  readonly refused: readonly RefusedIsland[];
  readonly epilogues: EpiloguePlan;
  readonly frames: MiniFramePlan;
  /** Functions that return with another TOC in r2, once the islands are in place. */
  readonly tocClobbering: readonly CodeSymbol[];
  readonly rules: IslandRules;
  /** Room for what is added to functions that are not the last of their section. */
  readonly move: Move;
}

/** Decides on an island for each call without a nop and each sibling call, and for what follows from those. */
export function planIslands(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  calls: readonly Call[],
  choice: IslandChoice = DEFAULT_CHOICE,
): IslandPlan {
  const rules = new IslandRules(file, symbols, functions);
  const growth = largestGrowth(file, calls, choice.stubs);
  const judge = (call: Call, kind: IslandKind): Refusal | null =>
    rules.refusal(call, kind, growth.get(call.section) ?? 0);
  const islands: PlannedIsland[] = [];
  const refused: RefusedIsland[] = [];
  const decide = (call: Call, kind: IslandKind): void => {
    const refusal = judge(call, kind);
    if (refusal === null) islands.push({ call, kind });
    else refused.push({ call, kind, refusal });
  };
  for (const call of calls) {
    if (call.verdict === "no-nop") decide(call, choice.stubs ? "klp-stub" : "return");
    else if (call.verdict === "sibling" && choice.stubs) decide(call, "klp-stub");
  }
  let tocClobbering: readonly CodeSymbol[] = [];
  if (!choice.stubs) {
    const siblings = planSiblings({ file, symbols, functions }, calls, choice, judge);
    append(islands, siblings.islands);
    append(refused, siblings.refused);
    tocClobbering = siblings.tocClobbering;
  }
  const epilogues = unrewritten(choice.epilogues, rules);
  const room = planRoom(file, symbols, functions, wishes(islands, epilogues, choice.frames), choice.unzstd);
  return {
    ...withRoom(file, { islands, refused, epilogues, frames: choice.frames }, room),
    tocClobbering,
    rules,
    move: room.move,
  };
}

type Judge = (call: Call, kind: IslandKind) => Refusal | null;

/**
 * The options of a sibling call, in order: frameless, with local-call islands for the module's own callers; framed,
 * where one of those callers cannot have such an island and the parameters are known to allow a frame.
 */
function planSiblings(
  { file, symbols, functions }: SymbolizedFile,
  calls: readonly Call[],
  { prototypes, preferFramed }: IslandChoice,
  judge: Judge,
): { islands: PlannedIsland[]; refused: RefusedIsland[]; tocClobbering: readonly CodeSymbol[] } {
  const siblings = calls.filter((c) => c.verdict === "sibling");
  const callers = new Map<string, CodeSymbol>();
  for (const { caller } of siblings) if (caller !== null) callers.set(functionKey(caller), caller);
  const mayBeFramed = (f: CodeSymbol): boolean => stackArguments(prototypes, f.name) === null;
  const framed = new Set(preferFramed ? [...callers].flatMap(([key, f]) => (mayBeFramed(f) ? [key] : [])) : []);
  const tails = new TailCalls(file, symbols, functions, calls);
  for (;;) {
    const islands: PlannedIsland[] = [];
    const refused: RefusedIsland[] = [];
    const decide = (call: Call, kind: IslandKind, refusal: Refusal | null): void => {
      if (refusal === null) islands.push({ call, kind });
      else refused.push({ call, kind, refusal });
    };
    for (const call of siblings) {
      const kind = call.caller !== null && framed.has(functionKey(call.caller)) ? "framed" : "sibling";
      decide(call, kind, judge(call, kind));
    }
    const closure = tails.close([...callers].filter(([key]) => !framed.has(key)).map(([, f]) => f));
    let isChanged = false;
    for (const edge of closure.calls) {
      const refusal = edge.isResolved ? null : judge(edge.call, "local-call");
      if (edge.isResolved || refusal !== null) {
        const causes = closure.rootsOf(edge.to);
        for (const root of causes.filter(mayBeFramed)) {
          framed.add(functionKey(root));
          isChanged = true;
        }
        const unframed = causes.find((f) => !mayBeFramed(f)) ?? edge.to;
        decide(edge.call, "local-call", refusal ?? unseenCall(edge.from, edge.to, unframed, prototypes));
      } else decide(edge.call, "local-call", null);
    }
    if (!isChanged) return { islands, refused, tocClobbering: closure.functions };
  }
}

/** A call of the module's own that can be sent through no island, to a function that can have no frame. */
const unseenCall = (from: CodeSymbol, to: CodeSymbol, unframed: CodeSymbol, prototypes: Prototypes): Refusal => ({
  kind: "rule",
  rule: "S3",
  reason: `${from.name} calls ${to.name} by a branch without a relocation, and r2 is not preserved there; ${unframed.name} can have no framed island: ${stackArguments(prototypes, unframed.name) ?? ""}`,
  help: "compile with -ffunction-sections or with -g, or rebuild with -fno-optimize-sibling-calls",
});

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
function largestGrowth(file: ElfFile, calls: readonly Call[], stubs: boolean): Map<number, number> {
  const growth = new Map<number, number>();
  const seen = new Set<CodeSymbol | null>();
  const hasSiblings = calls.some((c) => c.verdict === "sibling");
  const most = (verdict: Call["verdict"]): number => {
    if (verdict === "no-nop") return stubs ? islandForms["klp-stub"].size : LARGEST_CALL_ISLAND;
    if (verdict === "sibling") return stubs ? islandForms["klp-stub"].size : islandForms.framed.size;
    return verdict === "local" && hasSiblings && !stubs ? LARGEST_CALL_ISLAND : 0;
  };
  for (const call of calls) {
    const size = most(call.verdict);
    if (size === 0) continue;
    const padding = seen.has(call.caller) ? 0 : file.sections.addralign(call.section);
    seen.add(call.caller);
    growth.set(call.section, (growth.get(call.section) ?? 0) + size + padding);
  }
  return growth;
}

/** Stubs are shared by the calls of one function to one callee; all other islands are one a call. */
export function stubKey({ call, kind }: PlannedIsland): string | null {
  if (kind !== "klp-stub") return null;
  const caller = call.caller === null ? "" : functionKey(call.caller);
  return `${caller}:${call.symbol}:${call.addend}:${call.klpObject ?? ""}`;
}

function wishes(islands: readonly PlannedIsland[], epilogues: EpiloguePlan, frames: MiniFramePlan): Wish[] {
  const found: Wish[] = [];
  const stubs = new Set<string>();
  for (const island of islands) {
    const key = stubKey(island);
    if (island.call.caller === null || (key !== null && stubs.has(key))) continue;
    if (key !== null) stubs.add(key);
    found.push({ function: island.call.caller, behind: islandForms[island.kind].size, before: 0, lead: 0 });
  }
  for (const { function: f } of epilogues.planned)
    found.push({ function: f, behind: EPILOGUE_SIZE, before: 0, lead: 0 });
  for (const { function: f, lead } of frames.planned) {
    found.push({ function: f, behind: HELPER_SIZE, before: entryBytes(f) - lead, lead });
  }
  return found;
}

/** What is added to functions. */
type Added = Pick<IslandPlan, "islands" | "refused" | "epilogues" | "frames">;

/** Without what there is no room for. */
function withRoom(file: ElfFile, { islands, refused: before, epilogues, frames }: Added, room: Room): Added {
  const accepted: PlannedIsland[] = [];
  const refused = [...before];
  for (const island of islands) {
    const { caller } = island.call;
    const none = caller === null ? null : room.refusal(caller);
    if (caller === null || none === null) accepted.push(island);
    else refused.push({ ...island, refusal: { kind: "layout", function: caller, ...none } });
  }
  const noRoom = (f: CodeSymbol): string | null => {
    const none = room.refusal(f);
    if (none === null) return null;
    const { section, offset, reason } = none.obstacle;
    return `no room beside it: ${printable(file.sections.name(section))}+${hex(offset)}: ${reason}`;
  };
  const planned = epilogues.planned.filter((e) => noRoom(e.function) === null);
  const without = epilogues.planned.flatMap(({ function: f }) => {
    const reason = noRoom(f);
    return reason === null ? [] : [{ function: f, offset: f.start, reason }];
  });
  const unframed = frames.planned.flatMap(({ function: f }) => {
    const reason = noRoom(f);
    return reason === null ? [] : [{ function: f, reason }];
  });
  return {
    islands: accepted,
    refused,
    epilogues: { planned, refused: [...epilogues.refused, ...without] },
    frames: {
      planned: frames.planned.filter((f) => noRoom(f.function) === null),
      refused: [...frames.refused, ...unframed],
    },
  };
}
