// What an object announces once, when the kernel or the module starts: parameters, init functions, what modinfo tells, the functions that
// BPF may call. A livepatch announces nothing in their place, so a change there has no effect.

import { contentOf } from "../canon/content.ts";
import type { Unit } from "../canon/unit.ts";
import type { Diff } from "../diff.ts";

export interface RegistrationChange {
  readonly section: string;
  /** What differs in it, each with what became of it: `level changed`. */
  readonly entries: readonly string[];
  readonly isNew: boolean;
}

/** Sections of include/asm-generic/vmlinux.lds.h (6.1, 6.12, 7.2) that are never compared as data. */
const REGISTRATIONS = /^(?:__param|\.modinfo|\.(?:con_)?initcall[\w.]*|\.BTF_ids)$/;

interface Entry {
  readonly section: number;
  readonly start: number;
  readonly end: number;
}

/** How the registrations of two objects differ, by section. */
export function registrationChanges(diff: Diff): RegistrationChange[] {
  const [before, after] = [registrationsOf(diff.orig.unit), registrationsOf(diff.patched.unit)];
  const found: RegistrationChange[] = [];
  for (const section of new Set([...before.keys(), ...after.keys()])) {
    const [mine, theirs] = [before.get(section), after.get(section)];
    const entries: string[] = [];
    for (const [name, e] of mine ?? []) {
      const f = theirs?.get(name);
      if (f === undefined) entries.push(`${name} is gone`);
      else if (!isSameEntry(diff, e, f)) entries.push(`${name} changed`);
    }
    for (const name of theirs?.keys() ?? []) if (mine?.has(name) !== true) entries.push(`${name} is new`);
    if (entries.length > 0) found.push({ section, entries, isNew: theirs !== undefined });
  }
  return found;
}

/** By section, then by a name that is the same in every build. */
function registrationsOf(unit: Unit): Map<string, Map<string, Entry>> {
  const { sections } = unit.file;
  const found = new Map<string, Map<string, Entry>>();
  const places = new Map<number, Map<number, string>>();
  for (let section = 1; section < sections.count; section++) {
    const name = sections.name(section);
    if (!REGISTRATIONS.test(name) || sections.size(section) === 0) continue;
    const list = found.get(name) ?? new Map<string, Entry>();
    found.set(name, list);
    if (name === ".modinfo") addTexts(unit, section, list);
    else places.set(section, new Map());
  }
  if (places.size > 0) {
    for (let i = 1; i < unit.symbols.count; i++) {
      const starts = places.get(unit.symbols.sectionOf(i) ?? 0);
      const name = unit.symbols.name(i);
      if (starts === undefined || name === "" || name.startsWith("$")) continue;
      const at = unit.symbols.offset(i);
      // A list has a name beside that of its first entry.
      if (!starts.has(at) || name.startsWith("__BTF_ID__")) starts.set(at, name);
    }
  }
  for (const [section, starts] of places)
    addNamed(unit, section, starts, found.get(sections.name(section)) ?? new Map());
  return found;
}

function addTexts(unit: Unit, section: number, list: Map<string, Entry>): void {
  const data = unit.file.sections.data(section);
  for (const text of Buffer.from(data).toString("latin1").split("\0")) {
    if (text !== "") list.set(text, { section, start: 0, end: 0 });
  }
}

function addNamed(unit: Unit, section: number, starts: ReadonlyMap<number, string>, list: Map<string, Entry>): void {
  const sorted = [...starts].sort(([a], [b]) => a - b);
  const size = unit.file.sections.size(section);
  if ((sorted[0]?.[0] ?? size) > 0) sorted.unshift([0, ""]);
  const counts = new Map<string, number>();
  for (const [i, [start, symbol]] of sorted.entries()) {
    const name = plainEntry(symbol);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    list.set(count === 0 ? name : `${name} (${count + 1})`, { section, start, end: sorted[i + 1]?.[0] ?? size });
  }
}

/** Without the numbers that __COUNTER__ and __LINE__ put into it. */
const plainEntry = (symbol: string): string =>
  symbol === ""
    ? "what has no name"
    : symbol
        .replace(/^__initcall__kmod_(.+?)__\d+_\d+_/, "")
        .replace(/^__initcall_/, "")
        .replace(/^__param_/, "")
        .replace(/^__BTF_ID__(.+?)(?:__\d+)?$/, "$1");

function isSameEntry({ orig, patched, comparison }: Diff, e: Entry, f: Entry): boolean {
  const [x, y] = [
    contentOf(orig.unit, e.section, e.start, e.end, false),
    contentOf(patched.unit, f.section, f.start, f.end, false),
  ];
  return (
    Buffer.compare(x.bytes, y.bytes) === 0 &&
    x.references.length === y.references.length &&
    x.references.every((r, i) => {
      const s = y.references[i];
      return (
        s !== undefined && r.at === s.at && r.type === s.type && comparison.sameTarget(r.target, s.target, new Map())
      );
    })
  );
}
