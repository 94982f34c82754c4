// From a line of dmesg, and the module that it is about, to the instruction that the loader stopped at.

import type { Arch } from "../../arch/index.ts";
import type { ArchName } from "../../base/archName.ts";
import { printable, wordBytes } from "../../base/bytes.ts";
import { isBefore } from "../../base/loadOrder.ts";
import { kernelOf, levelOf, type Problem, titleOf } from "../../diag/catalogue.ts";
import type { Disassembler, Instruction, Place } from "../../diag/define.ts";
import { type Concern, codesOf, concernOf, type Recognised } from "../../diag/messages/define.ts";
import { recogniseLine } from "../../diag/messages/recognise.ts";
import { type Analysis, analyseSubject, type Options } from "../analysis.ts";
import { PlaceLookup } from "../annotate.ts";
import { checkSubject } from "../check.ts";
import { Unusable } from "../input.ts";
import { openModule, type Subject } from "../open.ts";
import { EXACT } from "./calls.ts";
import { livepatchOnly, type Match, matchesOf } from "./places.ts";
import { ValueFits } from "./values.ts";

/**
 * How sure a candidate is.
 * - `exact`: the line itself names the place.
 * - `only`: nothing else in the file fits the line.
 * - `first`: it fits, and of those that do the loader meets it first.
 * - `possible`: it fits.
 * - `use`: the line is about a symbol, and this is one of the places that use it.
 */
export type Certainty = "exact" | "only" | "first" | "possible" | "use";

export interface LikelyPlace {
  readonly at: Place;
  readonly certainty: Certainty;
  /** What speaks for it. */
  readonly because: string;
  readonly instructions: readonly Instruction[];
  /** What `klplink check` says of this place, if it says anything. */
  readonly problem: Problem | null;
}

export interface Explanation {
  /** Best first. */
  readonly candidates: readonly LikelyPlace[];
  /** How many more places fit. */
  readonly more: number;
  /** For a line about a symbol: what `klplink check` says of the symbol. */
  readonly problems: readonly Problem[];
  /** Name of the module in the file. */
  readonly module: string;
  /** Why the file may not be the one of the line; null if nothing speaks against it. */
  readonly doubt: string | null;
  readonly concerns: Concern;
  /** The line tells enough for its place to be looked for. */
  readonly searched: boolean;
}

/** Candidates kept: a user reads no more. */
const MOST = 10;

/** A module that lines of dmesg are about: opened, analysed, checked and laid out once for all of them. */
export class Explainer {
  readonly #analysis: Analysis;
  readonly #lookup: PlaceLookup;
  readonly #problems: readonly Problem[];
  readonly #values: ValueFits;
  readonly #path: string;

  private constructor(subject: Subject, options: Options, lookup: PlaceLookup) {
    this.#analysis = analyseSubject(subject, options);
    this.#lookup = lookup;
    this.#problems = checkSubject(subject, options).problems;
    this.#values = ValueFits.of(subject, this.#analysis, options);
    this.#path = subject.path;
  }

  /** @throws Unusable KLP111 if the kernel is of another architecture */
  static async open(
    subject: Subject,
    options: Options,
    openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
  ): Promise<Explainer> {
    return new Explainer(subject, options, await PlaceLookup.open(subject, openDisassembler));
  }

  /** The places that a line can be about. */
  find(line: Recognised): Explanation {
    const analysis = this.#analysis;
    const lookup = this.#lookup;
    const problems = this.#problems;
    const { module } = analysis;
    const concerns = concernOf(line);
    const told = matchesOf(line, analysis, this.#values, this.#path);
    const about = { module, doubt: doubtOf(line, analysis), concerns, searched: told !== null };
    const matches = concerns === "place" ? rank(told ?? []) : [];
    // A printed word says exactly which calls it can be about: none, then, if it fits none.
    const found = line.fields.word === undefined ? problems.filter((p) => fitsMessage(p, line)) : [];
    if (matches.length === 0) {
      const candidates = found.slice(0, MOST).map((p): LikelyPlace => {
        const annotated = lookup.annotate(p);
        return {
          at: annotated.at,
          certainty: found.length === 1 ? "only" : "possible",
          because: "klplink check finds it, and the kernel has these words for it",
          instructions: annotated.instructions ?? [],
          problem: annotated,
        };
      });
      return { candidates, more: found.length - candidates.length, problems: [], ...about };
    }
    const ofSymbol = matches.some((m) => m.isUse === true) ? found : [];
    const [best, second] = matches;
    const candidates = matches.slice(0, MOST).map((m, i): LikelyPlace => {
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
      const isHere = (p: Problem): boolean =>
        p.at.section === m.at.section && (m.at.offset === undefined || p.at.offset === m.at.offset);
      // A symbol's own problem stands with its first use; those of the place are about other things. And what else is wrong
      // at the place (its symbol is not exported, say) is not what this line is about.
      const here = m.isUse === true ? [] : problems.filter(isHere);
      const { offset } = m.at;
      const other = line.message.codes === undefined && offset !== undefined ? here[0] : null;
      const problem = here.find((p) => fitsMessage(p, line)) ?? other ?? null;
      const annotated = problem === null ? null : lookup.annotate(problem);
      const source = offset === undefined ? null : lookup.source(m.section, offset);
      return {
        at: annotated?.at ?? (source == null ? m.at : { ...m.at, source }),
        certainty,
        because: m.because,
        instructions: annotated?.instructions ?? (offset === undefined ? [] : lookup.instructions(m.section, offset)),
        problem: annotated,
      };
    });
    return { candidates, more: matches.length - candidates.length, problems: ofSymbol, ...about };
  }
}

/**
 * Finds the places in a module that a line of dmesg can be about.
 * @throws Unusable if the file cannot be read.
 */
export async function findPlaces(
  bytes: Uint8Array,
  line: Recognised,
  options: Options,
  openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
): Promise<Explanation> {
  const explainer = await Explainer.open(openModule(bytes, options.file), options, openDisassembler);
  return explainer.find(line);
}

/** Why the file may not be the one that a line is about, by what the line itself says. */
function doubtOf(line: Recognised, analysis: Analysis): string | null {
  const { fields, message } = line;
  const { module, arch } = analysis;
  if (fields.module !== undefined && fields.module.replace(/-/g, "_") !== module) {
    return `the line is about module ${fields.module}, the file is ${module}`;
  }
  if (message.arch !== undefined && message.arch !== arch.name) {
    return `the line is one of a ${message.arch} kernel, the file is for ${arch.name}`;
  }
  const livepatch = livepatchOnly(line, analysis);
  return livepatch === null
    ? null
    : `the file has ${fields.symbol} as a livepatch symbol (${printable(livepatch)}), for which the loader never prints this line: the module that was refused is another build, perhaps the one before klplink`;
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

/** Whether a problem of the file is one that the kernel reports in these words, in whatever kernel's wording. */
function fitsMessage(p: Problem, line: Recognised): boolean {
  const predicted = kernelOf(p);
  const words = predicted === null ? null : recogniseLine(predicted);
  if (words?.message === line.message) return TOLD.every((f) => agree(words.fields[f], line.fields[f]));
  if (codesOf(line)?.includes(p.code) !== true) return false;
  const { symbol } = line.fields;
  return symbol === undefined || (predicted ?? titleOf(p)).includes(symbol);
}

/** What the two lines must both say, if they say it. */
const TOLD = ["symbol", "name", "section", "object"] as const;
/** Capitals stand for what only the machine knows. */
const agree = (a: string | undefined, b: string | undefined): boolean =>
  a === undefined || b === undefined || a === b || /^[A-Z]+$/.test(a);

/** What is wrong with a file, for a user who has no dmesg: errors only. Null if it cannot be read at all. */
export function errorsOf(open: () => Subject, options: Options): readonly Problem[] {
  try {
    return checkSubject(open(), options).problems.filter((p) => levelOf(p) === "error");
  } catch (error) {
    if (error instanceof Unusable) return [error.problem];
    throw error;
  }
}

/** A word as the bytes that it is in memory, for a disassembler. */
export const bytesOfWord = (word: string, { littleEndian }: Pick<Arch, "littleEndian">): Uint8Array =>
  wordBytes([Number.parseInt(word, 16)], littleEndian);
