// The link pass: read -> resolve -> audit -> plan -> rewrite -> write.

import { append } from "../base/lists.ts";
import { levelOf, type Problem, problem } from "../diag/catalogue.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfFile, readElf } from "../elf/reader.ts";
import { ElfEdits } from "../elf/writer/edits.ts";
import { writeElf } from "../elf/writer.ts";
import type { LivepatchStack } from "../kernel/image/livepatchStack.ts";
import { FunctionIndex } from "../klp/functions.ts";
import { objectsOf } from "../klp/patch/tables.ts";
import { convert } from "../klp/producers/convert.ts";
import type { Producer } from "../klp/producers/producer.ts";
import { ruleContext } from "../klp/rules/context.ts";
import { checkFields } from "../klp/rules/fields.ts";
import { RelocationRouter } from "../klp/symbols/router.ts";
import { addHelpers, missingHelpers } from "../klp/toc/helpers.ts";
import type { IslandPlan } from "../klp/toc/islands.ts";
import { placeIslands } from "../klp/toc/placeIslands.ts";
import { tocStrategy } from "../klp/toc/strategies.ts";
import { type Analysis, analyseSubject, livepatchRules, type Options } from "./analysis.ts";
import { type Finished, finish } from "./finish.ts";
import { elfProblem } from "./input.ts";
import { keeper, openModule, type Subject } from "./open.ts";
import { callProblems } from "./problems/calls.ts";
import { islandProblems } from "./problems/islands.ts";
import { leftOutProblems } from "./problems/leftOut.ts";
import { movedDebugProblems } from "./problems/movedDebug.ts";

export interface LinkOptions extends Options {
  /** The tool that the file comes from; found out from its content if absent. */
  readonly from?: Producer;
  /** Keeps the producer's intermediate sections. */
  readonly keep?: boolean;
  /** kpatch: whether tables of patched modules go to `.klp.arch` sections; the kernel's version decides if absent. */
  readonly hasKlpArch?: boolean;
  /** Makes an output even when errors were found, and does what was refused for lack of knowledge; they are reported. */
  readonly force?: boolean;
}

export interface LinkResult {
  /** The linked file; null if errors were found and `force` was not given. The input itself if nothing changes. */
  readonly output: Uint8Array | null;
  readonly changed: boolean;
  readonly problems: readonly Problem[];
  /** What the file was before: the tool that it comes from. */
  readonly producer: Producer;
  readonly done: {
    readonly returnIslands: number;
    /** Sibling islands of both kinds. */
    readonly siblingIslands: number;
    /** Those with a frame. */
    readonly framedIslands: number;
    /** Calls that go through a klp_stub. */
    readonly stubCalls: number;
    readonly localCallIslands: number;
    /** Functions whose returns restore their caller's TOC. */
    readonly epilogues: number;
    /** Functions that run in a mini frame. */
    readonly miniFrames: number;
    /** Register save and restore routines that the module called and lacked. */
    readonly helpers: number;
    /** Bytes of code and data that all of these add. */
    readonly islandBytes: number;
    readonly convertedSymbols: number;
    /** Relocations put into livepatch sections. */
    readonly livepatchRelocations: number;
  };
}

const NOTHING: LinkResult["done"] = {
  returnIslands: 0,
  siblingIslands: 0,
  framedIslands: 0,
  stubCalls: 0,
  localCallIslands: 0,
  epilogues: 0,
  miniFrames: 0,
  helpers: 0,
  islandBytes: 0,
  convertedSymbols: 0,
  livepatchRelocations: 0,
};

/**
 * Links one module: what its producer left is finished, undefined symbols become livepatch symbols, calls get
 * their islands.
 * @throws Unusable if the input cannot be read.
 */
export function link(bytes: Uint8Array, options: LinkOptions): LinkResult {
  return linkSubject(openModule(bytes, options.file), options);
}

/** As {@link link}, of an opened module. @throws Unusable KLP111 if the kernel is of another architecture */
export function linkSubject(input: Subject, options: LinkOptions): LinkResult {
  const ready = finishedSubject(input, options);
  const { producer } = ready;
  if (ready.subject === null) {
    return { output: null, changed: false, problems: ready.problems, producer, done: NOTHING };
  }
  const linked = linkFinished(ready.subject, options);
  const problems = [...ready.problems, ...linked.problems, ...leftOutProblems(ready.subject.file, options.file)];
  if (linked.output === null) return { ...linked, problems, producer };
  const changed = linked.changed || ready.subject !== input;
  const { signature } = input.file;
  if (changed && signature !== null) {
    problems.push(problem("KLP108", { file: options.file, fileOffset: signature.start }, {}));
  }
  return { output: linked.output, changed, problems, producer, done: withFinished(linked.done, ready) };
}

/** What a producer left, finished. */
interface Ready {
  readonly producer: Producer;
  /** The input itself if there was nothing to finish; null if that failed. */
  readonly subject: Subject | null;
  readonly problems: readonly Problem[];
  /** Livepatch symbols made, relocations put into livepatch sections. */
  readonly symbols: number;
  readonly relocations: number;
}

const keptReady = keeper<Ready>();

/** The module after its producer's last step, found out once for a subject. */
function finishedSubject(input: Subject, options: LinkOptions): Ready {
  const { from, keep, hasKlpArch, kernelVersion, file } = options;
  return keptReady(input, [from, keep, hasKlpArch, kernelVersion], () => {
    let finished: Finished;
    try {
      finished = finish(input.file, options);
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      const problems = [elfProblem(error, file)];
      return { producer: from ?? "plain", subject: null, problems, symbols: 0, relocations: 0 };
    }
    const { output, problems } = finished;
    const failed = problems.some((p) => levelOf(p) === "error");
    const subject = failed ? null : output === null ? input : openModule(output, file);
    return { ...finished, subject };
  });
}

const withFinished = (done: LinkResult["done"], { symbols, relocations }: Ready): LinkResult["done"] => ({
  ...done,
  convertedSymbols: done.convertedSymbols + symbols,
  livepatchRelocations: done.livepatchRelocations + relocations,
});

/** What a link would change, and what it refuses: for comparing ways to restore the TOC. Nothing is written. */
export interface Trial {
  readonly analysis: Analysis;
  /** What the link reports, but for what only the written file shows. */
  readonly problems: readonly Problem[];
  /** What it changes if it goes as far as it can: what is refused is left out. */
  readonly done: LinkResult["done"];
}

/**
 * @param stack where the livepatch stack is taken to be for `done`, if it is not known
 * @throws Unusable KLP111 if the kernel is of another architecture
 */
export function tryLink(input: Subject, options: LinkOptions, stack: LivepatchStack): Trial {
  const analysis = analyseSubject(input, options);
  const ready = finishedSubject(input, options);
  if (ready.subject === null) return { analysis, problems: ready.problems, done: NOTHING };
  const finished = analyseSubject(ready.subject, options);
  const problems = [...ready.problems, ...linkProblems(finished, options)];
  const rewritten = rewrite({ ...finished, stack: finished.stack ?? stack }, planOf(finished, options, true));
  return { analysis, problems, done: withFinished("done" in rewritten ? rewritten.done : NOTHING, ready) };
}

/** Stubs without the places that they use would be worse than none. */
const lacksStack = (analysis: Analysis, options: Options): boolean =>
  tocStrategy(options.tocRestore).needsStack && analysis.stack === null && analysis.features.has("toc");

const planOf = (analysis: Analysis, options: Options, hasStack = !lacksStack(analysis, options)): IslandPlan | null =>
  tocStrategy(options.tocRestore).rewrites && hasStack ? analysis.plan : null;

/** What is wrong with a file before anything is changed. */
function linkProblems(analysis: Analysis, options: Options): Problem[] {
  const { rewrites } = tocStrategy(options.tocRestore);
  const problems: Problem[] = [...analysis.problems];
  if (!rewrites) append(problems, callProblems(analysis, options));
  // KLP304 only says why something cannot be added; routines that klplink adds itself are not a problem.
  const isOpen = (p: Problem): boolean =>
    rewrites ? p.code !== "KLP305" || !(p as Problem<"KLP305">).data.fixable : p.code !== "KLP304";
  append(problems, islandProblems(analysis, options).filter(isOpen));
  if (rewrites && !lacksStack(analysis, options)) append(problems, movedDebugProblems(analysis, options));
  return problems;
}

/** The changed file and what was done; an error where lists, read only to be renumbered, are malformed. */
function rewrite(
  analysis: Analysis,
  plan: IslandPlan | null,
): { readonly output: Uint8Array | null; readonly done: LinkResult["done"] } | ElfError {
  const edits = new ElfEdits(analysis.file);
  try {
    const done = applyEdits(edits, analysis, plan);
    return edits.isEmpty ? { output: null, done: NOTHING } : { output: writeElf(edits), done };
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return error;
  }
}

function linkFinished(subject: Subject, options: LinkOptions): Omit<LinkResult, "producer"> {
  const analysis = analyseSubject(subject, options);
  const problems = linkProblems(analysis, options);
  const nothing = { output: null, changed: false, problems, done: NOTHING };
  const isRefused = (): boolean => options.force !== true && problems.some((p) => levelOf(p) === "error");
  if (isRefused()) return nothing;
  const rewritten = rewrite(analysis, planOf(analysis, options));
  if (rewritten instanceof ElfError) {
    problems.push(elfProblem(rewritten, options.file));
    return nothing;
  }
  const { output, done } = rewritten;
  if (output === null) return { output: subject.file.bytes, changed: false, problems, done };
  // What was written must be readable by our own rules; anything else is a bug, not a result.
  const result = readElf(output);
  append(problems, convertedProblems(result, analysis));
  return isRefused() ? nothing : { output, changed: true, problems, done };
}

/**
 * What stands in the way once undefined symbols have become livepatch symbols: a relocation that waits for a module may
 * not stand everywhere, and the file is a livepatch then, with the tables of one. For a file that `check` was given as it is.
 *
 * It writes the file and reads it again, because the rules ask about what only the written file has: sections
 * `.klp.rela.OBJECT.SECTION` with the relocations that the router sends there, the symbols' new names and indices, and the rank of
 * each relocation in the order of the loader, which sorts a section when its rows are known. To answer without it, router and writer
 * would have to be there a second time, and to agree. Nothing is done for a file without such symbols.
 */
export function conversionProblems(analysis: Analysis): Problem[] {
  const converting = analysis.undefineds.filter((u) => u.resolution.kind === "convert");
  if (converting.length === 0) return [];
  const edits = new ElfEdits(analysis.file);
  try {
    convert(edits, analysis.symbols, converting, new RelocationRouter(edits));
    return convertedProblems(readElf(writeElf(edits)), analysis);
  } catch (error) {
    if (error instanceof ElfError) return []; // A link says it.
    throw error;
  }
}

/** Errors of the file that a link makes, where the input has none: those are said already. */
function convertedProblems(result: ElfFile, analysis: Analysis): Problem[] {
  const { symbols } = result;
  if (symbols === null) return [];
  const written = { file: result, symbols, functions: new FunctionIndex(result, symbols) };
  const context = ruleContext(written, analysis, objectsOf(analysis.patches));
  const key = (p: Problem): string => `${p.code} ${p.at.section}+${p.at.offset}`;
  const said = new Set(analysis.problems.map(key));
  const problems = [...livepatchRules(context, analysis.patches.length > 0), ...checkFields(context)];
  return problems.filter((p) => levelOf(p) === "error" && !said.has(key(p)));
}

function applyEdits(edits: ElfEdits, analysis: Analysis, plan: IslandPlan | null): LinkResult["done"] {
  const router = new RelocationRouter(edits);
  const count = (kind: string): number => plan?.islands.filter((i) => i.kind === kind).length ?? 0;
  const converting = analysis.undefineds.filter((u) => u.resolution.kind === "convert");
  const helpers = plan === null ? [] : missingHelpers(analysis.symbols);
  let islandBytes = 0;
  if (plan !== null) {
    const symbols = new Set(converting.map((u) => u.symbol));
    islandBytes = placeIslands(edits, analysis, plan, { router, converting: symbols, stack: analysis.stack });
    islandBytes += addHelpers(edits, analysis.symbols, helpers);
  }
  convert(edits, analysis.symbols, converting, router);
  return {
    returnIslands: count("return"),
    siblingIslands: count("sibling") + count("framed"),
    framedIslands: count("framed"),
    stubCalls: count("klp-stub"),
    localCallIslands: count("local-call"),
    epilogues: plan?.epilogues.planned.length ?? 0,
    miniFrames: plan?.frames.planned.length ?? 0,
    helpers: helpers.length,
    islandBytes,
    convertedSymbols: converting.length,
    livepatchRelocations: router.livepatchCount,
  };
}
