// Which functions return with another TOC in r2, once sibling calls have frameless islands, and which calls inside the
// module must save r2 themselves because of it.

import { viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { decodeBranch } from "../../stubs/insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import type { Call } from "./calls.ts";

/** A branch from one function of the module to another. */
export interface LocalEdge {
  readonly from: CodeSymbol;
  readonly to: CodeSymbol;
  readonly call: Call;
  /** Whether it comes back: `bl`, not `b`. */
  readonly isCall: boolean;
  /** Whether the assembler resolved it, so that no relocation shows it. */
  readonly isResolved: boolean;
}

export interface Closure {
  /** Functions that return with another TOC in r2. */
  readonly functions: readonly CodeSymbol[];
  /** Calls from within the module to one of `functions`. */
  readonly calls: readonly LocalEdge[];
  /** The roots because of which a function is in the set. */
  readonly rootsOf: (f: CodeSymbol) => readonly CodeSymbol[];
}

/** One function, whatever its aliases. */
export const functionKey = (f: CodeSymbol): string => `${f.section}:${f.start}`;

/** The branches inside one module. Gathered on first use: most modules have no sibling calls. */
export class TailCalls {
  readonly #gather: () => LocalEdge[];
  #edges: readonly LocalEdge[] | null = null;

  constructor(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex, calls: readonly Call[]) {
    this.#gather = () => gatherEdges(file, symbols, functions, calls);
  }

  /**
   * A function with a frameless sibling island (a root) returns with the callee's TOC in r2; so does one that ends in a
   * branch to such a function. The smallest closed set, and the calls that must save r2 themselves because of it.
   */
  close(roots: readonly CodeSymbol[]): Closure {
    if (roots.length === 0) return { functions: [], calls: [], rootsOf: () => [] };
    this.#edges ??= this.#gather();
    const edges = this.#edges;
    const clobbering = new Map(roots.map((f) => [functionKey(f), f]));
    for (let grown = true; grown; ) {
      grown = false;
      for (const { from, to, isCall } of edges) {
        if (isCall || functionKey(from) === functionKey(to)) continue;
        if (!clobbering.has(functionKey(to)) || clobbering.has(functionKey(from))) continue;
        clobbering.set(functionKey(from), from);
        grown = true;
      }
    }
    const isRoot = new Set(roots.map(functionKey));
    const rootsOf = (start: CodeSymbol): CodeSymbol[] => {
      const seen = new Map([[functionKey(start), start]]);
      for (const f of seen.values()) {
        for (const { from, to, isCall } of edges) {
          // A Map hands out what is added while it is walked.
          if (!isCall && functionKey(from) === functionKey(f)) seen.set(functionKey(to), to);
        }
      }
      return [...seen.values()].filter((f) => isRoot.has(functionKey(f)));
    };
    const calls = edges.filter((e) => e.isCall && clobbering.has(functionKey(e.to)));
    return { functions: [...clobbering.values()], calls, rootsOf };
  }
}

/** Edges within the module, with and without a relocation. */
function gatherEdges(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  calls: readonly Call[],
): LocalEdge[] {
  const edges: LocalEdge[] = [];
  for (const call of calls) {
    if (call.verdict !== "local" || call.caller === null) continue;
    const section = symbols.sectionOf(call.symbol);
    const branch = decodeBranch(call.word);
    if (section === null || branch === null) continue;
    const to = functions.at(section, symbols.offset(call.symbol) + Number(call.addend));
    if (to !== null) edges.push({ from: call.caller, to, call, isCall: branch.links, isResolved: false });
  }
  return [...edges, ...resolvedBranches(file, functions, calls)];
}

/** Branches between functions of one section that the assembler resolved itself, so that no relocation shows them. */
function resolvedBranches(file: ElfFile, functions: FunctionIndex, calls: readonly Call[]): LocalEdge[] {
  const found: LocalEdge[] = [];
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
      found.push({ from, to, call, isCall: branch.links, isResolved: true });
    }
  }
  return found;
}
