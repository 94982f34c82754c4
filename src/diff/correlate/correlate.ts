// Which item of the original is which of the patched object.

import { sameBytes } from "../../base/bytes.ts";
import { type Content, itemContent } from "../canon/content.ts";
import { canonicalName } from "../canon/names.ts";
import type { Item, Unit } from "../canon/unit.ts";
import { matchFiles } from "./files.ts";
import { isAlike, pairStatics, type StaticsResult } from "./statics.ts";

export interface Correlation extends StaticsResult {
  /** Items of the original and their counterparts in the patched object. */
  readonly twins: Map<Item, Item>;
  /** The other way round. */
  readonly back: Map<Item, Item>;
}

/**
 * Pairs the items of two objects: by name where names are certain, functions with compilers' numbers by content and order,
 * numbered variables by the references to them (statics.ts).
 * @param stated pairs of variables that were given, names of the original and of the patched object
 */
export function correlate(orig: Unit, patched: Unit, stated: readonly (readonly [string, string])[]): Correlation {
  const twins = new Map<Item, Item>();
  const back = new Map<Item, Item>();
  const pair = (a: Item, b: Item): void => {
    if (twins.has(a) || back.has(b)) return;
    // The kernel has freed its init code: what is none any more is new to it.
    if (a.kind === "function" && a.isInit && !b.isInit) return;
    twins.set(a, b);
    back.set(b, a);
  };
  const files = matchFiles(orig.files, patched.files);
  pairByName(orig, patched, files, pair);
  pairNamesakes(orig, patched, { twins, back, pair });
  const left = (unit: Unit, known: ReadonlyMap<Item, Item>): Item[] =>
    unit.items.filter((i) => i.kind === "function" && !known.has(i));
  // Copies of one name may come from several files; those of one file belong together.
  const inFiles = (list: readonly Item[]): Map<number, Item[]> => groupBy(list, (i) => i.file);
  const theirs = inFiles(left(patched, back));
  for (const [file, list] of inFiles(left(orig, twins)))
    pairCopies(orig, patched, list, theirs.get(files.get(file) ?? -1) ?? [], pair);
  // Those with a plain name are another file's: which, nothing tells.
  const copies = (list: readonly Item[]): Item[] => list.filter((i) => !isNamed(i));
  pairCopies(orig, patched, copies(left(orig, twins)), copies(left(patched, back)), pair);
  const statics = pairStatics(orig, patched, { twins, back, pair }, stated);
  return { twins, back, ...statics };
}

/** Whether a name says certainly which item is meant. */
function isNamed(item: Item): boolean {
  if (item.kind === "anonymous" || item.isByContent) return false;
  return item.kind === "function" ? canonicalName(item.name) === item.name : !item.isNumbered && !isClangStatic(item);
}

/** `f.cnt`: clang's name of a static variable of function f; a second one of the name is `f.cnt.1`. */
const isClangStatic = (item: Item): boolean => item.kind === "object" && item.isLocal && item.name.includes(".");

function groupBy<K>(list: readonly Item[], key: (item: Item) => K): Map<K, Item[]> {
  const groups = new Map<K, Item[]>();
  for (const item of list) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

function pairByName(
  orig: Unit,
  patched: Unit,
  files: ReadonlyMap<number, number>,
  pair: (a: Item, b: Item) => void,
): void {
  const globals = new Map<string, Item>();
  const locals = new Map<string, Item[]>();
  for (const item of patched.items) {
    if (!isNamed(item)) continue;
    if (!item.isLocal) globals.set(item.name, item);
    const list = locals.get(item.name);
    if (list === undefined) locals.set(item.name, [item]);
    else list.push(item);
  }
  const inFiles = new InFiles();
  const counts = new Map<string, number>();
  for (const item of orig.items) counts.set(item.name, (counts.get(item.name) ?? 0) + 1);
  for (const item of orig.items) {
    if (!isNamed(item)) continue;
    const global = item.isLocal ? undefined : globals.get(item.name);
    if (global !== undefined) {
      if (global.kind === item.kind) pair(item, global);
      continue;
    }
    const namesakes = locals.get(item.name) ?? [];
    orig.work.take(namesakes.length, "pairing what has one name");
    // Of one name in several files: that of the same file.
    const isOne = (i: Item): boolean => i.kind === item.kind;
    const inFile = inFiles.of(namesakes, files.get(item.file) ?? -1).filter(isOne);
    const only = onlyOne(inFile.length > 0 ? inFile : namesakes, isOne);
    if (only !== null && (counts.get(item.name) === 1 || inFile.length > 0)) pair(item, only);
  }
}

/** The only one of a list that passes; null: there is none, or there are several. */
function onlyOne(list: readonly Item[], passes: (item: Item) => boolean): Item | null {
  let found: Item | null = null;
  for (const item of list) {
    if (!passes(item)) continue;
    if (found !== null) return null;
    found = item;
  }
  return found;
}

/** Lists of items by their files: a name may be one of each file of a kernel. */
class InFiles {
  readonly #known = new Map<readonly Item[], Map<number, Item[]>>();

  of(list: readonly Item[], file: number): readonly Item[] {
    const known = this.#known.get(list) ?? groupBy(list, (i) => i.file);
    this.#known.set(list, known);
    return known.get(file) ?? [];
  }
}

/**
 * Functions and variables of one name in files that nothing tells apart: in order, where there are as many; variables where each is
 * like its counterpart besides.
 */
function pairNamesakes(
  orig: Unit,
  patched: Unit,
  { twins, back, pair }: Pick<Correlation, "twins" | "back"> & { pair: (a: Item, b: Item) => void },
): void {
  const groups = new Map<string, readonly [Item[], Item[]]>();
  for (const [side, unit] of [orig, patched].entries()) {
    for (const item of unit.items) {
      if (!item.isLocal || !isNamed(item) || twins.has(item) || back.has(item)) continue;
      const group = groups.get(`${item.kind} ${item.name}`) ?? [[], []];
      groups.set(`${item.kind} ${item.name}`, group);
      group[side as 0 | 1].push(item);
    }
  }
  for (const [mine, theirs] of groups.values()) {
    const isSure =
      mine.length === theirs.length &&
      mine.every((a, i) => a.kind === "function" || isAlike(orig, a, patched, theirs[i] as Item));
    if (mine.length > 1 && isSure) for (const [i, a] of mine.entries()) pair(a, theirs[i] as Item);
  }
}

/** Functions with roles or numbers: `sum.constprop.0`, `f.part.1`, `f.cold`. Of several candidates those of equal content first. */
function pairCopies(
  orig: Unit,
  patched: Unit,
  a: readonly Item[],
  b: readonly Item[],
  pair: (a: Item, b: Item) => void,
): void {
  const groups = new Map<string, Item[]>();
  for (const item of b) {
    const list = groups.get(item.canonical);
    if (list === undefined) groups.set(item.canonical, [item]);
    else list.push(item);
  }
  const counts = new Map<string, number>();
  for (const item of a) counts.set(item.canonical, (counts.get(item.canonical) ?? 0) + 1);
  const contents = new Map<Item, Content>();
  const contentOf = (unit: Unit, item: Item): Content => {
    const known = contents.get(item) ?? itemContent(unit, item);
    contents.set(item, known);
    return known;
  };
  const taken = new Set<Item>();
  const waiting: Item[] = [];
  for (const item of a) {
    const group = groups.get(item.canonical) ?? [];
    const [first] = group;
    if (group.length === 1 && counts.get(item.canonical) === 1 && first !== undefined) {
      pair(item, first);
      continue;
    }
    orig.work.take(group.length, "pairing copies of functions");
    const candidates = group.filter((c) => !taken.has(c));
    const like = candidates.find((c) => {
      const [x, y] = [contentOf(orig, item), contentOf(patched, c)];
      orig.work.take(x.bytes.length + x.references.length, "pairing copies of functions");
      return looksAlike(x, y);
    });
    if (like === undefined) {
      waiting.push(item);
      continue;
    }
    taken.add(like);
    pair(item, like);
  }
  const waitingOf = groupBy(waiting, (w) => w.canonical);
  for (const item of waiting) {
    const same = waitingOf.get(item.canonical) ?? [];
    orig.work.take(same.length + (groups.get(item.canonical)?.length ?? 0), "pairing copies of functions");
    const rest = (groups.get(item.canonical) ?? []).filter((c) => !taken.has(c));
    // In order, and only where there are as many left on both sides.
    const others = same.filter((w) => !taken.has(w));
    const [first] = rest;
    if (first === undefined || rest.length !== others.length) continue;
    taken.add(first);
    taken.add(item);
    pair(item, first);
  }
}

function looksAlike(x: Content, y: Content): boolean {
  return (
    sameBytes(x.bytes, y.bytes) &&
    x.references.length === y.references.length &&
    x.references.every((r, i) => r.at === y.references[i]?.at && r.type === y.references[i]?.type)
  );
}
