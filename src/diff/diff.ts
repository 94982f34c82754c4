// The comparison of two objects as a whole: what changed, what is new, what is gone.

import { type Annotations, readAnnotations } from "./canon/annotations.ts";
import { itemContent } from "./canon/content.ts";
import { mayMention, referredTo } from "./canon/mentions.ts";
import { parentOfCold } from "./canon/names.ts";
import { itemIn, type Target } from "./canon/targets.ts";
import type { Item, Unit } from "./canon/unit.ts";
import { Comparison, type Difference, type LineNote, type Side } from "./compare/compare.ts";
import { entryTarget } from "./compare/ownedTables.ts";
import { type Correlation, correlate } from "./correlate/correlate.ts";
import { type MovedName, movedNames } from "./correlate/standing.ts";

export type Status = "same" | "changed" | "new" | "removed";

/** A function, or an object, with what became of it. */
export interface Change {
  readonly name: string;
  readonly status: Status;
  readonly orig: Item | null;
  readonly patched: Item | null;
  /** The first difference; null unless it changed. */
  readonly difference: Difference | null;
  /** The part that was split off and that the difference is in; null: the item itself. */
  readonly part: { readonly orig: Item; readonly patched: Item } | null;
}

export interface DiffOptions {
  /** A difference in a line number is a difference. */
  readonly strictLines?: boolean;
  /** Variables that belong together: names of the original and of the patched object. */
  readonly pairs?: readonly (readonly [string, string])[];
}

export interface Diff {
  readonly orig: Side;
  readonly patched: Side;
  readonly correlation: Correlation;
  readonly comparison: Comparison;
  readonly functions: readonly Change[];
  readonly data: readonly Change[];
  /** Contents without a name and without a user that are not the same: tables that are not known, above all. */
  readonly loose: readonly LooseChange[];
  /** Names that stand for something else than before. */
  readonly moved: readonly MovedName[];
  readonly lineNotes: readonly LineNote[];
  readonly annotations: Annotations;
  /** Items of the original that changed, and that the patch says to take for unchanged. */
  readonly ignored: readonly Item[];
}

/** Whether the patch says that a change of an item counts for nothing. A part goes with its function. */
function isIgnoredBy({ ignored }: Annotations, unit: Unit, item: Item): boolean {
  if (ignored.sections.has(unit.sectionName(item))) return true;
  if (item.kind === "object") return ignored.data.has(item.name);
  return ignored.functions.has(item.name) || ignored.functions.has(parentOfCold(item.name) ?? item.name);
}

/** A section whose content, or a part of it, nothing refers to, and that differs. */
export interface LooseChange {
  readonly section: string;
  readonly orig: number | null;
  readonly patched: number | null;
  readonly why: string;
}

/** Compares two objects of one architecture. */
export function diffUnits(orig: Side, patched: Side, options: DiffOptions = {}): Diff {
  const annotations = readAnnotations(patched.unit);
  const correlation = correlate(orig.unit, patched.unit, [...(options.pairs ?? []), ...annotations.pairs]);
  const comparison = new Comparison(orig, patched, correlation.twins, options.strictLines === true);
  const changes: Change[] = [];
  const ignored: Item[] = [];
  for (const item of orig.unit.items) {
    if (item.kind === "anonymous" || item.isByContent) continue;
    const twin = correlation.twins.get(item) ?? null;
    const difference = twin === null ? null : comparison.difference(item, twin);
    const status = twin === null ? "removed" : difference === null ? "same" : "changed";
    const isIgnored = status === "changed" && twin !== null && isIgnoredBy(annotations, patched.unit, twin);
    if (isIgnored) ignored.push(item);
    changes.push(
      isIgnored
        ? { name: item.name, status: "same", orig: item, patched: twin, difference: null, part: null }
        : { name: item.name, status, orig: item, patched: twin, difference, part: null },
    );
  }
  for (const item of patched.unit.items) {
    if (item.kind === "anonymous" || item.isByContent || correlation.back.has(item)) continue;
    changes.push({ name: item.name, status: "new", orig: null, patched: item, difference: null, part: null });
  }
  const isFunction = (c: Change): boolean => (c.patched ?? c.orig)?.kind === "function";
  return {
    orig,
    patched,
    correlation,
    comparison,
    functions: withParts(changes.filter(isFunction), orig.unit, patched.unit),
    data: changes.filter((c) => !isFunction(c)),
    annotations,
    ignored,
    loose: looseChanges(orig, patched, comparison).filter((l) => !annotations.ignored.sections.has(l.section)),
    moved: movedNames(orig.unit, patched.unit, correlation.twins),
    lineNotes: comparison.lineNotes,
  };
}

/** Parts that were split off belong to their function: it changed where they did. */
function withParts(changes: readonly Change[], orig: Unit, patched: Unit): Change[] {
  const byName = new Map<string, Change[]>();
  for (const change of changes) {
    const list = byName.get(change.name);
    if (list === undefined) byName.set(change.name, [change]);
    else list.push(change);
  }
  const found = new Map<Change, Change>(changes.map((c) => [c, c]));
  const wholeOf = (part: Change, parent: string | null): Change | undefined => {
    const list = parent === null ? [] : (byName.get(parent) ?? []);
    const [first, second] = list;
    if (second === undefined) return first;
    // Static functions of several files have one name; a part is local, a global function is not.
    const side = part.patched === null ? "orig" : "patched";
    const [item, unit] = [part[side], side === "orig" ? orig : patched];
    const inFile = list.find((c) => c[side]?.isLocal === true && c[side]?.file === item?.file);
    const leads = (c: Change): boolean =>
      c[side]?.isLocal === false && itemContent(unit, c[side]).references.some((r) => itemIn(r.target) === item);
    return list.find(leads) ?? inFile ?? first;
  };
  for (const change of changes) {
    if (change.status === "same") continue;
    // `f.part.0.cold` belongs to `f.part.0`.
    const parent = parentOfCold(change.name);
    const whole = wholeOf(change, parent);
    if (whole === undefined) continue;
    found.delete(change);
    const known = found.get(whole);
    if (known?.status !== "same") continue;
    const { orig, patched } = change;
    const part = orig !== null && patched !== null ? { orig, patched } : null;
    found.set(whole, { ...whole, status: "changed", difference: change.difference, part });
  }
  for (const change of changes) {
    const parent = parentOfCold(change.name);
    if (change.status === "same" && parent !== null && byName.has(parent)) found.delete(change);
  }
  return changes.flatMap((c) => found.get(c) ?? []);
}

/** Every item without a name that something of an object refers to. */
function usedPieces({ unit, tables }: Side): Set<Item> {
  const isAsked = (i: Item): boolean => i.kind === "anonymous" && unit.kinds[i.section] !== "pieces";
  const sections = new Set(unit.items.filter(isAsked).map((i) => i.section));
  const found = new Set<Item>();
  const add = (target: Target): void => {
    if (target.kind === "item") found.add(target.item);
    else if (target.kind === "toc" && target.slot.target !== null) add(target.slot.target);
  };
  for (const item of unit.items) {
    if (mayMention(unit, item, sections)) for (const used of referredTo(unit, item)) found.add(used);
  }
  for (const entry of tables.entries) {
    for (const r of unit.relocations.range(entry.section, entry.at, entry.at + entry.size)) {
      add(entryTarget(unit, entry.table, entry.at, r));
    }
  }
  return found;
}

/** What has no name and is used by nothing that is compared: pieces of unknown tables, and entries without an owner. */
function looseChanges(orig: Side, patched: Side, comparison: Comparison): LooseChange[] {
  const found: LooseChange[] = [];
  const groups = [orig, patched].map((side) => {
    const used = usedPieces(side);
    const bySection = new Map<string, Item[]>();
    for (const item of side.unit.items) {
      if (item.kind !== "anonymous" || used.has(item) || side.unit.kinds[item.section] === "pieces") continue;
      if (isFill(side.unit, item)) continue;
      const name = side.unit.sectionName(item).replace(/\d+$/, "");
      const list = bySection.get(name);
      if (list === undefined) bySection.set(name, [item]);
      else list.push(item);
    }
    return bySection;
  });
  const [mine, theirs] = groups as [Map<string, Item[]>, Map<string, Item[]>];
  for (const name of new Set([...mine.keys(), ...theirs.keys()])) {
    const [a, b] = [mine.get(name) ?? [], theirs.get(name) ?? []];
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const [x, y] = [a[i], b[i]];
      const section =
        (x === undefined ? null : orig.unit.sectionName(x)) ?? (y === undefined ? name : patched.unit.sectionName(y));
      const isSame = x !== undefined && y !== undefined && comparison.difference(x, y) === null;
      if (isSame) continue;
      const why = x === undefined ? "it is new" : y === undefined ? "it is gone" : "its content differs";
      found.push({ section, orig: x?.section ?? null, patched: y?.section ?? null, why });
    }
  }
  for (const change of ownerless(orig, patched, comparison)) found.push(change);
  return found;
}

function ownerless(orig: Side, patched: Side, comparison: Comparison): LooseChange[] {
  const found: LooseChange[] = [];
  const of = (side: Side, name: string) =>
    side.tables.entries.filter((e) => e.owner === null && e.table.section === name);
  const names = new Set(
    [orig, patched].flatMap((s) => s.tables.entries.filter((e) => e.owner === null).map((e) => e.table.section)),
  );
  for (const section of names) {
    const [a, b] = [of(orig, section), of(patched, section)];
    const isSame =
      a.length === b.length &&
      a.every((e, i) => {
        const other = b[i];
        return other !== undefined && comparison.entryDifference(e, other) === null;
      });
    if (isSame) continue;
    const why = "entries that belong to no function differ";
    found.push({ section, orig: a[0]?.section ?? null, patched: b[0]?.section ?? null, why });
  }
  return found;
}

/** Whether a piece of code without a name is fill. */
function isFill(unit: Unit, item: Item): boolean {
  const { bytes, references } = itemContent(unit, item);
  if (references.length > 0) return false;
  if (bytes.length === 0) return true;
  if (bytes.every((b) => b === 0)) return true;
  for (let at = 0; at < bytes.length; ) {
    const fill = unit.kinds[item.section] === "text" ? unit.arch.code.fillAt(bytes, at, bytes.length) : 0;
    if (fill === 0) return false;
    at += fill;
  }
  return true;
}
