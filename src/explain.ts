// From a line of dmesg, and the module that it is about, to the instruction that the loader stopped at.

import { type Analysis, analyse, type Options } from "./analysis.ts";
import { Lookup } from "./annotate.ts";
import { printable, viewOf } from "./base/bytes.ts";
import { isBefore } from "./base/order.ts";
import { check } from "./check.ts";
import { kernelOf, levelOf, type Problem } from "./diag/catalogue.ts";
import type { Disassembler, Instruction, Place } from "./diag/define.ts";
import type { Recognised } from "./diag/messages/define.ts";
import { SHF_ALLOC } from "./elf/consts.ts";
import type { RelocationTable } from "./elf/relas.ts";
import { EXACT, fitOfCall, SYMBOLIC } from "./explainCalls.ts";
import { type Fit, printedValue, ValueFits } from "./explainValues.ts";
import { Unusable } from "./input.ts";
import { parseKlpSymbol } from "./klp/names.ts";

/**
 * How sure a candidate is.
 * - `exact`: the line itself names the place.
 * - `only`: nothing else in the file fits the line.
 * - `first`: it fits, and of those that do the loader meets it first.
 * - `possible`: it fits.
 * - `use`: the line is about a symbol, and this is one of the places that use it.
 */
export type Certainty = "exact" | "only" | "first" | "possible" | "use";

export interface Candidate {
  readonly at: Place;
  readonly certainty: Certainty;
  /** What speaks for it. */
  readonly because: string;
  readonly instructions: readonly Instruction[];
  /** What `klplink check` says of this place, if it says anything. */
  readonly problem: Problem | null;
}

export interface Findings {
  /** Best first. */
  readonly candidates: readonly Candidate[];
  /** How many more places fit. */
  readonly more: number;
  /** For a line about a symbol: what `klplink check` says of the symbol. */
  readonly problems: readonly Problem[];
  /** Name of the module in the file. */
  readonly module: string;
  /** Why the file may not be the one of the line; null if nothing speaks against it. */
  readonly doubt: string | null;
}

/** Candidates kept: a user reads no more. */
const MOST = 10;

/** A place that fits a line, before it is ranked. */
interface Match {
  readonly at: Place;
  readonly section: number;
  readonly score: number;
  readonly because: string;
  readonly order: readonly number[] | null;
  /** The line is not about this place, but about a symbol that is used here. */
  readonly isUse?: boolean;
}

/**
 * Finds the places in a module that a line of dmesg can be about.
 * @throws Unusable if the file cannot be read.
 */
export async function findPlaces(
  bytes: Uint8Array,
  line: Recognised,
  options: Options,
  openDisassembler: (arch: string) => Promise<Disassembler | null>,
): Promise<Findings> {
  const analysis = analyse(bytes, options);
  const lookup = await Lookup.open(analysis.file, openDisassembler);
  const { problems } = check(bytes, options);
  const { module } = analysis;
  const doubt =
    line.fields.module !== undefined && line.fields.module.replace(/-/g, "_") !== module
      ? `the line is about module ${line.fields.module}, the file is ${module}`
      : null;
  const matches = rank(matchesOf(line, analysis, ValueFits.of(bytes, analysis, options), options.file));
  // A printed word says exactly which calls it can be about: none, then, if it fits none.
  const found = line.fields.word === undefined ? problems.filter((p) => fitsMessage(p, line)) : [];
  if (matches.length === 0) {
    const candidates = found.slice(0, MOST).map((p): Candidate => {
      const annotated = lookup.annotate(p);
      return {
        at: annotated.at,
        certainty: found.length === 1 ? "only" : "possible",
        because: "klplink check finds it, and the kernel has these words for it",
        instructions: annotated.instructions ?? [],
        problem: annotated,
      };
    });
    return { candidates, more: found.length - candidates.length, problems: [], module, doubt };
  }
  const about = matches.some((m) => m.isUse === true) ? found : [];
  const [best, second] = matches;
  const candidates = matches.slice(0, MOST).map((m, i): Candidate => {
    const isBest =
      i === 0 && best !== undefined && (second === undefined || second.score < best.score || isFirst(best, matches));
    const certainty: Certainty =
      m.isUse === true
        ? "use"
        : i > 0 || !isBest || best.score === 0
          ? "possible"
          : best.score >= EXACT
            ? "exact"
            : second === undefined
              ? "only"
              : "first";
    const isHere = (p: Problem): boolean => p.at.section === m.at.section && p.at.offset === m.at.offset;
    // A symbol's own problem stands with its first use; those of the place are about other things.
    const problem = m.isUse === true ? null : (problems.find(isHere) ?? null);
    const annotated = problem === null ? null : lookup.annotate(problem);
    const source = lookup.source(m.section, m.at.offset ?? 0);
    return {
      at: annotated?.at ?? (source == null ? m.at : { ...m.at, source }),
      certainty,
      because: m.because,
      instructions: annotated?.instructions ?? lookup.instructions(m.section, m.at.offset ?? 0),
      problem: annotated,
    };
  });
  return { candidates, more: matches.length - candidates.length, problems: about, module, doubt };
}

/** Best first: by score, then in the order in which the loader meets them. */
function rank(matches: readonly Match[]): Match[] {
  return [...matches].sort((a, b) => {
    if (a.score !== b.score) return b.score - a.score;
    if (a.order === null || b.order === null) return 0;
    return isBefore(a.order, b.order) ? -1 : isBefore(b.order, a.order) ? 1 : 0;
  });
}

const isFirst = (m: Match, all: readonly Match[]): boolean =>
  m.order !== null &&
  all.every((o) => o === m || (o.order !== null && m.order !== null && !isBefore(o.order, m.order)));

function matchesOf(line: Recognised, analysis: Analysis, values: ValueFits, path: string): Match[] {
  const { fields, message } = line;
  if (message.arch !== undefined && message.arch !== analysis.arch.name) return [];
  if (message.codes?.includes("KLP301") === true && fields.word !== undefined) {
    return matchCalls(analysis, values, path, Number.parseInt(fields.word, 16) >>> 0, fields.address ?? null);
  }
  if (fields.sectionIndex !== undefined && fields.row !== undefined && fields.type !== undefined) {
    return matchRow(analysis, path, Number(fields.sectionIndex), Number(fields.row), Number(fields.type));
  }
  if (message.by === "relocation" && printedValue(line) !== null) return matchValue(line, analysis, values, path);
  if (fields.type !== undefined) return matchType(analysis, path, Number(fields.type));
  if (fields.symbol !== undefined) return matchSymbol(analysis, path, fields.symbol);
  if (fields.address !== undefined) return matchAddress(analysis, path, fields.address);
  return [];
}

function placeAt(analysis: Analysis, path: string, section: number, offset: number): Place {
  const at = { file: path, section: printable(analysis.file.sections.name(section)), offset };
  const owner = analysis.functions.at(section, offset);
  return owner === null ? at : { ...at, function: { name: printable(owner.name), offset: offset - owner.start } };
}

/** Calls whose following word is the printed one. */
function matchCalls(
  analysis: Analysis,
  values: ValueFits,
  path: string,
  word: number,
  address: string | null,
): Match[] {
  const matches: Match[] = [];
  for (const call of analysis.calls) {
    if (call.verdict !== "no-nop" && call.verdict !== "restored") continue;
    const order = analysis.loadOrder.of(call.table, call.row);
    const fit = fitOfCall(analysis, values, call, word, address);
    if (fit === null) continue;
    matches.push({
      at: placeAt(analysis, path, call.section, call.offset),
      section: call.section,
      order,
      ...fit,
    });
  }
  return matches;
}

function relocationMatch(analysis: Analysis, path: string, table: RelocationTable, row: number, fit: Fit): Match {
  const offset = table.offset(row);
  const order = analysis.arch.hasToc ? analysis.loadOrder.of(table, row) : [1, table.section, row];
  return { at: placeAt(analysis, path, table.target, offset), section: table.target, order, ...fit };
}

/** The very row that x86 kernels of 7.x name. */
function matchRow(analysis: Analysis, path: string, section: number, row: number, type: number): Match[] {
  const table = analysis.file.relocations.find((t) => t.section === section);
  if (table === undefined || row >= table.count || table.type(row) !== type) return [];
  const because = `the line names entry ${row} of relocation section ${section}`;
  return [relocationMatch(analysis, path, table, row, { score: EXACT, because })];
}

function* loadedRelocations({ file }: Analysis): Generator<{ table: RelocationTable; row: number }> {
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, SHF_ALLOC)) continue;
    for (let row = 0; row < table.count; row++) yield { table, row };
  }
}

function matchType(analysis: Analysis, path: string, type: number): Match[] {
  const matches: Match[] = [];
  for (const { table, row } of loadedRelocations(analysis)) {
    if (table.type(row) !== type) continue;
    matches.push(
      relocationMatch(analysis, path, table, row, { score: 1, because: `it has a relocation of type ${type}` }),
    );
  }
  return matches;
}

/**
 * Relocations that can have given the number that the line prints. If none can, those of the line's type: the file may be
 * another build of the module.
 */
function matchValue(line: Recognised, analysis: Analysis, values: ValueFits, path: string): Match[] {
  const all = [...loadedRelocations(analysis)];
  const isNonzero = /nonzero/.test(line.form);
  const matches: Match[] = [];
  for (const { table, row } of all) {
    const fit = values.fit(line, table, row);
    if (fit === null) continue;
    const before = isNonzero ? writtenBefore(analysis, table, row) : null;
    if (isNonzero && before === null) continue;
    const { score, because } = fit;
    const both = before === null ? fit : { score: score + 50, because: `${before}; ${because}` };
    matches.push(relocationMatch(analysis, path, table, row, both));
  }
  if (matches.length > 0 || line.fields.type === undefined) return matches;
  return matchType(analysis, path, Number(line.fields.type)).map((m) => ({
    ...m,
    score: 0,
    because: `${m.because}, but in this file its value is another one`,
  }));
}

/** Why the bytes at a relocation's place are not zero when the loader comes to it; null if they are. */
function writtenBefore(analysis: Analysis, table: RelocationTable, row: number): string | null {
  const bytes = analysis.arch.relocs.defs.get(table.type(row))?.bytes ?? 0;
  const offset = table.offset(row);
  const { sections } = analysis.file;
  if (offset + bytes <= sections.size(table.target)) {
    const data = sections.data(table.target).subarray(offset, offset + bytes);
    if (data.some((b) => b !== 0)) return "the bytes there are not zero in the file";
  }
  for (let other = 0; other < row; other++) {
    if (table.offset(other) === offset) return `entry ${other} of the same table writes there before it`;
  }
  return null;
}

/** Uses of a symbol by its name, or by the name that a livepatch symbol stands for. */
function matchSymbol(analysis: Analysis, path: string, name: string): Match[] {
  const { symbols } = analysis;
  const wanted = new Set<number>();
  for (let i = 1; i < symbols.count; i++) {
    const own = symbols.name(i);
    if (symbols.sectionOf(i) === null && (own === name || parseKlpSymbol(own)?.name === name)) wanted.add(i);
  }
  const matches: Match[] = [];
  if (wanted.size === 0) return matches;
  for (const { table, row } of loadedRelocations(analysis)) {
    if (!wanted.has(table.symbol(row))) continue;
    const fit = { score: 1, because: `it refers to ${name}` };
    matches.push({ ...relocationMatch(analysis, path, table, row, fit), order: null, isUse: true });
  }
  return matches;
}

function matchAddress(analysis: Analysis, path: string, address: string): Match[] {
  const symbolic = SYMBOLIC.exec(address);
  if (symbolic === null) return [];
  const owner = analysis.functions.named(symbolic[1] ?? "");
  const offset = Number.parseInt(symbolic[2] ?? "", 16);
  if (owner === null || owner.start + offset >= analysis.file.sections.size(owner.section)) return [];
  const at = placeAt(analysis, path, owner.section, owner.start + offset);
  return [{ at, section: owner.section, score: EXACT, because: "the line names it", order: null }];
}

/** Whether a problem of the file is one that the kernel reports in these words. */
function fitsMessage(p: Problem, line: Recognised): boolean {
  if (line.message.codes?.includes(p.code) !== true) return false;
  const predicted = kernelOf(p);
  const { symbol } = line.fields;
  return symbol === undefined || predicted === null || predicted.includes(symbol);
}

/** What is wrong with a file, for a user who has no dmesg: errors only. Null if it cannot be read at all. */
export function errorsOf(bytes: Uint8Array, options: Options): readonly Problem[] {
  try {
    return check(bytes, options).problems.filter((p) => levelOf(p) === "error");
  } catch (error) {
    if (error instanceof Unusable) return [error.problem];
    throw error;
  }
}

/** A word as the bytes that it is in a little-endian file, for a disassembler. */
export function bytesOfWord(word: string): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, Number.parseInt(word, 16), true);
  return bytes;
}
