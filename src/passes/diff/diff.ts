// The diff pass: two objects of one translation unit, before and after a patch, compared.

import type { Arch } from "../../arch/index.ts";
import type { WorkPool } from "../../base/work.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import type { Item } from "../../diff/canon/unit.ts";
import { Unit } from "../../diff/canon/unit.ts";
import type { Difference, Side } from "../../diff/compare/compare.ts";
import { isSameWhenLoaded } from "../../diff/compare/loaded.ts";
import { OwnedTables, type ToldSizes } from "../../diff/compare/ownedTables.ts";
import { type Change, type Diff, type DiffOptions, diffUnits } from "../../diff/diff.ts";
import { type Extract, type ExtractOptions, extract, type TakenPart } from "../../diff/extract.ts";
import { type Graph, graphOf } from "../../diff/take/graph.ts";
import { include } from "../../diff/take/include.ts";
import { ElfError } from "../../elf/error.ts";
import { readElf } from "../../elf/reader.ts";
import { EHDR } from "../../elf/views/layout.ts";
import type { SectionBytes } from "../../elf/views/sectionBytes.ts";
import { NewObject } from "../../elf/writer/newObject.ts";
import { CodeFile } from "../../ftrace/codeFile.ts";
import { findSites, reasons } from "../../ftrace/sites.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  inProportion,
  inProportionNow,
  noSymbols,
  read,
  refuseOtherMachine,
  supportedArch,
  Unusable,
} from "../input.ts";
import { openFile, type Subject } from "../open.ts";
import { leftOutProblems } from "../problems/leftOut.ts";
import { toldSizes, withTables } from "./entrySizes.ts";
import { announcedProblems, type Meaning, meaningOf } from "./meaning.ts";
import { typeChanges } from "./typeChanges.ts";

export interface DiffInput {
  readonly bytes: Uint8Array;
  /** Name for messages. */
  readonly path: string;
  /** Sections whose bytes are still in the file; null: none. */
  readonly apart?: ReadonlyMap<number, SectionBytes> | null;
}

export interface DiffPassOptions extends DiffOptions {
  /** Its types tell how large entries of tables are. */
  readonly kernel?: Kernel | null;
  /** Bytes of an entry, by section. */
  readonly entrySizes?: ReadonlyMap<string, number>;
  /** Steps that many pairs of one run share. */
  readonly pool?: WorkPool;
}

export interface DiffResult {
  readonly diff: Diff;
  readonly orig: Subject;
  readonly patched: Subject;
  readonly problems: readonly Problem[];
  /** What of types and of the world outside changed; null where no function did, nor anything else. */
  readonly meaning: Meaning | null;
  /** Whether a livepatch has nothing to do: no function changed, and none of what cannot be patched did. */
  readonly isEmpty: boolean;
}

/**
 * @param orig null: the patched object is of a new source file
 * @throws Unusable if a file cannot be read, or the two do not belong together: KLP101, KLP102, KLP106, KLP107, KLP704, KLP724;
 *   KLP127 if comparing them takes work out of proportion
 */
export function diffObjects(
  orig: DiffInput | null,
  patched: DiffInput,
  options: DiffPassOptions = {},
): Promise<DiffResult> {
  return inProportion(() => compared(orig, patched, options));
}

async function compared(orig: DiffInput | null, patched: DiffInput, options: DiffPassOptions): Promise<DiffResult> {
  const other = open(patched);
  const one = orig === null ? nothingBeside(other) : open(orig);
  refuseMixture(one, other);
  const { kernel = null, entrySizes = new Map() } = options;
  const sizes = await toldSizes(one.arch, kernel, entrySizes);
  const arch = withTables(one.arch, entrySizes);
  const { pool } = options;
  const sides = [await sideOf(one, arch, sizes, pool), await sideOf(other, arch, sizes, pool)] as const;
  const diff = diffUnits(sides[0], sides[1], options);
  const isChanged = (c: Change): boolean => c.status === "changed" || c.status === "new";
  const isEmpty =
    !diff.functions.some((c) => isChanged(c) || c.status === "removed") &&
    !diff.data.some((c) => c.status === "changed" || (c.status === "new" && c.patched?.isLocal === false)) &&
    diff.loose.length === 0 &&
    !diff.moved.some((m) => !m.isInit) &&
    diff.annotations.callbacks.size === 0;
  const meaning = isEmpty ? null : meaningOf(diff, await typeChanges(one.file, other.file, diff.patched.unit.work));
  const problems = [
    ...problemsOf(diff),
    ...announcedProblems(diff),
    ...(meaning?.problems ?? []),
    ...[one, other].flatMap(({ file, path }) => leftOutProblems(file, path)),
  ];
  return { diff, orig: one, patched: other, problems, meaning, isEmpty };
}

export interface ExtractInput extends ExtractOptions {
  readonly kernel: Kernel;
  /** `vmlinux`, or the module that the objects belong to. */
  readonly object: string;
}

/** A diff object of one pair. */
export type OneExtract = Extract & Pick<TakenPart, "inclusion" | "replaced" | "told">;

/**
 * Takes what changed out into a diff object.
 * @throws Unusable KLP111 if the kernel is of another architecture
 */
export function extractDiff(result: DiffResult, { kernel, object, ...options }: ExtractInput): OneExtract {
  const taken = extractDiffs([{ result, object }], kernel, options);
  const [{ inclusion, replaced, told }] = taken.parts as [TakenPart];
  return { ...taken, inclusion, replaced, told };
}

/** One pair of files, and the object of the kernel that it is a part of. */
export interface OwnedResult {
  readonly result: DiffResult;
  /** `vmlinux`, or a module's name. */
  readonly object: string;
}

/**
 * Takes what changed in several pairs out into one diff object.
 * @throws Unusable KLP111 if the kernel is of another architecture; KLP704 if the pairs are of several
 */
export function extractDiffs(pairs: readonly OwnedResult[], kernel: Kernel, options: ExtractOptions = {}): Extract {
  const parts = pairs.map(({ result, object }) => {
    refuseOtherMachine(result.patched.path, result.patched.arch.machine, kernel.machines);
    refuseMixture((pairs[0] as OwnedResult).result.patched, result.patched);
    return { diff: result.diff, object, siteOf: siteFinder(result.orig) };
  });
  return inProportionNow(() => extract(parts, kernel, options));
}

/** What a livepatch takes along of each pair; what it needs of the kernel is not asked for. */
export const graphOfResults = (results: readonly DiffResult[]): Graph =>
  inProportionNow(() =>
    graphOf(results.map(({ diff, orig }) => ({ side: diff.patched, inclusion: include(diff, siteFinder(orig)) }))),
  );

/** @throws Unusable KLP704 unless both files are for one architecture and ABI */
function refuseMixture(one: Subject, other: Subject): void {
  if (one.arch === other.arch && one.file.header.flags === other.file.header.flags) return;
  const data = { orig: one.arch.name, patched: other.arch.name };
  throw new Unusable(problem("KLP704", { file: other.path, fileOffset: EHDR.machine }, data));
}

/** Why ftrace cannot patch a function of an object; what recordmcount or objtool have still to do is not a reason. */
function siteFinder(subject: Subject): (item: Item) => string | null {
  const report = findSites(new CodeFile(subject.file, subject.arch.name), subject.arch.sites);
  const found = new Map(report.functions.map((f) => [`${f.function.section}+${f.function.start}`, f]));
  return (item) => {
    const site = found.get(`${item.section}+${item.entry}`);
    if (site === undefined) return "no function begins there";
    const isLater = (site.reason === "table" || site.reason === "no table") && site.entry?.isCall === true;
    return site.reason === null || isLater ? null : reasons[site.reason];
  };
}

/** An object without content, of the same machine. */
function nothingBeside({ file, path }: Subject): Subject {
  const bytes = new NewObject().build(file.header.machine, file.header.flags, file.littleEndian);
  return openFile(read(bytes, path), path);
}

/** Whether a kernel loads the same of two object files, so that there is nothing to compare. Files that cannot be read are not the same. */
export function isSameObject(orig: Uint8Array, patched: Uint8Array): boolean {
  try {
    return isSameWhenLoaded(readElf(orig), readElf(patched));
  } catch (error) {
    if (error instanceof ElfError) return false;
    throw error;
  }
}

/** The first bytes of LLVM's intermediate code, which LTO builds have in place of objects. */
const BITCODE = [0x42, 0x43, 0xc0, 0xde];

function open({ bytes, path, apart = null }: DiffInput): Subject {
  if (BITCODE.every((byte, i) => bytes[i] === byte)) throw new Unusable(problem("KLP724", { file: path }, {}));
  const file = read(bytes, path, apart);
  supportedArch(file.header.machine, file.littleEndian, path);
  if (file.symbols === null) throw noSymbols(path, file.symbolTables.size > 0, null);
  return openFile(file, path);
}

/** Bytes of .debug_info beyond which lines are read a source file at a time: of most files nothing is asked. */
const MOST_AT_ONCE = 16 << 20;

async function sideOf(subject: Subject, arch: Arch, sizes: ToldSizes, pool?: WorkPool): Promise<Side> {
  const unit = new Unit(subject.path, subject.file, arch, subject.symbols, pool);
  const source = await subject.source(MOST_AT_ONCE);
  const lineOf = source.hasLines
    ? (section: number, offset: number): number | null => source.find(section, offset)?.[0]?.line ?? null
    : null;
  return { unit, tables: new OwnedTables(unit, sizes), lineOf };
}

function problemsOf(diff: Diff): Problem[] {
  const problems: Problem[] = [...diff.annotations.problems];
  const told = new Set<string>();
  for (const side of [diff.orig, diff.patched]) {
    for (const { section, why } of side.tables.unknown) {
      const name = side.unit.file.sections.name(section);
      if (told.has(name)) continue;
      told.add(name);
      problems.push(problem("KLP703", { file: side.unit.path, section: name, offset: 0 }, { section: name, why }));
    }
  }
  for (const side of [diff.orig, diff.patched]) {
    for (const { section, sizes } of side.tables.contradictions) {
      const name = side.unit.file.sections.name(section);
      if (told.has(name)) continue;
      told.add(name);
      problems.push(problem("KLP734", { file: side.unit.path, section: name, offset: 0 }, { section: name, sizes }));
    }
  }
  for (const pair of diff.correlation.wrongPairs)
    problems.push(problem("KLP705", { file: diff.patched.unit.path }, { pair }));
  for (const change of diff.functions) {
    if (change.status !== "changed" || change.patched?.isInit !== true || change.difference === null) continue;
    const data = { name: change.name, what: change.difference.what, detail: change.difference.detail };
    problems.push(problem("KLP706", placeOf(diff.patched, change, change.difference), data));
  }
  for (const change of diff.data) {
    if (change.status !== "changed" || change.difference === null) continue;
    const data = { name: change.name, what: change.difference.what, detail: change.difference.detail };
    const isInit = change.patched?.isInit === true && change.orig?.isInit === true;
    problems.push(problem(isInit ? "KLP706" : "KLP701", placeOf(diff.patched, change, change.difference), data));
  }
  for (const { section, patched, orig, why } of diff.loose) {
    const side = patched === null ? diff.orig : diff.patched;
    const at = { file: side.unit.path, section, offset: 0 };
    const isInit = /^\.(?:init|exit)/.test(section);
    if (isInit) problems.push(problem("KLP706", at, { name: section, what: "place", detail: why }));
    else problems.push(problem("KLP707", at, { section, why, inOrig: orig !== null }));
  }
  for (const { name, before, after, patched, isInit } of diff.moved) {
    const { unit } = diff.patched;
    const at =
      patched === null
        ? { file: unit.path }
        : { file: unit.path, section: unit.sectionName(patched), offset: patched.entry };
    problems.push(
      isInit
        ? problem("KLP706", at, { name, what: "place", detail: `${before}, then ${after}` })
        : problem("KLP737", at, { name, before, after }),
    );
  }
  for (const { item, users, candidates } of diff.correlation.lost) {
    const names = (list: readonly Item[]): string[] => list.map((i) => i.name);
    const at = { file: diff.orig.unit.path, section: diff.orig.unit.sectionName(item), offset: item.entry };
    problems.push(problem("KLP702", at, { name: item.name, users: names(users), candidates: names(candidates) }));
  }
  return problems;
}

function placeOf(side: Side, change: Change, difference: Difference): Place {
  const { patched } = change;
  const place = difference.patched ?? (patched === null ? null : { section: patched.section, offset: patched.entry });
  if (place === null) return { file: side.unit.path };
  return { file: side.unit.path, section: side.unit.file.sections.name(place.section), offset: place.offset };
}
