// What `klplink explain` says of one line: as text, and as JSON.

import { append } from "../../base/lists.ts";
import { fileText, shellFile, shellWord } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import type { Code } from "../../diag/catalogue.ts";
import {
  type Concern,
  codesOf,
  concernOf,
  inCapitals,
  lineHelpOf,
  lineMeaningOf,
  type Recognised,
} from "../../diag/messages/define.ts";
import type { Cause } from "../../diag/messages/together.ts";
import type { CandidateDocument } from "../../diag/render/html/explained.ts";
import { instructionJson, toJson } from "../../diag/render/json.ts";
import { formatPlace, renderPlace, renderProblem, type TextStyle, wrap } from "../../diag/render/text.ts";
import type { Explanation, LikelyPlace } from "../../passes/explain/explain.ts";

/** Everything known about one line. */
export interface Explained {
  readonly recognised: Recognised;
  /** How often the line came, numbers included. */
  readonly count: number;
  readonly decoded: readonly string[];
  readonly findings: Explanation | null;
  /** The line beside it that is its reason. */
  readonly cause: Cause | null;
}

/** `  what:  …`, wrapped and indented. */
function labelled(label: string, text: string, { width, palette }: TextStyle): string {
  const [first, ...rest] = wrap(visible(text), Math.max(30, width - 11));
  return [`  ${palette.strong(`${label}:`.padEnd(9))}${first}`, ...rest.map((l) => `           ${l}`)].join("\n");
}

/** Which of the things that a line about a symbol can mean the file shows. */
function codesFound({ recognised, findings }: Explained): Code[] {
  const found = new Set((findings?.problems ?? []).map((p) => p.code));
  return (codesOf(recognised) ?? []).filter((c) => found.has(c));
}

/**
 * @param module the name of the file that was given
 * @param kernels the files that tell its symbols
 */
export function explainedText(
  e: Explained,
  module: string | null,
  kernels: readonly string[],
  style: TextStyle,
): string {
  const { message, fields, text, cut } = e.recognised;
  const found = codesFound(e);
  const by = message.by === "relocation" ? "module loader, applying relocations" : message.by;
  const from = [message.arch, by, message.kernels === undefined ? null : `kernels ${message.kernels}`];
  const lines = [
    `${style.palette.strong(visible(text))}${e.count > 1 ? `  (${e.count} times)` : ""}`,
    labelled("from", from.filter((f) => f != null).join(", "), style),
    ...(cut === null
      ? []
      : [labelled("cut", `the end of the line is missing; the kernel prints \`${inCapitals(cut)}\``, style)]),
    labelled("meaning", lineMeaningOf(e.recognised, found), style),
    ...e.decoded.map((d) => labelled("number", d, style)),
  ];
  if (e.cause !== null) lines.push(labelled("cause", `${e.cause.how}: \`${e.cause.line.text}\``, style));
  const help = lineHelpOf(e.recognised, found);
  // Where the reason stands beside it, that line has the way out.
  if (help !== undefined && e.cause === null) lines.push(labelled("help", help, style));
  const codes = codesOf(e.recognised);
  if (codes !== undefined) {
    const shown = (found.length > 0 ? found : codes).map((c) => `\`klplink explain ${c}\``).join(", ");
    lines.push(labelled("more", shown, style));
  }
  if (e.findings !== null) append(lines, findingsText(e.findings, module ?? "", style));
  else if (module === null && message.by !== "insmod or modprobe" && codes !== undefined) {
    const name = fields.module ?? "MODULE";
    const kernel = kernels.map((path) => ` -k ${shellFile(path)}`).join("");
    lines.push(
      labelled(
        "place",
        `\`klplink explain --module ${name}.ko${kernel} ${shellWord(text)}\` finds the very instruction`,
        style,
      ),
    );
  }
  return lines.join("\n");
}

/** What is said of a line for which the file has no place. */
function nowhere({ concerns, searched }: Explanation, file: string): string {
  const check = `\`klplink check ${shellFile(file)}\` says what it finds there`;
  if (concerns === "machine") {
    return `none in ${fileText(file)}: this line is about the kernel that runs, or what is loaded there, and no file shows that`;
  }
  if (concerns === "file") return `${fileText(file)} as a whole: this line is about no one place in it; ${check}`;
  if (!searched) return `this line does not tell enough to find its place in ${fileText(file)}; ${check}`;
  return `nothing in ${fileText(file)} fits this line: is it the file that was loaded? ${check}`;
}

function findingsText(findings: Explanation, file: string, style: TextStyle): string[] {
  const { candidates, more, problems, doubt } = findings;
  const lines: string[] = [];
  if (doubt !== null) lines.push(labelled("doubt", doubt, style));
  if (candidates.length === 0) return [...lines, labelled("place", nowhere(findings, file), style)];
  const [best, ...others] = candidates;
  if (best === undefined) return lines;
  if (best.certainty === "use") {
    const total = candidates.length + more;
    const what = best.because.startsWith("it ") ? "it is used" : `${best.because}, used`;
    lines.push(labelled("place", `${what} ${total === 1 ? "once" : `${total} times, first`}`, style), "");
    for (const p of problems) lines.push(renderProblem(p, style, false), "");
    lines.push(renderPlace(best.at, best.instructions, style));
    for (const c of others) append(lines, renderPlace(c.at, [], style).split("\n"));
    if (more > 0) lines.push(`  … and ${more} more`);
    return lines;
  }
  lines.push(
    labelled("place", `${certaintyText(best, candidates.length + more, findings.concerns)}: ${best.because}`, style),
    "",
  );
  lines.push(
    best.problem === null ? renderPlace(best.at, best.instructions, style) : renderProblem(best.problem, style, false),
  );
  if (others.length > 0) {
    const total = others.length + more;
    lines.push("", `  ${total === 1 ? "Another place fits" : `${total} other places fit`}, less well or later:`);
    for (const c of others) lines.push(`    ${formatPlace(c.at, style.folder)}\n        ${visible(c.because)}`);
    if (more > 0) lines.push(`    … and ${more} more`);
  }
  return lines;
}

function certaintyText(best: LikelyPlace, total: number, concerns: Concern): string {
  if (concerns === "file" && total === 1) return "certain";
  switch (best.certainty) {
    case "exact":
      return "certain";
    case "only":
      return "certain: the only place that fits";
    case "first":
      return `the best of ${total} that fit, and the first that the loader meets`;
    case "use":
    case "possible":
      return total === 1 ? "the only place found" : `one of ${total} that fit`;
  }
}

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
