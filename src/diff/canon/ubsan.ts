// Descriptions of places for UBSAN that have no name of their own: clang's.

import { itemContent } from "./content.ts";
import { namesAny } from "./mentions.ts";
import { calledName } from "./targets.ts";
import type { Item, Unit } from "./unit.ts";

const known = new WeakMap<Unit, ReadonlySet<Item>>();

/**
 * Data that calls of `__ubsan_handle_…` are preceded by the address of, with no call between, and that begins with struct
 * source_location (lib/ubsan.h): the name of a file, then a line and a column.
 */
export function passedToUbsan(unit: Unit): ReadonlySet<Item> {
  const before = known.get(unit);
  if (before !== undefined) return before;
  const found = new Set<Item>();
  for (const user of unit.items) {
    if (user.kind !== "function" || !namesAny(unit, user, isHandlerName)) continue;
    let waiting: Item[] = [];
    for (const { isBranch, target } of itemContent(unit, user).references) {
      const item = target.kind === "toc" ? target.slot.target : target;
      if (!isBranch && item?.kind === "item" && item.distance === 0) waiting.push(item.item);
      const isHandler = isBranch && isHandlerName(calledName(target) ?? "");
      for (const data of isHandler ? waiting : []) if (beginsWithString(unit, data)) found.add(data);
      if (isBranch) waiting = [];
    }
  }
  known.set(unit, found);
  return found;
}

const isHandlerName = (name: string): boolean => name.startsWith("__ubsan_handle_");

function beginsWithString(unit: Unit, item: Item): boolean {
  const [first] = itemContent(unit, item).references;
  return first?.at === 0 && first.target.kind === "string";
}
