// The check pass: what a kernel would do with the module as it stands. Nothing is written.

import { analyse, callProblems, islandProblems, type Options, unconvertedProblems } from "./analysis.ts";
import { levelOf, type Problem } from "./diag/catalogue.ts";
import type { CallVerdict } from "./klp/calls.ts";

export interface CheckResult {
  readonly problems: readonly Problem[];
  readonly arch: string;
  readonly module: string;
  /** Number of REL24 calls by verdict; empty where calls need no audit. */
  readonly calls: Readonly<Partial<Record<CallVerdict, number>>>;
}

/** @throws Unusable if the input cannot be read. */
export function check(bytes: Uint8Array, options: Options): CheckResult {
  const analysis = analyse(bytes, options);
  const problems = [
    ...analysis.problems,
    ...unconvertedProblems(analysis, options),
    ...callProblems(analysis, options),
    ...islandProblems(analysis, options).filter((p) => levelOf(p) === "error"),
  ];
  const calls: Partial<Record<CallVerdict, number>> = {};
  for (const call of analysis.calls) calls[call.verdict] = (calls[call.verdict] ?? 0) + 1;
  return {
    problems,
    arch: analysis.arch.name,
    module: analysis.module,
    calls,
  };
}
