// The conditions under which an island is certain to work. Numbers as in docs/islands.md.

import { viewOf } from "../../base/bytes.ts";
import { STT_FUNC } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { entryTables } from "../../kernel/machines.ts";
import { R_PPC64_REL24 } from "../../reloc/numbers.ts";
import { BRANCH_REACH, decodeBranch, opensFrame } from "../../stubs/insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import type { Obstacle } from "../move/layout.ts";
import type { Call } from "./calls.ts";
import type { IslandKind } from "./islandCode.ts";

/** Why no island may be used for a call. */
export type Refusal =
  | { readonly kind: "rule"; readonly rule: string; readonly reason: string; readonly help: string }
  | {
      readonly kind: "layout";
      readonly function: CodeSymbol;
      readonly follower: CodeSymbol;
      readonly obstacle: Obstacle;
    };

const REBUILD_SIBLING = "rebuild the function with -fno-optimize-sibling-calls";
const CHANGE_SOURCE = "change the source so that the call does not stand here";

/** Tables whose entries name code words that the kernel rewrites or looks up while it runs (rule I12). */
const PATCHED_TABLES = new Set(["__jump_table", ".static_call_sites", ...entryTables, "__bug_table"]);

/** Six u64 an entry; the third and fourth are the start and end of the code that may be replaced (rule I11). */
const FEATURE_TABLES = new Set(["__ftr_fixup", "__mmu_ftr_fixup", "__fw_ftr_fixup"]);
/** One s64 an entry: a word that may be replaced (rule I11). */
const WORD_TABLES = new Set(["__lwsync_fixup", "__spec_barrier_fixup"]);

/** Facts about one file that the rules need, gathered once. */
export class IslandRules {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #functions: FunctionIndex;
  /** Section -> offset -> name of the table that lists it. */
  readonly #patched = new Map<number, Map<number, string>>();
  /** Section -> half-open ranges that feature fix-ups may replace. */
  readonly #replaceable = new Map<number, { start: number; end: number; table: string }[]>();

  readonly #frames = new Map<CodeSymbol, number>();
  readonly #owners = new Map<CodeSymbol, CodeSymbol>();

  constructor(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex) {
    this.#file = file;
    this.#symbols = symbols;
    this.#functions = functions;
    this.#readTables();
  }

  #readTables(): void {
    const { sections } = this.#file;
    for (const table of this.#file.relocations) {
      const name = sections.name(table.target);
      const starts = new Map<number, { section: number; offset: number }>();
      for (let row = 0; row < table.count; row++) {
        const section = this.#symbols.sectionOf(table.symbol(row));
        if (section === null || !table.hasAddends) continue;
        const target = this.#symbols.offset(table.symbol(row)) + Number(table.addend(row));
        const field = table.offset(row);
        if (PATCHED_TABLES.has(name)) {
          let offsets = this.#patched.get(section);
          if (offsets === undefined) {
            offsets = new Map();
            this.#patched.set(section, offsets);
          }
          offsets.set(target, name);
        } else if (WORD_TABLES.has(name)) {
          this.#addRange(section, target, target + 4, name);
        } else if (FEATURE_TABLES.has(name)) {
          // The fields hold distances from the entry's start; a PC-relative relocation adds the field's own place.
          const column = (field % 48) / 8;
          const entry = field - (field % 48);
          if (column === 2) starts.set(entry, { section, offset: target - 16 });
          const start = starts.get(entry);
          if (column === 3 && start !== undefined && start.section === section) {
            this.#addRange(section, start.offset, target - 24, name);
          }
        }
      }
    }
  }

  #addRange(section: number, start: number, end: number, table: string): void {
    const list = this.#replaceable.get(section);
    if (list === undefined) this.#replaceable.set(section, [{ start, end, table }]);
    else list.push({ start, end, table });
  }

  /** The table that lets the kernel rewrite the word at `offset`; null if there is none. */
  rewrittenBy(section: number, offset: number): string | null {
    const range = this.#replaceable.get(section)?.find((r) => offset >= r.start && offset < r.end);
    return range?.table ?? this.#patched.get(section)?.get(offset) ?? null;
  }

  /**
   * The first rule that forbids an island of `kind` for `call`; null if none does.
   * @param growth bytes that all islands of the section may take at most.
   */
  refusal(call: Call, kind: IslandKind, growth: number): Refusal | null {
    const { sections } = this.#file;
    const site = call.offset;
    const rule = (number: string, reason: string, help: string): Refusal => ({
      kind: "rule",
      rule: number,
      reason,
      help,
    });

    const branch = decodeBranch(call.word);
    if (branch === null || branch.absolute || branch.conditional) {
      return rule("I1", "the word there is no relative branch", "build the file again");
    }
    if (site % 4 !== 0) return rule("I1", "it stands at no multiple of 4", "build the file again");
    const sectionName = sections.name(call.section);
    if (sectionName.startsWith("__ftr_alt_")) {
      return rule("I11", `${sectionName} holds code that the kernel copies elsewhere`, CHANGE_SOURCE);
    }
    const caller = call.caller;
    if (caller === null) return rule("I9", `no function symbol stands before it in ${sectionName}`, CHANGE_SOURCE);
    const owner = this.#owner(caller);
    const isAssembler = caller.type !== STT_FUNC || caller.size === 0;
    const isSibling = !branch.links;
    if (isSibling && isAssembler) {
      return rule("S5", `${caller.name} is not compiler-made (no size or no function type)`, REBUILD_SIBLING);
    }
    if (caller.size > 0 && site >= caller.start + caller.size) {
      return rule("I9", `the code there is outside ${caller.name}`, CHANGE_SOURCE);
    }
    if (owner.localEntryCode < 2) {
      const what = owner.localEntryCode === 1 ? "treats r2 as scratch" : "has no TOC";
      return rule(
        "I6",
        `${owner.name} ${what} (local entry code ${owner.localEntryCode})`,
        "call it from a function that sets up r2",
      );
    }
    if (owner === caller && site < caller.localEntry) {
      return rule("I7", "the call stands before the local entry, where r2 is not set", CHANGE_SOURCE);
    }
    if (!isSibling && isAssembler && !this.hasFrame(call)) {
      return rule("I8", `${caller.name} is not compiler-made and opens no frame before the call`, CHANGE_SOURCE);
    }
    // A klp_stub comes back by itself; the other islands branch to the word behind the call.
    for (const at of isSibling || kind === "klp-stub" ? [site] : [site, site + 4]) {
      const range = this.#replaceable.get(call.section)?.find((r) => at >= r.start && at < r.end);
      if (range !== undefined) {
        return rule("I11", `${range.table} lets the kernel replace the code there`, CHANGE_SOURCE);
      }
    }
    const listed = this.#patched.get(call.section)?.get(site);
    if (listed !== undefined) return rule("I12", `${listed} lists the word as one that is patched`, CHANGE_SOURCE);
    if (sections.size(call.section) + growth >= BRANCH_REACH) {
      return rule("I13", "the section is too large for a branch to its end", "compile with -ffunction-sections");
    }
    return null;
  }

  /** The function whose entry sets up r2 for this code: for `P.cold` and `P.part.N`, P, if P branches there. */
  #owner(caller: CodeSymbol): CodeSymbol {
    const known = this.#owners.get(caller);
    if (known !== undefined) return known;
    const match = /^(.+)\.(?:cold|part\.\d+)(?:\.\d+)?$/.exec(caller.name);
    const parent = match === null || caller.localEntryCode !== 0 ? null : this.#functions.named(match[1] ?? "");
    const owner = parent !== null && this.#branchesTo(parent, caller) ? parent : caller;
    this.#owners.set(caller, owner);
    return owner;
  }

  #branchesTo(from: CodeSymbol, to: CodeSymbol): boolean {
    if (from.section === to.section && this.#isResolvedTo(from, to)) return true;
    for (const table of this.#file.relocations) {
      if (table.target !== from.section) continue;
      for (let row = 0; row < table.count; row++) {
        if (table.type(row) !== R_PPC64_REL24) continue;
        const symbol = table.symbol(row);
        if (this.#symbols.sectionOf(symbol) !== to.section) continue;
        const target = this.#symbols.offset(symbol) + Number(table.addend(row));
        const inFrom = this.#functions.at(table.target, table.offset(row));
        if (inFrom?.symbol === from.symbol && this.#functions.at(to.section, target)?.symbol === to.symbol) return true;
      }
    }
    return false;
  }

  /** In one section the assembler resolves the branch. */
  #isResolvedTo(from: CodeSymbol, to: CodeSymbol): boolean {
    const view = viewOf(this.#file.sections.data(from.section));
    const end = Math.min(from.start + from.size, view.byteLength);
    for (let at = from.start; at + 4 <= end; at += 4) {
      const branch = decodeBranch(view.getUint32(at, this.#file.littleEndian));
      if (branch === null || branch.absolute || branch.links) continue;
      const target = at + branch.displacement;
      if (target >= to.start && target < to.start + to.size) return true;
    }
    return false;
  }

  /** Whether code before the call, in address order from the local entry, opens a stack frame (rule I8). */
  hasFrame(call: Call): boolean {
    const caller = call.caller;
    if (caller === null) return false;
    // A cold part runs in the frame that its parent opened.
    if (this.#owner(caller) !== caller) return true;
    return this.#frameOffset(caller) < call.offset;
  }

  /** Offset of the first word from the function's local entry on that opens a frame; infinite if none does. */
  #frameOffset(caller: CodeSymbol): number {
    const known = this.#frames.get(caller);
    if (known !== undefined) return known;
    const view = viewOf(this.#file.sections.data(caller.section));
    const next = this.#functions.after(caller)?.start ?? view.byteLength;
    let found = Number.POSITIVE_INFINITY;
    for (let at = caller.localEntry; at + 4 <= Math.min(next, view.byteLength); at += 4) {
      if (!opensFrame(view.getUint32(at, this.#file.littleEndian))) continue;
      found = at;
      break;
    }
    this.#frames.set(caller, found);
    return found;
  }
}
