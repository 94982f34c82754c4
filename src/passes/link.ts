// The link pass: read -> resolve -> audit -> plan -> rewrite -> write.

import { append } from "../base/lists.ts";
import { levelOf, type Problem, problem } from "../diag/catalogue.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfFile, readElf } from "../elf/reader.ts";
import { ElfEdits } from "../elf/writer/edits.ts";
import { writeElf } from "../elf/writer.ts";
import { FunctionIndex } from "../klp/functions.ts";
import { objectsOf } from "../klp/patch/tables.ts";
import { convert } from "../klp/producers/convert.ts";
import type { Producer } from "../klp/producers/producer.ts";
import { LoadOrder } from "../klp/rules/loadOrder.ts";
import { checkLivepatchSections } from "../klp/rules/sections.ts";
import { RelocationRouter } from "../klp/symbols/router.ts";
import { addHelpers, missingHelpers } from "../klp/toc/helpers.ts";
import type { IslandPlan } from "../klp/toc/islands.ts";
import { placeIslands } from "../klp/toc/placeIslands.ts";
import { type Analysis, analyseFile, type Options } from "./analysis.ts";
import { type Finished, finish } from "./finish.ts";
import { elfProblem, read } from "./input.ts";
import { callProblems } from "./problems/calls.ts";
import { islandProblems } from "./problems/islands.ts";
import { movedDebugProblems } from "./problems/movedDebug.ts";

export interface LinkOptions extends Options {
  /** The tool that the file comes from; found out from its content if absent. */
  readonly from?: Producer;
  /** Keeps the producer's intermediate sections. */
  readonly keep?: boolean;
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
  const input = read(bytes, options.file);
  let finished: Finished;
  try {
    finished = finish(input, options);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    const problems = [elfProblem(error, options.file)];
    return { output: null, changed: false, problems, producer: options.from ?? "plain", done: NOTHING };
  }
  const { producer } = finished;
  if (finished.problems.some((p) => levelOf(p) === "error")) {
    return { output: null, changed: false, problems: finished.problems, producer, done: NOTHING };
  }
  const file = finished.output === null ? input : readElf(finished.output);
  const linked = linkFile(file, options);
  const problems = [...finished.problems, ...linked.problems];
  if (linked.output === null) return { ...linked, problems, producer };
  const changed = linked.changed || finished.output !== null;
  if (changed && input.signature !== null) {
    problems.push(problem("KLP108", { file: options.file, fileOffset: input.signature.start }, {}));
  }
  const done = {
    ...linked.done,
    convertedSymbols: linked.done.convertedSymbols + finished.symbols,
    livepatchRelocations: linked.done.livepatchRelocations + finished.relocations,
  };
  return { output: linked.output, changed, problems, producer, done };
}

function linkFile(file: ElfFile, options: LinkOptions): Omit<LinkResult, "producer"> {
  const analysis = analyseFile(file, options);
  const rewrite = options.tocRestore !== "nop";
  /** Stubs without the places that they use would be worse than none. */
  const needsStack = options.tocRestore === "shadow-stack" && analysis.stack === null && analysis.features.has("toc");
  const problems: Problem[] = [...analysis.problems];
  if (!rewrite) append(problems, callProblems(analysis, options));
  // KLP304 only says why something cannot be added; routines that klplink adds itself are no problem.
  const isOpen = (p: Problem): boolean =>
    rewrite ? p.code !== "KLP305" || !(p as Problem<"KLP305">).data.fixable : p.code !== "KLP304";
  append(problems, islandProblems(analysis, options).filter(isOpen));
  if (rewrite && !needsStack) append(problems, movedDebugProblems(analysis, options));
  const failed = problems.some((p) => levelOf(p) === "error");
  if (failed && options.force !== true) return { output: null, changed: false, problems, done: NOTHING };

  const edits = new ElfEdits(analysis.file);
  let done: LinkResult["done"];
  let output: Uint8Array;
  try {
    done = applyEdits(edits, analysis, rewrite && !needsStack ? analysis.plan : null);
    if (edits.isEmpty) return { output: file.bytes, changed: false, problems, done: NOTHING };
    output = writeElf(edits);
  } catch (error) {
    // Lists of symbols are read only when they have to be renumbered: they may be malformed, too.
    if (!(error instanceof ElfError)) throw error;
    problems.push(elfProblem(error, options.file));
    return { output: null, changed: false, problems, done: NOTHING };
  }
  // What was written must be readable by our own rules; anything else is a bug, not a result.
  const result = readElf(output);
  if (waitsForModule(analysis)) append(problems, convertedProblems(result, analysis, options));
  const refused = problems.some((p) => levelOf(p) === "error") && options.force !== true;
  if (refused) return { output: null, changed: false, problems, done: NOTHING };
  return { output, changed: true, problems, done };
}

/**
 * What stands in the way once undefined symbols have become livepatch symbols: a relocation that waits for a module may
 * not stand everywhere. For a file that `check` was given as it is.
 */
export function conversionProblems(analysis: Analysis, options: Options): Problem[] {
  if (!waitsForModule(analysis)) return [];
  const converting = analysis.undefineds.filter((u) => u.resolution.kind === "convert");
  const edits = new ElfEdits(analysis.file);
  try {
    convert(edits, analysis.symbols, converting, new RelocationRouter(edits));
    return convertedProblems(readElf(writeElf(edits)), analysis, options);
  } catch (error) {
    if (error instanceof ElfError) return []; // A link says it.
    throw error;
  }
}

/** Whether a symbol becomes one whose relocations wait for a module. */
const waitsForModule = ({ undefineds }: Analysis): boolean =>
  undefineds.some(({ resolution: r }) => r.kind === "convert" && r.waitsFor !== "vmlinux");

function convertedProblems(result: ElfFile, analysis: Analysis, options: Options): Problem[] {
  const { symbols } = result;
  if (symbols === null) return [];
  const { arch, module, version, kernel } = analysis;
  const problems = checkLivepatchSections({
    file: result,
    symbols,
    functions: new FunctionIndex(result, symbols),
    relocs: arch.relocs,
    loadOrder: new LoadOrder(result, arch.relocs, version),
    module,
    version,
    kernel,
    objects: objectsOf(analysis.patches),
    path: options.file,
  });
  // The others, and those of sections that were there before, are said of the input.
  const key = (p: Problem): string => `${p.code} ${p.at.section}+${p.at.offset}`;
  const said = new Set(analysis.problems.map(key));
  return problems.filter((p) => ["KLP430", "KLP431", "KLP449"].includes(p.code) && !said.has(key(p)));
}

function applyEdits(edits: ElfEdits, analysis: Analysis, plan: IslandPlan | null): LinkResult["done"] {
  const router = new RelocationRouter(edits);
  const count = (kind: string): number => plan?.islands.filter((i) => i.kind === kind).length ?? 0;
  const converting = analysis.undefineds.filter((u) => u.resolution.kind === "convert");
  const symbols = new Set(converting.map((u) => u.symbol));
  const helpers = plan === null ? [] : missingHelpers(analysis.symbols);
  let islandBytes = 0;
  if (plan !== null) {
    islandBytes = placeIslands(edits, analysis.symbols, analysis.functions, plan, router, symbols, analysis.stack);
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
