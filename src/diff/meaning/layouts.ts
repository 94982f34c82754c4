// Structs whose layout, and enumerators whose value, is another in the patched object: code and data that a livepatch leaves alone
// go on with the old ones.

import type { Work } from "../../base/work.ts";
import type { Aggregate, Declared, Enumerator, Member, TypeTable, TypeWord } from "../../elf/typeTable.ts";

/** A member on both sides, in words; null: it is not there. */
export interface MemberChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface LayoutChange {
  readonly key: string;
  readonly name: string;
  /** The function that declares it; null: the file. */
  readonly scope: string | null;
  /** Bytes, before and after. */
  readonly sizes: readonly [number, number];
  readonly members: readonly MemberChange[];
  /** Nothing moved: it only became larger. */
  readonly isGrowth: boolean;
  /** Structs that hold it and changed for no other reason, if at all; their keys. */
  readonly holders: readonly string[];
  readonly declared: Declared | null;
}

export interface ValueChange {
  /** Name of the enum; null: it has none. */
  readonly of: string | null;
  readonly values: readonly { readonly name: string; readonly before: number; readonly after: number }[];
  readonly declared: Declared | null;
}

export interface TypeChanges {
  readonly layouts: readonly LayoutChange[];
  readonly values: readonly ValueChange[];
}

const LOOKING = "looking for what holds a struct";

/** What differs of types that both objects have. @param work on the patched object @throws TooMuchWork */
export function compareTypes(orig: TypeTable, patched: TypeTable, work: Work): TypeChanges {
  const found = new Map<string, LayoutChange>();
  for (const [key, before] of orig.aggregates) {
    const after = patched.aggregates.get(key);
    const change = after === undefined ? null : compareAggregates(key, before, after);
    if (change !== null) found.set(key, change);
  }
  const holders = new Map<string, string[]>();
  for (const key of [...found.keys()]) {
    const cause = causeOf(key, orig, patched, found);
    if (cause === null) continue;
    const list = holders.get(cause);
    if (list === undefined) holders.set(cause, [key]);
    else list.push(key);
  }
  const derived = new Set([...holders.values()].flat());
  const layouts = [...found.values()].filter((c) => !derived.has(c.key));
  if (found.size > 0) addUnchanged(holders, orig, patched, found);
  return {
    layouts: layouts.map((c) => ({ ...c, holders: allHolders(c.key, holders, work) })),
    values: compareValues(orig.enumerators, patched.enumerators),
  };
}

/**
 * Adds structs that are as they were but for what is inside of a struct in them: its size is the same, or what it grew by was padding. Code that
 * uses them may reach into it.
 */
function addUnchanged(
  holders: Map<string, string[]>,
  orig: TypeTable,
  patched: TypeTable,
  found: ReadonlyMap<string, LayoutChange>,
): void {
  for (const [key, { members }] of patched.aggregates) {
    if (found.has(key) || !orig.aggregates.has(key)) continue;
    for (const held of new Set(members.map((m) => m.type.holds))) {
      if (held === null) continue;
      const list = holders.get(held);
      if (list === undefined) holders.set(held, [key]);
      else list.push(key);
    }
  }
}

function allHolders(key: string, holders: ReadonlyMap<string, readonly string[]>, work: Work): string[] {
  // A set gives out what is added to it meanwhile.
  const all = new Set(holders.get(key));
  for (const one of all) {
    const more = holders.get(one) ?? [];
    work.take(1 + more.length, LOOKING);
    for (const holder of more) all.add(holder);
  }
  return [...all];
}

/** `4`, `4 to 8 of bits`: where a member is. */
function placeText(m: Member): string {
  const at = Math.floor(m.at / 8);
  if (m.isBitField) return `${m.bits} bit${m.bits === 1 ? "" : "s"} at ${at}, bit ${m.at % 8}`;
  const bytes = m.bits === null ? "" : `, ${m.bits / 8} byte${m.bits === 8 ? "" : "s"}`;
  return `at ${at}${bytes}`;
}

/** What a member holds, as far as reading the bytes of another form for it would matter. */
const formOf = ({ kind, word }: TypeWord): string =>
  kind === "enum" ? "integer" : kind === "struct" || kind === "union" ? word : kind === "array" ? "array" : kind;

const samePlace = (a: Member, b: Member): boolean =>
  a.at === b.at && a.bits === b.bits && a.isBitField === b.isBitField;
const isSame = (a: Member, b: Member): boolean =>
  samePlace(a, b) && (formOf(a.type) === formOf(b.type) || a.type.kind === "unknown" || b.type.kind === "unknown");

const overlaps = (a: Member, b: Member): boolean => a.at < b.at + (b.bits ?? 0) && b.at < a.at + (a.bits ?? 0);

function compareAggregates(key: string, before: Aggregate, after: Aggregate): LayoutChange | null {
  const old = new Map(before.members.map((m) => [m.path, m]));
  const now = new Map(after.members.map((m) => [m.path, m]));
  const members: MemberChange[] = [];
  for (const [path, m] of old) {
    const n = now.get(path);
    if (n === undefined || isSame(m, n)) continue;
    const words = samePlace(m, n) ? [m.type.word, n.type.word] : [placeText(m), placeText(n)];
    members.push({ path, before: words[0] ?? "", after: words[1] ?? "" });
  }
  const gone = before.members.filter((m) => !now.has(m.path));
  for (const m of after.members) {
    if (old.has(m.path)) continue;
    // One that only has another name says nothing; neither does one in a place that nothing had.
    const under = gone.filter((g) => overlaps(g, m));
    const [only] = under;
    if (under.length === 0 || (under.length === 1 && only !== undefined && isSame(only, m))) continue;
    members.push({ path: m.path, before: null, after: placeText(m) });
    for (const g of under) {
      if (!members.some((c) => c.path === g.path)) members.push({ path: g.path, before: placeText(g), after: null });
    }
  }
  if (members.length === 0 && before.size === after.size) return null;
  const isGrowth = members.length === 0 && after.size > before.size;
  if (members.length === 0) {
    for (const m of isGrowth ? after.members : before.members) {
      const other = isGrowth ? old : now;
      if (other.has(m.path)) continue;
      members.push({ path: m.path, before: isGrowth ? null : placeText(m), after: isGrowth ? placeText(m) : null });
    }
  }
  const sizes = [before.size, after.size] as const;
  const { name, scope } = after;
  return { key, name, scope, sizes, members, isGrowth, holders: [], declared: after.declared };
}

/** The struct in it that another layout of a struct follows from alone; null: it changed of itself. */
function causeOf(
  key: string,
  orig: TypeTable,
  patched: TypeTable,
  found: ReadonlyMap<string, LayoutChange>,
): string | null {
  const [before, after] = [orig.aggregates.get(key)?.members ?? [], patched.aggregates.get(key)?.members ?? []];
  if (before.length !== after.length) return null;
  let cause: string | null = null;
  for (const [i, m] of before.entries()) {
    const n = after[i];
    if (n === undefined || m.path !== n.path || m.type.word !== n.type.word) return null;
    // Where it comes first it may differ in its size only.
    if (cause === null && m.at !== n.at) return null;
    const held = m.type.holds;
    if (cause === null && held !== null && held !== key && found.has(held)) cause = held;
    else if (cause === null && !samePlace(m, n)) return null;
  }
  return cause;
}

function compareValues(orig: ReadonlyMap<string, Enumerator>, patched: ReadonlyMap<string, Enumerator>): ValueChange[] {
  const groups = new Map<
    string,
    { of: string | null; values: ValueChange["values"][number][]; declared: Declared | null }
  >();
  for (const [key, before] of orig) {
    const after = patched.get(key);
    if (after === undefined || after.value === before.value) continue;
    const { declared } = after;
    const group = after.of ?? `${declared?.file}:${declared?.line}`;
    const known = groups.get(group) ?? { of: after.of, values: [], declared };
    groups.set(group, known);
    known.values.push({ name: key.slice(key.lastIndexOf(":") + 1), before: before.value, after: after.value });
  }
  return [...groups.values()];
}
