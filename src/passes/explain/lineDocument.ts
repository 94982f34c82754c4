// A line that was explained as plain data: docs/explain.schema.json, `$defs/line`.

import { codesOf, concernOf, lineHelpOf, lineMeaningOf } from "../../diag/messages/define.ts";
import { type CandidateDocument, instructionJson, toJson } from "../../diag/render/json.ts";
import type { LikelyPlace } from "./explain.ts";
import { codesFound, type Explained } from "./lines.ts";

/** The form of a line in JSON: docs/explain.schema.json, `$defs/line`. */
export function lineJson(e: Explained) {
  const { recognised, count, decoded, findings } = e;
  const { message, fields, text, cut } = recognised;
  const found = codesFound(e);
  return {
    line: text,
    count,
    cut,
    by: message.by,
    arch: message.arch ?? null,
    kernels: message.kernels ?? null,
    codes: codesOf(recognised) ?? [],
    fields,
    meaning: lineMeaningOf(recognised, found),
    help: lineHelpOf(recognised, found) ?? null,
    decoded,
    cause: e.cause === null ? null : { line: e.cause.line.text, how: e.cause.how },
    module: findings?.module ?? null,
    doubt: findings?.doubt ?? null,
    concerns: concernOf(recognised),
    problems: (findings?.problems ?? []).map((p) => toJson(p, false)),
    more: findings?.more ?? 0,
    candidates: (findings?.candidates ?? []).map(candidateJson),
  };
}

const candidateJson = (c: LikelyPlace): CandidateDocument => ({
  certainty: c.certainty,
  because: c.because,
  section: c.at.section ?? null,
  offset: c.at.offset ?? null,
  function: c.at.function?.name ?? null,
  functionOffset: c.at.function?.offset ?? null,
  source: c.at.source ?? [],
  instructions: c.instructions.map(instructionJson),
  problem: c.problem === null ? null : toJson(c.problem, false),
});
