// What of a change a comparison of code does not show: types, callers elsewhere, exports, per-CPU data, stacks.

import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { itemContent } from "../../diff/canon/content.ts";
import { mayMention, mentioned, mentioners } from "../../diff/canon/mentions.ts";
import { parentOfCold } from "../../diff/canon/names.ts";
import { itemIn } from "../../diff/canon/targets.ts";
import type { Item } from "../../diff/canon/unit.ts";
import type { Side } from "../../diff/compare/compare.ts";
import type { Change, Diff } from "../../diff/diff.ts";
import { compareExports, exportsOf } from "../../diff/meaning/exports.ts";
import { alwaysOnStack, blacklisted } from "../../diff/meaning/onStack.ts";
import { registrationChanges } from "../../diff/meaning/registrations.ts";
import type { Declared } from "../../elf/typeTable.ts";
import type { GatheredTypes, UsedLayout } from "./typeChanges.ts";

export interface Meaning {
  /** What the types came from; null: the two objects do not tell, so nothing is said of them. */
  readonly types: GatheredTypes | null;
  readonly problems: readonly Problem[];
}

/** @param types what of them is another; null: the objects do not tell */
export function meaningOf(diff: Diff, types: GatheredTypes | null): Meaning {
  const problems = [...stackProblems(diff), ...perCpuProblems(diff), ...addressProblems(diff)];
  if (types === null) return { types: null, problems };
  return { types, problems: [...typeProblems(diff, types), ...signatureProblems(diff, types), ...problems] };
}

/** What the objects announce to others, which may be all that changed. */
export function announcedProblems(diff: Diff): Problem[] {
  const registered = registrationChanges(diff).map(({ section, entries, isNew }) => {
    const { unit } = isNew ? diff.patched : diff.orig;
    return problem("KLP738", { file: unit.path, section, offset: 0 }, { section, entries });
  });
  return [...exportProblems(diff), ...registered];
}

const at = ({ unit }: Side, item: Item, declared: Declared | null = null): Place => ({
  file: unit.path,
  section: unit.sectionName(item),
  offset: item.entry,
  ...sourceOf(declared),
});

const sourceOf = (declared: Declared | null): Pick<Place, "source"> =>
  declared === null ? {} : { source: [{ ...declared, column: 0, function: null }] };

function typeProblems(diff: Diff, { layouts, values }: GatheredTypes): Problem[] {
  const problems: Problem[] = [];
  const file = diff.patched.unit.path;
  for (const change of layouts) {
    const { name, scope, sizes, members, isGrowth, declared } = change;
    const data = { name, scope, sizes, members, isGrowth, holders: change.holderNames, ...usersOf(diff, change) };
    problems.push(problem("KLP725", { file, ...sourceOf(declared) }, data));
  }
  for (const { of, values: list, declared } of values)
    problems.push(problem("KLP726", { file, ...sourceOf(declared) }, { of, values: list }));
  return problems;
}

/** Functions of the object that use a struct, or one that holds it. */
function usersOf(diff: Diff, { functions, variables }: UsedLayout): { changed: string[]; unchanged: string[] } {
  const found = { changed: [] as string[], unchanged: [] as string[] };
  const { unit } = diff.patched;
  const holding = new Set(unit.items.filter((i) => i.kind === "object" && variables.has(i.name)));
  const sections = new Set([...holding].map((i) => i.section));
  const isOf = (item: Item, files: ReadonlySet<string | null> | undefined): boolean =>
    files !== undefined && (files.has(null) || item.file === 0 || files.has(unit.files[item.file - 1] ?? null));
  const isUser = (name: string, patched: Item): boolean =>
    // Debug information has no suffixes of copies.
    isOf(patched, functions.get(name) ?? functions.get(name.split(".")[0] ?? name)) ||
    (mayMention(unit, patched, sections) && mentioned(unit, patched).some(({ item }) => holding.has(item)));
  for (const { name, patched, status } of diff.functions) {
    if (patched !== null && isUser(name, patched)) found[status === "same" ? "unchanged" : "changed"].push(name);
  }
  return found;
}

const changed = (diff: Diff): (Change & { patched: Item; orig: Item })[] =>
  diff.functions.flatMap((c) =>
    c.status === "changed" && c.orig !== null && c.patched !== null && !c.patched.isInit
      ? [{ ...c, orig: c.orig, patched: c.patched }]
      : [],
  );

function signatureProblems(diff: Diff, { signatures }: GatheredTypes): Problem[] {
  const problems: Problem[] = [];
  const exported = exportsOf(diff.orig.unit);
  for (const { name, orig, patched } of changed(diff)) {
    const change = signatures.get(name);
    if (change === undefined) continue;
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
