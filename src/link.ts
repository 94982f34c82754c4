// The link pass: read -> resolve -> audit -> plan -> rewrite -> write.

import {
  type Analysis,
  analyseFile,
  callProblems,
  elfProblem,
  islandProblems,
  type Options,
  read,
} from "./analysis.ts";
import { levelOf, type Problem, problem } from "./diag/catalogue.ts";
import { ElfEdits } from "./elf/edits.ts";
import { ElfError } from "./elf/error.ts";
import { type ElfFile, readElf } from "./elf/reader.ts";
import { writeElf } from "./elf/writer.ts";
import { type Finished, finish } from "./finish.ts";
import { convert } from "./klp/convert.ts";
import { type IslandPlan, placeIslands } from "./klp/islands.ts";
import type { Producer } from "./klp/producer.ts";
import { RelocationRouter } from "./klp/router.ts";

export interface LinkOptions extends Options {
  /** The tool that the file comes from; found out from its content if absent. */
  readonly from?: Producer;
  /** Keeps the producer's intermediate sections. */
  readonly keep?: boolean;
  /** Makes an output even when errors were found; they are reported all the same. */
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
    readonly siblingIslands: number;
    readonly localCallIslands: number;
    /** Functions whose returns restore their caller's TOC. */
    readonly epilogues: number;
    /** Bytes of code and data that the islands add. */
    readonly islandBytes: number;
    readonly convertedSymbols: number;
    /** Relocations put into livepatch sections. */
    readonly livepatchRelocations: number;
  };
}

const NOTHING: LinkResult["done"] = {
  returnIslands: 0,
  siblingIslands: 0,
  localCallIslands: 0,
  epilogues: 0,
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
  const problems: Problem[] = [...analysis.problems];
  if (!rewrite) problems.push(...callProblems(analysis, options));
  problems.push(...islandProblems(analysis, options).filter((p) => rewrite || p.code !== "KLP304"));
  const failed = problems.some((p) => levelOf(p) === "error");
  if (failed && options.force !== true) return { output: null, changed: false, problems, done: NOTHING };

  const edits = new ElfEdits(analysis.file);
  let done: LinkResult["done"];
  let output: Uint8Array;
  try {
    done = applyEdits(edits, analysis, rewrite ? analysis.plan : null);
    if (edits.isEmpty) return { output: file.bytes, changed: false, problems, done: NOTHING };
    output = writeElf(edits);
  } catch (error) {
    // Lists of symbols are read only when they have to be renumbered: they may be malformed, too.
    if (!(error instanceof ElfError)) throw error;
    problems.push(elfProblem(error, options.file));
    return { output: null, changed: false, problems, done: NOTHING };
  }
  // What was written must be readable by our own rules; anything else is a bug, not a result.
  readElf(output);
  return { output, changed: true, problems, done };
}

function applyEdits(edits: ElfEdits, analysis: Analysis, plan: IslandPlan | null): LinkResult["done"] {
  const router = new RelocationRouter(edits);
  const count = (kind: string): number => plan?.islands.filter((i) => i.kind === kind).length ?? 0;
  const converting = analysis.undefineds.filter((u) => u.resolution.kind === "convert");
  const symbols = new Set(converting.map((u) => u.symbol));
  const islandBytes =
    plan === null ? 0 : placeIslands(edits, analysis.symbols, analysis.functions, plan, router, symbols);
  convert(edits, analysis.symbols, converting, router);
  return {
    returnIslands: count("return"),
    siblingIslands: count("sibling"),
    localCallIslands: count("local-call"),
    epilogues: plan?.epilogues.planned.length ?? 0,
    islandBytes,
    convertedSymbols: converting.length,
    livepatchRelocations: router.livepatchCount,
  };
}
