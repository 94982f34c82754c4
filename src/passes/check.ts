// The check pass: what a kernel would do with the module as it stands. Nothing is written.

import { shellFile } from "../base/shell.ts";
import { levelOf, type Problem, problem } from "../diag/catalogue.ts";
import type { ElfFile } from "../elf/reader.ts";
import { asksForNothing } from "../klp/producers/table.ts";
import type { CallVerdict } from "../klp/toc/calls.ts";
import { analyseSubject, type Options } from "./analysis.ts";
import { recogniseProducer } from "./finish.ts";
import { conversionProblems } from "./link.ts";
import { openModule, type Subject } from "./open.ts";
import { callProblems, unconvertedProblems } from "./problems/calls.ts";
import { islandProblems } from "./problems/islands.ts";
import { leftOutProblems } from "./problems/leftOut.ts";
import { uncheckedParts } from "./unchecked.ts";

export interface CheckResult {
  readonly problems: readonly Problem[];
  readonly arch: string;
  readonly module: string;
  /** Number of REL24 calls by verdict; empty where calls need no audit. */
  readonly calls: Readonly<Partial<Record<CallVerdict, number>>>;
  /** What was not looked at, for want of a file. */
  readonly unchecked: readonly string[];
}

/** @throws Unusable if the input cannot be read. */
export function check(bytes: Uint8Array, options: Options): CheckResult {
  return checkSubject(openModule(bytes, options.file), options);
}

/** As {@link check}, of an opened module. @throws Unusable KLP111 if the kernel is of another architecture */
export function checkSubject(subject: Subject, options: Options): CheckResult {
  const analysis = analyseSubject(subject, options);
  const problems = [
    ...unfinishedProblems(subject.file, options),
    ...analysis.problems,
    ...unconvertedProblems(analysis, options),
    ...conversionProblems(analysis),
    ...callProblems(analysis, options),
    ...islandProblems(analysis, options).filter((p) => levelOf(p) === "error"),
    ...leftOutProblems(subject.file, options.file),
  ];
  const calls: Partial<Record<CallVerdict, number>> = {};
  for (const call of analysis.calls) calls[call.verdict] = (calls[call.verdict] ?? 0) + 1;
  return {
    problems,
    arch: analysis.arch.name,
    module: analysis.module,
    calls,
    unchecked: uncheckedParts(analysis, options.reference ?? null, options.file),
  };
}

/** A file that a producer left for a later step, or a mixture. */
function unfinishedProblems(file: ElfFile, options: Options): Problem[] {
  const { producer, traces } = recogniseProducer(file);
  const at = { file: options.file };
  if (producer === null) return [problem("KLP421", at, { traces })];
  if (producer === "plain" || producer === "final" || asksForNothing(file, producer)) return [];
  const what = traces[0]?.what ?? "";
  return [problem("KLP420", at, { producer, what, command: options.command ?? `klplink ${shellFile(options.file)}` })];
}
