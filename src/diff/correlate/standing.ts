// Names that other files may use, and that stand for something else in the patched object: aliases that lead to other functions, variables
// that were functions, absolute and common symbols. No byte of what they stand for need differ.

import { SHN_ABS, SHN_COMMON, STB_LOCAL } from "../../elf/consts.ts";
import { canonicalName } from "../canon/names.ts";
import type { Item, Unit } from "../canon/unit.ts";

/** A name, and in words what it stands for on either side. */
export interface MovedName {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  /** Where it stands in the patched object; null: nowhere, it is a number. */
  readonly patched: Item | null;
  /** Both are init code or data. */
  readonly isInit: boolean;
}

interface Stood {
  readonly item: Item | null;
  readonly text: string;
}

/** What each global and weak name of an object stands for; checksums of exports left out. */
function standing(unit: Unit): Map<string, Stood> {
  const { symbols } = unit;
  const found = new Map<string, Stood>();
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.bind(i) === STB_LOCAL) continue;
    const raw = symbols.rawShndx(i);
    const isNumber = raw === SHN_ABS || raw === SHN_COMMON;
    const item = isNumber || symbols.sectionOf(i) === null ? null : unit.ofSymbol(i);
    if (!isNumber && item === null) continue;
    const name = symbols.name(i);
    if (name.startsWith("__crc_") || canonicalName(name) !== name) continue;
    found.set(name, { item, text: textOf(unit, i, item) });
  }
  return found;
}

function textOf({ symbols }: Unit, symbol: number, item: Item | null): string {
  if (item !== null) return `${item.kind === "function" ? "the function" : "the variable"} ${item.name}`;
  if (symbols.rawShndx(symbol) === SHN_COMMON) return `a common symbol of ${symbols.size(symbol)} bytes`;
  return `0x${symbols.value(symbol).toString(16)}`;
}

/** @param twins items of the original and their counterparts */
export function movedNames(orig: Unit, patched: Unit, twins: ReadonlyMap<Item, Item>): MovedName[] {
  const found: MovedName[] = [];
  const after = standing(patched);
  for (const [name, a] of standing(orig)) {
    const b = after.get(name);
    if (b === undefined) continue;
    const isSame = a.item !== null && b.item !== null ? twins.get(a.item) === b.item : a.text === b.text;
    // Init code that is none any more is new to the kernel.
    if (isSame || (a.item?.isInit === true && b.item?.isInit !== true)) continue;
    const isInit = a.item?.isInit === true && b.item?.isInit === true;
    const own = b.text === a.text ? `${b.text}, which is another one` : b.text;
    found.push({ name, before: a.text, after: own, patched: b.item, isInit });
  }
  return found;
}
