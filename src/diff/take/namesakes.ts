// Which of several symbols of one name in the target is the one of an object: by the source file that a linked file's symbol table
// names, and by what lies beside it. Where these do not tell, or contradict each other, nothing is guessed.

import type { LinkedSymbol } from "../../kernel/image/linkedIds.ts";
import type { PlacedSymbol, PlacedSymbols } from "../../kernel/symbols/placedSymbols.ts";
import { canonicalName } from "../canon/names.ts";
import type { Item, Unit } from "../canon/unit.ts";
import { LinkedPlaces } from "./linkedIds.ts";

export interface Told {
  /** Position among the symbols of the name, from 1. */
  readonly position: number;
  readonly how: "binding" | "id" | "file" | "neighbours" | "file and neighbours";
}

/** A name as a neighbour is known by: without what compilers add, and without prefix symbols. */
const plainName = (name: string): string =>
  canonicalName(name.replace(/^__(?:pfx|cfi)_/, "")).replace(
    /(?:\.(?:isra|constprop|part|cold|llvm|localalias))+$/,
    "",
  );

/** The symbols of one object file, against those of the target. */
export class Namesakes {
  readonly #placed: PlacedSymbols;
  readonly #unit: Unit;
  /** Names that the object has, as plain ones. */
  readonly #own = new Set<string>();
  /** Names of the object that the target has once: they are certainly those of the object. */
  readonly #anchors = new Set<string>();
  /** Order of functions in the object, by plain name. */
  readonly #order = new Map<string, number>();
  readonly #linked: LinkedPlaces | null;

  /** @param linked the target's symbols by the ids that a linked original gave them; null: it has none */
  constructor(placed: PlacedSymbols, unit: Unit, linked: ReadonlyMap<bigint, LinkedSymbol> | null = null) {
    this.#linked = linked === null ? null : LinkedPlaces.of(unit, linked);
    this.#placed = placed;
    this.#unit = unit;
    for (const item of unit.items) {
      if (item.symbol === 0) continue;
      for (const symbol of [item.symbol, ...item.aliases]) {
        const name = unit.symbols.name(symbol);
        this.#own.add(plainName(name));
        if (placed.find(name).length === 1) this.#anchors.add(name);
      }
      if (item.kind === "function" && !item.isInit) this.#order.set(plainName(item.name), item.id);
    }
  }

  /** Null: it cannot be told. @param name of the item, or of an alias */
  positionOf(item: Item, name: string): Told | null {
    const all = this.#placed.find(name);
    const isText = item.kind === "function";
    const fitting = all.filter((s) => s.isText === isText && s.isGlobal !== item.isLocal);
    const told = (s: PlacedSymbol, how: Told["how"]): Told => ({ position: all.indexOf(s) + 1, how });
    const [only, more] = fitting;
    if (only === undefined) return null;
    if (more === undefined) return told(only, "binding");
    const byId = this.#byId(item, name, fitting);
    if (byId !== null) return told(byId, "id");
    const byFile = item.isLocal ? this.#byFile(item, fitting) : null;
    const byPlace = this.#byPlace(item, fitting);
    if (byFile !== null && byPlace !== null) return byFile === byPlace ? told(byFile, "file and neighbours") : null;
    if (byFile !== null) return told(byFile, "file");
    return byPlace === null ? null : told(byPlace, "neighbours");
  }

  /** The candidate at the address that the linker gave the item. */
  #byId(item: Item, name: string, candidates: readonly PlacedSymbol[]): PlacedSymbol | null {
    const at = this.#linked?.addressOf(item, name, this.#unit) ?? null;
    return at === null ? null : (candidates.find((c) => c.at === at) ?? null);
  }

  /** Names of the object's locals behind the STT_FILE symbol of an item. */
  #localsOf(item: Item): string[] {
    return this.#unit.items.flatMap((i) =>
      i.isLocal && i.symbol !== 0 && i.file === item.file && !i.isSpecial && !i.isNumbered && i !== item
        ? [i.name]
        : [],
    );
  }

  /** The candidate of the source file of the item's name that has most of the object's other locals, and half of them at least. */
  #byFile(item: Item, candidates: readonly PlacedSymbol[]): PlacedSymbol | null {
    const file = this.#unit.files[item.file - 1]?.replace(/^.*\//, "");
    if (file === undefined || this.#placed.files.length === 0) return null;
    const own = this.#localsOf(item);
    const ranked: { symbol: PlacedSymbol; count: number }[] = [];
    for (const symbol of candidates) {
      if (symbol.file === null || this.#placed.files[symbol.file]?.replace(/^.*\//, "") !== file) continue;
      const count = own.filter((n) => this.#placed.find(n).some((s) => s.file === symbol.file)).length;
      ranked.push({ symbol, count });
    }
    ranked.sort((a, b) => b.count - a.count);
    const [best, next] = ranked;
    if (best === undefined || best.count === next?.count) return null;
    return best.count * 2 >= own.length && best.count > 0 ? best.symbol : null;
  }

  /**
   * The candidate that lies among symbols of the object. A linker puts the code of one object file in one place: of names that are
   * all the object's, in a row, one that the target has only once says that the row is the object's own. What lies at the end of
   * such a row may belong to the next file, so it must also stand in the object's order, and be as long.
   */
  #byPlace(item: Item, candidates: readonly PlacedSymbol[]): PlacedSymbol | null {
    const found = candidates.map((symbol) => ({ symbol, ...this.#anchorsBeside(symbol) }));
    const between = found.filter((f) => f.before !== null && f.behind !== null);
    const [inside, more] = between;
    if (inside !== undefined) return more === undefined ? inside.symbol : null;
    const [beside, other] = found.filter((f) => f.before !== null || f.behind !== null);
    if (beside === undefined || other !== undefined) return null;
    return this.#isInOrder(item, beside) && this.#isAsLong(item, beside.symbol) ? beside.symbol : null;
  }

  /** The nearest anchors of the row of own names that a symbol is in. */
  #anchorsBeside(symbol: PlacedSymbol): { before: string | null; behind: string | null } {
    const at = this.#placed.indexOf(symbol);
    const look = (step: 1 | -1): string | null => {
      for (let i = at + step; ; i += step) {
        const next = this.#placed.sorted[i];
        if (next === undefined || next.area !== symbol.area || !this.#own.has(plainName(next.name))) return null;
        if (this.#anchors.has(next.name) && next.at !== symbol.at && next.isText === symbol.isText) return next.name;
      }
    };
    return { before: look(-1), behind: look(1) };
  }

  #isInOrder(item: Item, { before, behind }: { before: string | null; behind: string | null }): boolean {
    // In which order data come, the sections that they are compiled into have a say in.
    if (item.kind !== "function") return false;
    const own = this.#order.get(plainName(item.name));
    const [first, last] = [before, behind].map((n) => (n === null ? undefined : this.#order.get(plainName(n))));
    if (own === undefined) return false;
    return (first === undefined || first < own) && (last === undefined || last > own);
  }

  /** Whether what follows a symbol begins where the item ends, or soon behind it. */
  #isAsLong(item: Item, symbol: PlacedSymbol): boolean {
    let i = this.#placed.indexOf(symbol) + 1;
    while (this.#placed.sorted[i]?.at === symbol.at) i++;
    const next = this.#placed.sorted[i];
    if (next === undefined || next.area !== symbol.area) return false;
    const [length, size] = [Number(next.at - symbol.at), item.symbolEnd - item.entry];
    return length >= size && length < size + MOST_FILL;
  }
}

/** Bytes of alignment, and of what stands before an entry, between two functions. */
const MOST_FILL = 64;
