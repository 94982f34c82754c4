// Which calls of a ppc64le module get an island, and the edits that put the islands in place.

import { viewOf } from "../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_PROGBITS, STT_SECTION } from "../elf/consts.ts";
import type { ElfEdits } from "../elf/edits.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import { decodeBranch, encodeBranch } from "../stubs/insn.ts";
import {
  type IslandCode,
  localCallIsland,
  R_PPC64_ADDR64,
  returnIsland,
  SIBLING_ISLAND,
  siblingRelocations,
  wordBytes,
} from "../stubs/island.ts";
import type { Call } from "./calls.ts";
import type { CodeSymbol, FunctionIndex } from "./functions.ts";
import { type IslandKind, IslandRules, type Refusal } from "./islandRules.ts";
import type { RelocationRouter } from "./router.ts";

/** Bytes of the longest island. */
const LARGEST_ISLAND = 16;

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
  /** Functions that return with another TOC in r2, once the islands are in place. */
  readonly tocClobbering: readonly CodeSymbol[];
  readonly rules: IslandRules;
}

/** Decides on an island for each call without a nop and each sibling call, and for what follows from those. */
export function planIslands(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  calls: readonly Call[],
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
  const perSection = new Map<number, number>();
  for (const { call } of wanted) perSection.set(call.section, (perSection.get(call.section) ?? 0) + LARGEST_ISLAND);
  for (const island of wanted) {
    const refusal = rules.refusal(island.call, island.kind, perSection.get(island.call.section) ?? 0);
    if (refusal === null) islands.push(island);
    else refused.push({ ...island, refusal });
  }
  return { islands, refused, tocClobbering: closure.functions, rules };
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
  let added = 0;
  const slots = new Map<string, number>();
  // By place, so that the output does not depend on the order of relocations.
  const islands = [...plan.islands].sort((a, b) => a.call.section - b.call.section || a.call.offset - b.call.offset);
  for (const { call, kind } of islands) {
    const size = islandCode(kind, 0, 0).words.length * 4;
    const at = edits.append(call.section, new Uint8Array(size), 4);
    const code = islandCode(kind, at, call.offset);
    edits.patch(call.section, at, wordBytes(code.words));
    edits.patchWord(call.section, call.offset, encodeBranch(at - call.offset));
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
    added += size;
    coverIslands(edits, functions, call, at + size);
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

/** The function's st_size, and that of its aliases, reaches to the end of its islands. */
function coverIslands(edits: ElfEdits, functions: FunctionIndex, call: Call, end: number): void {
  if (call.caller === null) return;
  for (const alias of functions.aliases(call.caller)) {
    if (alias.size > 0) edits.setSymbol(alias.symbol, { size: end - alias.start });
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
