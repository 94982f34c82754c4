// Entries of other units that a unit refers to (DW_FORM_ref_addr): compilers that optimise several source files together write each type
// once, in the unit that came first.

import { countUpTo } from "../../../base/search.ts";
import { DW_TAG_typedef } from "../consts.ts";
import type { Budget } from "../cursor.ts";
import type { TypeNode, UnitNodes } from "./typeNodes.ts";

/** More entries than this are not kept: they are read again. */
const MOST_KEPT = 1 << 20;

/** A unit that was read for another one. */
export interface ReadUnit {
  readonly nodes: UnitNodes;
  /** Names that its typedefs give to types without one. */
  readonly aliases: ReadonlyMap<TypeNode, string>;
}

/** The names that typedefs give to types without one: that of the first. @param at the entry of a reference */
export function aliasesOf(
  nodes: UnitNodes["byOffset"],
  at: (reference: number) => TypeNode | null,
): Map<TypeNode, string> {
  const found = new Map<TypeNode, string>();
  for (const node of nodes.values()) {
    if (node.tag !== DW_TAG_typedef || node.name === null || node.type === null) continue;
    const target = at(node.type);
    if (target !== null && target.name === null && !found.has(target)) found.set(target, node.name);
  }
  return found;
}

/** The units of one file, read when something in them is referred to. */
export class OtherUnits {
  readonly #starts: readonly number[];
  readonly #read: (index: number) => UnitNodes | null;
  readonly #known = new Map<number, ReadUnit | null>();
  /** What may be done for all units of the file: each may lead through all others. */
  readonly work: Budget;
  #kept = 0;

  /** @param starts where units begin in .debug_info, ascending @param read the entries of one, by its position; null: it has none */
  constructor(starts: readonly number[], read: (index: number) => UnitNodes | null, work: Budget) {
    this.work = work;
    this.#starts = starts;
    this.#read = read;
  }

  /** The unit that an offset in .debug_info is in. @throws DwarfError */
  at(offset: number): ReadUnit | null {
    const index = countUpTo(this.#starts, offset) - 1;
    if (index < 0) return null;
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    const nodes = this.#read(index);
    const size = nodes?.byOffset.size ?? 0;
    if (this.#kept + size > MOST_KEPT) {
      this.#known.clear();
      this.#kept = 0;
    }
    this.#kept += size;
    const aliases = nodes === null ? null : aliasesOf(nodes.byOffset, (at) => nodes.byOffset.get(at) ?? null);
    const read = nodes === null || aliases === null ? null : { nodes, aliases };
    this.#known.set(index, read);
    return read;
  }
}
