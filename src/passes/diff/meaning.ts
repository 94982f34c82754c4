// What of a change a comparison of code does not show: types, callers elsewhere, exports, per-CPU data, stacks.

import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { itemContent } from "../../diff/canon/content.ts";
import { mayMention, mentioners } from "../../diff/canon/mentions.ts";
import { parentOfCold } from "../../diff/canon/names.ts";
import { itemIn } from "../../diff/canon/targets.ts";
import type { Item } from "../../diff/canon/unit.ts";
import type { Side } from "../../diff/compare/compare.ts";
import type { Change, Diff } from "../../diff/diff.ts";
import { compareExports, exportsOf } from "../../diff/meaning/exports.ts";
import { compareTypes, type LayoutChange, type TypeChanges } from "../../diff/meaning/layouts.ts";
import { alwaysOnStack, blacklisted } from "../../diff/meaning/onStack.ts";
import { signatureChange } from "../../diff/meaning/signatures.ts";
import type { Declared, TypeTable } from "../../elf/typeTable.ts";

export interface Meaning {
  /** What the types came from; null: the two objects do not tell, so nothing is said of them. */
  readonly types: { readonly source: TypeTable["source"]; readonly changes: TypeChanges } | null;
  readonly problems: readonly Problem[];
}

/** @param types of the original and of the patched object */
export function meaningOf(diff: Diff, types: readonly [TypeTable | null, TypeTable | null]): Meaning {
  const [before, after] = types;
  const problems = [...exportProblems(diff), ...stackProblems(diff), ...perCpuProblems(diff), ...addressProblems(diff)];
  if (before === null || after === null) return { types: null, problems };
  const changes = compareTypes(before, after);
  return {
    types: { source: after.source, changes },
    problems: [...typeProblems(diff, changes, after), ...signatureProblems(diff, before, after), ...problems],
  };
}

const at = ({ unit }: Side, item: Item, declared: Declared | null = null): Place => ({
  file: unit.path,
  section: unit.sectionName(item),
  offset: item.entry,
  ...sourceOf(declared),
});

const sourceOf = (declared: Declared | null): Pick<Place, "source"> =>
  declared === null ? {} : { source: [{ ...declared, column: 0, function: null }] };

function typeProblems(diff: Diff, { layouts, values }: TypeChanges, table: TypeTable): Problem[] {
  const problems: Problem[] = [];
  const file = diff.patched.unit.path;
  for (const change of layouts) {
    const { name, scope, sizes, members, isGrowth, declared } = change;
    const holders = change.holders.flatMap((key) => table.aggregates.get(key)?.name ?? []);
    const data = { name, scope, sizes, members, isGrowth, holders, ...usersOf(diff, change, table) };
    problems.push(problem("KLP725", { file, ...sourceOf(declared) }, data));
  }
  for (const { of, values: list, declared } of values)
    problems.push(problem("KLP726", { file, ...sourceOf(declared) }, { of, values: list }));
  return problems;
}

/** Functions of the object that use a struct, or one that holds it. */
function usersOf(
  diff: Diff,
  { key, holders }: LayoutChange,
  { uses, variables }: TypeTable,
): { changed: string[]; unchanged: string[] } {
  const keys = [key, ...holders];
  const has = (found: ReadonlySet<string> | undefined): boolean => keys.some((k) => found?.has(k) === true);
  const found = { changed: [] as string[], unchanged: [] as string[] };
  const { unit } = diff.patched;
  const holding = unit.items.filter((i) => i.kind === "object" && has(variables.get(i.name)));
  const sections = new Set(holding.map((i) => i.section));
  for (const { name, patched, status } of diff.functions) {
    if (patched === null) continue;
    const isUser =
      has(uses.get(name)) ||
      (mayMention(unit, patched, sections) &&
        itemContent(unit, patched).references.some((r) => {
          const item = itemIn(r.target);
          return item?.kind === "object" && has(variables.get(item.name));
        }));
    if (isUser) found[status === "same" ? "unchanged" : "changed"].push(name);
  }
  return found;
}

const changed = (diff: Diff): (Change & { patched: Item; orig: Item })[] =>
  diff.functions.flatMap((c) =>
    c.status === "changed" && c.orig !== null && c.patched !== null && !c.patched.isInit
      ? [{ ...c, orig: c.orig, patched: c.patched }]
      : [],
  );

function signatureProblems(diff: Diff, before: TypeTable, after: TypeTable): Problem[] {
  const problems: Problem[] = [];
  const exported = exportsOf(diff.orig.unit);
  for (const { name, orig, patched } of changed(diff)) {
    const change = signatureChange(name, before, after);
    if (change === null) continue;
    const { before: one, after: other, declared } = change;
    const place = at(diff.patched, patched, declared);
    if (exported.has(name)) problems.push(problem("KLP727", place, { name, before: one, after: other }));
    else if (!orig.isLocal || isHandedOut(diff.patched, patched) || isHandedOut(diff.orig, orig))
      problems.push(problem("KLP728", place, { name, before: one, after: other, isLocal: orig.isLocal }));
  }
  return problems;
}

/** Whether something else than a call refers to a function. */
const isHandedOut = (side: Side, item: Item): boolean => giverOf(side, item) !== null;

/** What hands out the address of a function first; null: nothing. */
function giverOf({ unit }: Side, item: Item): Item | null {
  const sections = new Set([item.section]);
  const found = mentioners(unit, sections).find(
    (user) =>
      user !== item &&
      !/^(?:__patchable|__mcount_loc|\.discard|_kprobe_blacklist)/.test(unit.sectionName(user)) &&
      itemContent(unit, user).references.some(
        (r) => !r.isBranch && itemIn(r.target) === item && "distance" in r.target && r.target.distance === 0,
      ),
  );
  return found ?? null;
}

/** New functions whose address goes where a livepatch does not reach. */
function addressProblems(diff: Diff): Problem[] {
  return diff.functions.flatMap(({ name, status, patched }) => {
    if (status !== "new" || patched === null || patched.isInit || parentOfCold(name) !== null) return [];
    const giver = giverOf(diff.patched, patched);
    if (giver === null || giver.isInit) return [];
    return [problem("KLP735", at(diff.patched, patched), { name, by: giver.name })];
  });
}

function exportProblems(diff: Diff): Problem[] {
  return compareExports(diff.orig.unit, diff.patched.unit).map(({ name, what, checksums, section }) => {
    const side = what === "gone" ? diff.orig : diff.patched;
    const item = side.unit.items.find((i) => i.name === name && !i.isLocal);
    const place = item === undefined ? { file: side.unit.path, section, offset: 0 } : at(side, item);
    return problem("KLP729", place, { name, what, checksums });
  });
}

function stackProblems(diff: Diff): Problem[] {
  const problems: Problem[] = [];
  const list = changed(diff);
  if (list.length === 0) return [];
  // What the running kernel's threads and callers do counts, so the original tells.
  const stacks = alwaysOnStack(
    diff.orig,
    list.map((c) => c.orig),
  );
  const black = blacklisted(diff.orig);
  for (const { name, orig, patched } of list) {
    const found = stacks.get(orig);
    if (found !== undefined) problems.push(problem("KLP731", at(diff.patched, patched), { name, ...found }));
    if (black.has(orig)) problems.push(problem("KLP732", at(diff.patched, patched), { name }));
  }
  return problems;
}

function perCpuProblems(diff: Diff): Problem[] {
  return diff.data.flatMap(({ name, status, patched }) => {
    if (status !== "new" || patched === null || !/^\.data\.?\.percpu/.test(diff.patched.unit.sectionName(patched)))
      return [];
    const data = { name, bytes: patched.symbolEnd - patched.entry, isLocal: patched.isLocal };
    return [problem("KLP730", at(diff.patched, patched), data)];
  });
}
