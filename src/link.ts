// The link pass: read -> resolve -> audit -> plan -> rewrite -> write.

import { type Analysis, analyse, callProblems, elfProblem, islandProblems, type Options } from "./analysis.ts";
import { levelOf, type Problem, problem } from "./diag/catalogue.ts";
import { ElfEdits } from "./elf/edits.ts";
import { ElfError } from "./elf/error.ts";
import { readElf } from "./elf/reader.ts";
import { writeElf } from "./elf/writer.ts";
import { convert } from "./klp/convert.ts";
import { type IslandPlan, placeIslands } from "./klp/islands.ts";
import { RelocationRouter } from "./klp/router.ts";

export interface LinkOptions extends Options {
  /** `island`: calls that need it get an island. `nop`: calls are audited, never rewritten. */
  readonly tocRestore?: "island" | "nop";
  /** Makes an output even when errors were found; they are reported all the same. */
  readonly force?: boolean;
}

export interface LinkResult {
  /** The linked file; null if errors were found and `force` was not given. The input itself if nothing changes. */
  readonly output: Uint8Array | null;
  readonly changed: boolean;
  readonly problems: readonly Problem[];
  readonly done: {
    readonly returnIslands: number;
    readonly siblingIslands: number;
    readonly localCallIslands: number;
    /** Bytes of code and data that the islands add. */
    readonly islandBytes: number;
    readonly convertedSymbols: number;
    /** Relocations put into livepatch sections. */
    readonly livepatchRelocations: number;
  };
}

/**
 * Links one module: conversion to livepatch symbols, return islands.
 * @throws Unusable if the input cannot be read.
 */
export function link(bytes: Uint8Array, options: LinkOptions): LinkResult {
  const analysis = analyse(bytes, options);
  const rewrite = (options.tocRestore ?? "island") === "island";
  const problems: Problem[] = [...analysis.problems];
  if (!rewrite) problems.push(...callProblems(analysis, options));
  problems.push(...islandProblems(analysis, options).filter((p) => rewrite || p.code !== "KLP304"));
  const nothing = {
    returnIslands: 0,
    siblingIslands: 0,
    localCallIslands: 0,
    islandBytes: 0,
    convertedSymbols: 0,
    livepatchRelocations: 0,
  };
  const failed = problems.some((p) => levelOf(p) === "error");
  if (failed && options.force !== true) return { output: null, changed: false, problems, done: nothing };

  const edits = new ElfEdits(analysis.file);
  let done: LinkResult["done"];
  let output: Uint8Array;
  try {
    done = applyEdits(edits, analysis, rewrite ? analysis.plan : null);
    if (edits.isEmpty) return { output: bytes, changed: false, problems, done: nothing };
    if (analysis.file.signature !== null) {
      problems.push(problem("KLP108", { file: options.file, fileOffset: analysis.file.signature.start }, {}));
    }
    output = writeElf(edits);
  } catch (error) {
    // Lists of symbols are read only when they have to be renumbered: they may be malformed, too.
    if (!(error instanceof ElfError)) throw error;
    problems.push(elfProblem(error, options.file));
    return { output: null, changed: false, problems, done: nothing };
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
    islandBytes,
    convertedSymbols: converting.length,
    livepatchRelocations: router.livepatchCount,
  };
}
