// Patch sites of a file: tables and code held against each other, and the reason where a function has none.

import { firstIndex } from "../base/search.ts";
import { kernelMachines } from "../kernel/machines.ts";
import type { CodeFile, CodePlace } from "./codeFile.ts";
import { type Build, type FunctionEntry, forms, placeKey, type SiteRules } from "./forms.ts";
import type { CodeFunction } from "./functions.ts";
import { readTables, type SiteTableEntry, type SiteTables } from "./tables.ts";

/** Why ftrace has no usable site for a function. */
export const reasons = {
  cold: "a part split off by the compiler, entered by a jump",
  section: "its section is excluded from tracing",
  label: "no function by its symbol type: assembler",
  none: "nothing at its entry: notrace, or written in assembler",
  notrace: "notrace: compiled without a profiling call",
  assembler: "written in assembler",
  nops: "nops at its entry that no table names: notrace, a jump label, or alignment",
  table: "its entry is in no table: recordmcount or objtool has not seen it",
  "no table": "the file has no table of sites: recordmcount or objtool has not run",
  form: "kernels with livepatch cannot use this form",
  before: "the table names nops in front of its entry, which no call executes",
  code: "the table names a place in it where there is no site",
} as const;
export type SiteReason = keyof typeof reasons;

/** A function with what is known of its site. */
export interface FunctionSite {
  readonly function: CodeFunction;
  readonly entry: FunctionEntry | null;
  /** The table entry that leads to the site; null if none does. */
  readonly record: SiteTableEntry | null;
  /** Null: the site is usable. */
  readonly reason: SiteReason | null;
  /** In a section that is freed after init. */
  readonly isInit: boolean;
}

export type Disagreement =
  | { readonly kind: "nowhere"; readonly record: SiteTableEntry }
  | { readonly kind: "twice"; readonly record: SiteTableEntry; readonly place: CodePlace }
  /** The table names a place that no function has its site at. */
  | {
      readonly kind: "no site";
      readonly record: SiteTableEntry;
      readonly place: CodePlace;
      readonly near: CodeFunction | null;
    }
  /** As above: nops that reach up to the first byte of `near`, and that no site there makes use of. */
  | { readonly kind: "before"; readonly record: SiteTableEntry; readonly place: CodePlace; readonly near: CodeFunction }
  /** As above, behind the end of the symbol before it: code of a weak function that another one overrides. */
  | {
      readonly kind: "overridden";
      readonly record: SiteTableEntry;
      readonly place: CodePlace;
      readonly near: CodeFunction;
    }
  /** A call to a profiling function at an entry that no table names. */
  | { readonly kind: "no record"; readonly function: CodeFunction; readonly entry: FunctionEntry };

export interface SiteReport {
  readonly tables: SiteTables;
  /** All functions, by section and offset. */
  readonly functions: readonly FunctionSite[];
  readonly disagreements: readonly Disagreement[];
  /** Each record that ftrace will have, by section and offset. */
  readonly records: readonly SiteRecord[];
}

/** rec->ip of a record. */
export interface SiteRecord extends CodePlace {
  /** Offset of what the table names, before the kernel adjusts it. */
  readonly named: number;
}

/** What a file's tables tell of its kernel's configuration. */
export const buildOf = (file: CodeFile, rules: SiteRules): Build => rules.build(file, readTables(file).entries);

/**
 * The function that begins right behind the nops at `place`: -fpatchable-function-entry=N,M puts M of them there, behind all
 * alignment. Null: there are none, something else follows, or they are a function's own.
 */
function behindNops(file: CodeFile, nop: number | null, { section, offset }: CodePlace): CodeFunction | null {
  if (nop === null) return null;
  const inside = file.functionAt(section, offset);
  if (inside?.isFunction && offset < inside.end) return null;
  const next = file.functionBehind(section, offset);
  let at = offset;
  while (next !== null && at < next.start && file.word(section, at) === nop) at += 4;
  return at === next?.start ? next : null;
}

/** Whether a section is freed after init. A kernel frees its own. */
const isFreed = (file: CodeFile, section: number): boolean =>
  file.sections.name(section).startsWith(".init") && (file.isLinked || kernelMachines[file.arch].freesInit);

const EXCLUDED = /^\.(?:noinstr\.text|entry\.text|head\.text|idmap\.text|irqentry\.text\.|hyp\.)/;

/** A record of a table, and where the kernel takes the site for. */
interface PlacedRecord {
  readonly record: SiteTableEntry;
  readonly place: CodePlace;
}

/** Finds all sites of a file. */
export function findSites(file: CodeFile, rules: SiteRules): SiteReport {
  const tables = readTables(file);
  const disagreements: Disagreement[] = [];
  const build = rules.build(file, tables.entries);
  const records = placeRecords(file, rules, tables, build, disagreements);
  const inTable = new Set(
    tables.entries.flatMap((e) => (e.place === null ? [] : [placeKey(e.place.section, e.place.offset)])),
  );
  const used = new Set<string>();
  const entries = file.functions.map((f) => {
    const entry = rules.recognise(file, f, inTable, build);
    const key = entry === null ? null : placeKey(f.section, entry.site);
    const record = key === null ? null : (records.get(key)?.record ?? null);
    if (record === null || key === null) return { function: f, entry, record };
    // A linker's label on nops in front of a function.
    if (!f.isFunction && record.place !== null && behindNops(file, rules.nop, record.place) !== null)
      return { function: f, entry, record: null };
    used.add(key);
    return { function: f, entry, record };
  });
  const orphans = [...records].flatMap(([key, placed]) => (used.has(key) ? [] : [orphanOf(file, rules, placed)]));
  for (const orphan of orphans) disagreements.push(orphan);
  const near = (kind: "before" | "no site"): Set<CodeFunction | null> =>
    new Set(orphans.flatMap((o) => (o.kind === kind ? [o.near] : [])));
  const [behind, within] = [near("before"), near("no site")];
  const functions = entries.map(({ function: f, entry, record }): FunctionSite => {
    const orphan = within.has(f) ? "within" : behind.has(f) ? "before" : null;
    const reason = reasonFor(file, { function: f, entry, record }, tables, orphan);
    if (entry?.isCall && record === null && reason === "table")
      disagreements.push({ kind: "no record", function: f, entry });
    return { function: f, entry, record, reason, isInit: isFreed(file, f.section) };
  });
  return {
    tables,
    functions,
    disagreements,
    records: [...records.values()]
      .map(({ record, place }) => ({ ...place, named: record.place?.offset ?? place.offset }))
      .sort((a, b) => a.section - b.section || a.offset - b.offset),
  };
}

/** The records by place; what is in none, or in one twice, is a disagreement. */
function placeRecords(
  file: CodeFile,
  rules: SiteRules,
  tables: SiteTables,
  build: Build,
  disagreements: Disagreement[],
): Map<string, PlacedRecord> {
  const records = new Map<string, PlacedRecord>();
  for (const record of tables.entries) {
    if (record.isZero) continue;
    const place = record.place === null ? null : rules.adjust(file, record, record.place, build);
    if (place === null) {
      disagreements.push({ kind: "nowhere", record });
      continue;
    }
    const key = placeKey(place.section, place.offset);
    if (records.has(key)) disagreements.push({ kind: "twice", record, place });
    else records.set(key, { record, place });
  }
  return records;
}

type Orphan = Disagreement & { readonly kind: "before" | "overridden" | "no site" };

/** What a record is that no function begins with. */
function orphanOf(file: CodeFile, rules: SiteRules, { record, place }: PlacedRecord): Orphan {
  // What the table says counts, not where the kernel's adjustment leads from there.
  const named = record.place ?? place;
  const next = behindNops(file, rules.nop, named);
  if (next !== null) return { kind: "before", record, place, near: next };
  const near = file.functionAt(place.section, place.offset);
  const isBehind = (f: CodeFunction | null, at: number): boolean => f !== null && at >= f.end;
  return near !== null &&
    isBehind(near, place.offset) &&
    isBehind(file.functionAt(named.section, named.offset), named.offset)
    ? { kind: "overridden", record, place, near }
    : { kind: "no site", record, place, near };
}

/** @param orphan where a record without a function of its own stands: within this one, or on the nops before it */
function reasonFor(
  file: CodeFile,
  { function: f, entry, record }: Pick<FunctionSite, "function" | "entry" | "record">,
  tables: SiteTables,
  orphan: "within" | "before" | null,
): SiteReason | null {
  if (entry !== null && record !== null) return forms[entry.form].usable ? null : "form";
  if (orphan === "within") return "code";
  if (entry !== null && !forms[entry.form].usable) return "form";
  if (entry?.isCall) return tables.names.length === 0 ? "no table" : "table";
  if (orphan === "before") return "before";
  if (/\.cold(?:\.\d+)?$/.test(f.name)) return "cold";
  if (EXCLUDED.test(file.sections.name(f.section))) return "section";
  if (!f.isFunction) return "label";
  return entry === null ? "none" : tables.names.length === 0 ? "no table" : "nops";
}

/** Bytes that a record covers when the kernel looks one up. */
export const siteSize = (file: CodeFile): number => kernelMachines[file.arch].siteSize;

/**
 * The record that the livepatch core finds for a function (ftrace_location): one at its first byte, else any up to the
 * next symbol. Null: "failed to find location for function".
 */
export function findRecord(file: CodeFile, report: SiteReport, f: CodeFunction): CodePlace | null {
  const size = siteSize(file);
  const next = Math.max(file.nextStart(f), f.start + 1);
  const first = firstIndex(report.records.length, (i) => {
    const r = report.records[i] as CodePlace;
    return r.section > f.section || (r.section === f.section && r.offset + size > f.start);
  });
  const found = report.records[first];
  if (found?.section !== f.section || found.offset >= next) return null;
  return { section: found.section, offset: found.offset };
}
