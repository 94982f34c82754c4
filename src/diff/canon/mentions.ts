// What an item refers to, as far as it can be told without reading its code.

import { SHF_EXECINSTR } from "../../elf/consts.ts";
import { itemContent } from "./content.ts";
import { runtimeConstants } from "./runtime.ts";
import { itemIn, type Target, targetOf } from "./targets.ts";
import type { Item, Unit } from "./unit.ts";

/**
 * Whether an item can refer to what is in some sections. False: certainly not. Through a TOC anything can be meant; within a section
 * the assembler resolves references itself.
 */
export function mayMention(unit: Unit, item: Item, sections: ReadonlySet<number>): boolean {
  if (sections.has(item.section) && unit.inSection(item.section).length > 1) return true;
  return unit.relocations.someSymbol(item.section, [item.start, item.end], (symbol) => {
    const section = symbol === 0 ? null : unit.symbols.sectionOf(symbol);
    return section !== null && (sections.has(section) || unit.kinds[section] === "toc");
  });
}

/** Items that may refer to what is in some sections, as {@link mayMention} says, in their order. */
export function mentioners(unit: Unit, sections: ReadonlySet<number>): Item[] {
  const index = indexes.get(unit) ?? new Index(unit);
  indexes.set(unit, index);
  return index.of(sections);
}

const indexes = new WeakMap<Unit, Index>();

/** Lists in arrays: a kernel has millions of references. */
class Index {
  readonly #unit: Unit;
  /** By section: the last of its users, as an index of the two lists below; -1: none. */
  readonly #last: Int32Array;
  /** Of each use the item, and the use of its section before it. */
  #items = new Int32Array(1 << 12);
  #before = new Int32Array(1 << 12);
  #count = 0;
  /** Items that refer to anything through a TOC. */
  readonly #throughToc: number[] = [];

  constructor(unit: Unit) {
    this.#unit = unit;
    this.#last = new Int32Array(unit.file.sections.count).fill(-1);
    for (const item of unit.items) {
      let isToc = false;
      unit.relocations.someSymbol(item.section, [item.start, item.end], (symbol) => {
        const section = symbol === 0 ? null : unit.symbols.sectionOf(symbol);
        if (section === null || section >= this.#last.length) return false;
        if (unit.kinds[section] === "toc") isToc = true;
        else this.#add(section, item.id);
        return false;
      });
      if (isToc) this.#throughToc.push(item.id);
    }
  }

  #add(section: number, item: number): void {
    const last = this.#last[section] ?? -1;
    if (last >= 0 && this.#items[last] === item) return;
    if (this.#count === this.#items.length) {
      [this.#items, this.#before] = [this.#items, this.#before].map((list) => {
        const more = new Int32Array(list.length * 2);
        more.set(list);
        return more;
      }) as [Int32Array<ArrayBuffer>, Int32Array<ArrayBuffer>];
    }
    this.#items[this.#count] = item;
    this.#before[this.#count] = last;
    this.#last[section] = this.#count++;
  }

  of(sections: ReadonlySet<number>): Item[] {
    const found = new Set(this.#throughToc);
    for (const section of sections) {
      const own = this.#unit.inSection(section);
      if (own.length > 1) for (const item of own) found.add(item.id);
      for (let at = this.#last[section] ?? -1; at >= 0; at = this.#before[at] ?? -1) found.add(this.#items[at] ?? 0);
    }
    return [...found].sort((a, b) => a - b).map((id) => this.#unit.items[id] as Item);
  }
}

/** An item that another one refers to by a relocation; `at` is the offset of the field from the start of the other. Bytes. */
export interface Mention {
  readonly item: Item;
  readonly at: number;
}

/** The items that a relocation of an item leads to, in order. Instructions are read only where a section has several items. */
export function mentioned(unit: Unit, item: Item): Mention[] {
  const targets = plainTargets(unit, item) ?? itemContent(unit, item).references.filter((r) => r.relocation !== null);
  return targets.flatMap(({ at, target }) => {
    const found = itemIn(target);
    return found === null ? [] : [{ item: found, at }];
  });
}

/** All items that one refers to, also by what the assembler resolved within its section. */
export function referredTo(unit: Unit, item: Item): Item[] {
  if (unit.inSection(item.section).length < 2) return mentioned(unit, item).map((m) => m.item);
  return itemContent(unit, item).references.flatMap((r) => itemIn(r.target) ?? []);
}

/** Targets whose item is certain and whose distance is not; null: instructions have to be read. */
function plainTargets(unit: Unit, item: Item): { readonly at: number; readonly target: Target }[] | null {
  const { code } = unit.arch;
  const isCode = unit.file.sections.hasFlags(item.section, SHF_EXECINSTR);
  if (isCode && runtimeConstants(unit).isIn(item.section)) return null;
  const found: { at: number; target: Target }[] = [];
  for (const r of unit.relocations.range(item.section, item.start, item.end)) {
    const isOpen = isCode && code.countsFromField && code.relativeTypes.has(r.type);
    const section = isOpen && unit.ofSymbol(r.symbol) === null ? unit.symbols.sectionOf(r.symbol) : null;
    if (section !== null && unit.inSection(section).length > 1) return null;
    found.push({ at: r.offset - item.start, target: targetOf(unit, r, 0) });
  }
  return found;
}

/** Whether an item has a relocation whose symbol has one of some names. */
export const namesAny = ({ symbols, relocations }: Unit, item: Item, passes: (name: string) => boolean): boolean =>
  relocations.someSymbol(item.section, [item.start, item.end], (symbol) => passes(symbols.name(symbol)));
