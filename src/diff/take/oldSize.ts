// Whether a function of the original is as large as the kernel's: where it is not, the original was not built as the kernel was.

import { firstIndex } from "../../base/search.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { instructionAt, itemContent, type Reference } from "../canon/content.ts";
import type { Target } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";

/** A function whose size says that the original is of another build. Bytes. */
export interface OtherSize {
  readonly name: string;
  /** In the original. */
  readonly size: number;
  /** In the kernel. */
  readonly there: number;
  /** Whether it is so large there; else at most so. */
  readonly isExact: boolean;
}

/**
 * How the sizes of a function contradict; null: they do not, or they are not known. Where a list has no sizes, the next symbol tells the
 * most that there may be: a smaller original says nothing.
 * @param position of the function in the object, from 1; 0: it is the only one of its name
 */
export function otherSize(
  unit: Unit,
  item: Item,
  kernel: Kernel,
  { object, position }: { readonly object: string; readonly position: number },
): OtherSize | null {
  const size = unit.symbols.size(item.symbol);
  const found = size === 0 ? null : kernel.sizeOf(item.name, position, object);
  if (found === null) return null;
  const { bytes: there, isExact } = found;
  if (size === there || (!isExact && size <= there)) return null;
  // A label inside ends what a list tells of it.
  if (!isExact && hasSymbolInside(unit, item)) return null;
  return Math.abs(size - there) <= slackOf(unit, item) ? null : { name: item.name, size, there, isExact };
}

function hasSymbolInside(unit: Unit, { section, entry, symbolEnd }: Item): boolean {
  const places = placesOf(unit).get(section) ?? [];
  const next = places[firstIndex(places.length, (i) => (places[i] ?? 0) > entry)];
  return next !== undefined && next < symbolEnd;
}

/** Offsets of symbols by section, ascending. Of each object they are gathered once: each of its functions may ask. */
const gathered = new WeakMap<Unit, ReadonlyMap<number, readonly number[]>>();

function placesOf(unit: Unit): ReadonlyMap<number, readonly number[]> {
  const known = gathered.get(unit);
  if (known !== undefined) return known;
  const { symbols } = unit;
  const found = new Map<number, number[]>();
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    if (section === null) continue;
    const list = found.get(section);
    if (list === undefined) found.set(section, [symbols.offset(i)]);
    else list.push(symbols.offset(i));
  }
  for (const list of found.values()) list.sort((a, b) => a - b);
  gathered.set(unit, found);
  return found;
}

/** Bytes by which a function of the same build may be larger or smaller, because the original has a section for each function and object. */
function slackOf(unit: Unit, item: Item): number {
  const { base, share, data, jump } = unit.arch.code.flagSlack;
  let slack = base + share * (item.symbolEnd - item.entry);
  const { references, instructions } = itemContent(unit, item);
  for (const r of references) {
    if (isOwnData(r.target)) slack += data;
    else if (r.isBranch && r.target.kind === "item" && r.target.item !== item && !isCall(instructions, r))
      slack += jump;
  }
  return slack;
}

function isOwnData(target: Target): boolean {
  if (target.kind === "toc") return true;
  if (target.kind !== "item") return false;
  return target.item.kind !== "function";
}

const isCall = (instructions: ReturnType<typeof itemContent>["instructions"], { at }: Reference): boolean =>
  instructionAt(instructions, at)?.isCall === true;
