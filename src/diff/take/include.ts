// What a livepatch takes along: the functions that changed, and all that they need and the kernel does not have.

import type { Problem } from "../../diag/catalogue.ts";
import { problem } from "../../diag/catalogue.ts";
import { type Content, contentOf, itemContent } from "../canon/content.ts";
import { mentioners, referredTo } from "../canon/mentions.ts";
import { parentOfCold } from "../canon/names.ts";
import { itemIn, type Target } from "../canon/targets.ts";
import type { Item } from "../canon/unit.ts";
import type { Side } from "../compare/compare.ts";
import { entryTarget, type OwnedEntry } from "../compare/ownedTables.ts";
import type { Diff } from "../diff.ts";

/** Why an item is taken. */
export type InclusionReason =
  | { readonly kind: "changed" }
  | { readonly kind: "part"; readonly of: Item }
  | { readonly kind: "new" }
  | { readonly kind: "callback" }
  /** It calls a function that changed and cannot be patched itself. */
  | { readonly kind: "caller"; readonly of: Item }
  | { readonly kind: "used"; readonly by: Item };

export interface Inclusion {
  /** Items of the patched object, in its order. */
  readonly items: ReadonlyMap<Item, InclusionReason>;
  /** Functions that the kernel is told to replace: of the original, and of the patched object. */
  readonly replaced: readonly { readonly orig: Item; readonly patched: Item }[];
  readonly entries: ReadonlySet<OwnedEntry>;
  readonly problems: readonly Problem[];
}

/** Why a function has no patch site; null: it has one. */
export type SiteOf = (orig: Item) => string | null;

/** Finds what is taken. @param siteOf of functions of the original */
export function include(diff: Diff, siteOf: SiteOf): Inclusion {
  const work = new Closure(diff, siteOf);
  work.run();
  return work.result();
}

class Closure {
  readonly #diff: Diff;
  readonly #siteOf: SiteOf;
  readonly #side: Side;
  readonly #items = new Map<Item, InclusionReason>();
  readonly #entries = new Set<OwnedEntry>();
  readonly #replaced: { orig: Item; patched: Item }[] = [];
  readonly #problems: Problem[] = [];
  readonly #queue: Item[] = [];
  readonly #parts = new Map<string, Item[]>();

  constructor(diff: Diff, siteOf: SiteOf) {
    this.#diff = diff;
    this.#siteOf = siteOf;
    this.#side = diff.patched;
  }

  run(): void {
    for (const change of this.#diff.functions) {
      const { orig, patched, status } = change;
      if (patched === null || patched.isInit) continue;
      if (status === "changed" && orig !== null) this.#replace(orig, patched, { kind: "changed" });
      // Another object of the patch may use it.
      if (status === "new" && !patched.isLocal) this.#take(patched, { kind: "new" });
    }
    for (const item of this.#diff.annotations.callbacks.values()) this.#take(item, { kind: "callback" });
    for (const change of this.#diff.data) {
      const { patched, status } = change;
      if (status === "new" && patched !== null && !patched.isLocal && !patched.isInit)
        this.#take(patched, { kind: "new" });
    }
    for (let item = this.#queue.pop(); item !== undefined; item = this.#queue.pop()) this.#visit(item);
    this.#findUnknownTables();
  }

  result(): Inclusion {
    const sorted = [...this.#items].sort(([a], [b]) => a.id - b.id);
    const replaced = [...this.#replaced].sort((a, b) => a.patched.id - b.patched.id);
    return { items: new Map(sorted), replaced, entries: this.#entries, problems: this.#problems };
  }

  #take(item: Item, reason: InclusionReason): void {
    if (this.#items.has(item)) return;
    this.#items.set(item, reason);
    this.#queue.push(item);
  }

  /** A function and the parts of it that were split off. */
  #replace(orig: Item, patched: Item, reason: InclusionReason): void {
    if (this.#items.has(patched)) return;
    this.#take(patched, reason);
    for (const part of this.#partsOf(patched.name)) {
      if (this.#isPartOf(part, patched)) this.#take(part, { kind: "part", of: patched });
    }
    const why = this.#siteOf(orig);
    if (why === null) this.#replaced.push({ orig, patched });
    else this.#replaceCallers(orig, patched, why);
  }

  /** Parts that were split off from functions of a name. */
  #partsOf(name: string): readonly Item[] {
    if (this.#parts.size === 0) {
      for (const item of this.#side.unit.items) {
        const parent = item.kind === "function" ? parentOfCold(item.name) : null;
        if (parent === null) continue;
        const list = this.#parts.get(parent);
        if (list === undefined) this.#parts.set(parent, [item]);
        else list.push(item);
      }
      // Not looked for again where there are none.
      this.#parts.set("", []);
    }
    return this.#parts.get(name) ?? [];
  }

  /**
   * Whether a part with the name of a function was split off it. Parts are local, so one stands behind the source file's symbol; a global
   * function does not, and then its own jump tells: a static function of that name in another file has such a part, too.
   */
  #isPartOf(part: Item, whole: Item): boolean {
    if (whole.isLocal) return part.file === whole.file;
    return itemContent(this.#side.unit, whole).references.some((r) => itemIn(r.target) === part);
  }

  /** A function without a patch site is taken with all of its callers, if those are all known and can be patched. */
  #replaceCallers(orig: Item, patched: Item, why: string): void {
    const callers = patched.isLocal ? this.#callersOf(patched) : null;
    if (callers === null || callers.length === 0) {
      const at = {
        file: this.#diff.orig.unit.path,
        section: this.#diff.orig.unit.sectionName(orig),
        offset: orig.entry,
      };
      const known = patched.isLocal ? "address" : "global";
      this.#problems.push(problem("KLP710", at, { name: orig.name, why, callers: callers === null ? known : "none" }));
      return;
    }
    for (const caller of callers) {
      const before = this.#diff.correlation.back.get(caller);
      if (before !== undefined) this.#replace(before, caller, { kind: "caller", of: patched });
      else this.#take(caller, { kind: "caller", of: patched });
    }
  }

  /** Functions that call one; null if something else than a call refers to it. */
  #callersOf(item: Item): Item[] | null {
    const found: Item[] = [];
    const sections = new Set([item.section]);
    for (const user of mentioners(this.#side.unit, sections)) {
      if (user === item || user.isInit) continue;
      for (const r of itemContent(this.#side.unit, user).references) {
        if (itemIn(r.target) !== item) continue;
        if (user.kind !== "function" || !r.isBranch) return null;
        if (parentOfCold(user.name) === item.name) continue;
        found.push(user);
      }
    }
    return [...new Set(found)];
  }

  #visit(item: Item): void {
    const { unit, tables } = this.#side;
    this.#visitContent(itemContent(unit, item), item);
    for (const entry of tables.of(item)) this.#visitEntry(entry, item);
  }

  #visitEntry(entry: OwnedEntry, by: Item): void {
    if (this.#entries.has(entry)) return;
    this.#entries.add(entry);
    const { unit } = this.#side;
    for (const r of unit.relocations.range(entry.section, entry.at, entry.at + entry.size)) {
      this.#visitTarget(entryTarget(unit, entry.table, entry.at, r), by);
    }
    if (entry.piece === null) return;
    const { section, start, end } = entry.piece;
    this.#visitContent(contentOf(unit, section, start, end, true), by);
  }

  #visitContent(content: Content, by: Item): void {
    for (const r of content.references) this.#visitTarget(r.target, by);
  }

  #visitTarget(target: Target, by: Item): void {
    if (target.kind === "toc") {
      if (target.slot.target !== null) this.#visitTarget(target.slot.target, by);
    } else if (target.kind === "table") {
      const entry = this.#side.tables.entryAt(target.section, target.at);
      if (entry !== null) this.#visitEntry(entry, by);
    } else if (target.kind === "item") {
      const { item } = target;
      if (this.#side.unit.kinds[item.section] === "pieces" || item.isInit) return;
      if (item.isByContent || !this.#diff.correlation.back.has(item)) this.#take(item, { kind: "used", by });
    }
  }

  /** Tables of a form that is not known, with references to what is taken: entries would be missing. */
  #findUnknownTables(): void {
    const { unit } = this.#side;
    const isOpen = (item: Item): boolean =>
      item.kind === "anonymous" &&
      !this.#items.has(item) &&
      !item.isInit &&
      unit.kinds[item.section] === "data" &&
      !REGISTRATIONS.test(unit.sectionName(item));
    const open = unit.items.filter(isOpen);
    const sections = new Set(open.map((i) => i.section));
    const used = new Set<Item>();
    for (const item of mentioners(unit, sections)) for (const one of referredTo(unit, item)) used.add(one);
    for (const item of open) {
      if (used.has(item)) continue;
      for (const r of itemContent(unit, item).references) {
        const target = itemIn(r.target);
        if (target === null || !this.#items.has(target) || target.kind !== "function") continue;
        const at = { file: unit.path, section: unit.sectionName(item), offset: r.at };
        this.#problems.push(problem("KLP714", at, { section: unit.sectionName(item), name: target.name }));
        break;
      }
    }
  }
}

/** Sections that announce something once, when the kernel or the module starts; a livepatch must not do so again. */
const REGISTRATIONS =
  /^(?:__tracepoints|__tracepoints_ptrs|__tracepoints_strings|_ftrace_events|__bpf_raw_tp_map|__syscalls_metadata|_ftrace_eval_map|__trace_printk_fmt|_error_injection_whitelist|_kprobe_blacklist|\.rodata\.\.?__|__dyndbg|__verbose|\.pci_fixup|\.static_call_tramp_key)/;
