// The page of `explain`: what each line of a log means, and where in the module it comes from.

import type { Code } from "../../definitions.ts";
import type { CandidateDocument, ProblemDocument } from "../json.ts";
import { html, type Markup, withCode } from "./markup.ts";
import { folded, page } from "./page.ts";
import { instructionTable, type ProblemStyle, placeText, problemArticle, problemList, sourceTable } from "./problem.ts";
import { stories, storyOfCode } from "./stories.ts";

/** What of a line a page shows: docs/explain.schema.json, `$defs/line`. */
export interface LineDocument {
  readonly line: string;
  readonly count: number;
  readonly by: string;
  readonly arch: string | null;
  readonly kernels: string | null;
  readonly codes: readonly Code[];
  readonly meaning: string;
  readonly help: string | null;
  readonly decoded: readonly string[];
  readonly cause: { readonly line: string; readonly how: string } | null;
  readonly doubt: string | null;
  readonly problems: readonly ProblemDocument[];
  readonly candidates: readonly CandidateDocument[];
  readonly more: number;
}

/** What `explain` found in a log. */
export interface ExplainDocument {
  readonly lines: Iterable<LineDocument>;
  /** What check finds, where the lines themselves do not say. */
  readonly errors: readonly ProblemDocument[];
  /** Kinds of lines that were too many to list, with their numbers. */
  readonly unlisted: readonly { readonly form: string; readonly count: number }[];
}

/** @param about what is said above the lines @param file the module that the lines are about; null: none was given */
export function renderExplained(
  version: string,
  document: ExplainDocument,
  about: string,
  file: string | null,
  style: ProblemStyle,
): Iterable<string> {
  const title = file === null ? "klplink: lines of a kernel's log" : `klplink: lines about ${file}`;
  return page(title, html`${about}`, explainedBody(document, file, style), version);
}

/** What stands on the page below its title. @param told codes whose meaning stands on the page already */
export function* explainedBody(
  { lines, errors, unlisted }: ExplainDocument,
  file: string | null,
  style: ProblemStyle,
  told: Set<Code> = new Set(),
): Generator<Markup> {
  const codes = new Set<Code>();
  for (const line of lines) {
    for (const code of line.codes) codes.add(code);
    yield lineSection(line, file, style);
  }
  if (unlisted.length > 0)
    yield html`<section><h2>Too many different lines to list</h2><ul>${unlisted.map(
      (u) => html`<li>${u.count} times <code>${u.form}</code></li>`,
    )}</ul></section>`;
  if (errors.length > 0) {
    for (const p of errors) codes.add(p.code);
    yield html`<section><h2>What check finds in ${file ?? "the file"}</h2>${problemList(errors, style)}</section>`;
  }
  yield* stories(codes, told);
}

function lineSection(l: LineDocument, file: string | null, style: ProblemStyle): Markup {
  const from = [l.arch, l.by, l.kernels === null ? null : `kernels ${l.kernels}`].filter((f) => f !== null).join(", ");
  const terms: [string, Markup | null][] = [
    ["From", html`${from}`],
    ["Meaning", withCode(l.meaning)],
    ["Numbers", l.decoded.length === 0 ? null : html`${l.decoded.map((d) => html`<div>${withCode(d)}</div>`)}`],
    ["Cause", l.cause === null ? null : html`${l.cause.how}: <code>${l.cause.line}</code>`],
    // Where the reason stands beside it, that line has the way out.
    ["Way out", l.help === null || l.cause !== null ? null : withCode(l.help)],
    ["Codes", l.codes.length === 0 ? null : html`${l.codes.map((c) => html`<a href="#${c}">${c}</a> `)}`],
    ["Doubt", l.doubt === null ? null : html`${l.doubt}`],
  ];
  return html`<section><h2>${l.count === 1 ? null : `${l.count} times `}<code>${l.line}</code></h2>
<dl>${terms.map(([name, what]) => (what === null ? null : html`<dt>${name}</dt><dd>${what}</dd>`))}</dl>
${problemList(l.problems, style)}${file === null ? null : places(l, file, style)}</section>`;
}

/** Where in the file a line comes from: the best place in full, others folded. */
function places(l: LineDocument, file: string, style: ProblemStyle): Markup {
  const [best, ...others] = l.candidates;
  if (best === undefined) return html`<p class="note">No place in ${file} fits this line.</p>`;
  const total = others.length + l.more;
  const list = html`<ul>${others.map((c) => html`<li><span class="code">${placeText(whereOf(c, file), style)}</span> ${c.because}</li>`)}${
    l.more === 0 ? null : html`<li>and ${l.more} more</li>`
  }</ul>`;
  const rest = total === 0 ? null : folded(`${total} other place${total === 1 ? "" : "s"}`, list);
  const head = html`<p>${best.certainty === "use" ? "It is used here" : `Place (${CERTAINTY[best.certainty] ?? best.certainty})`}: ${best.because}</p>`;
  if (best.problem !== null) return html`${head}${problemArticle(best.problem, style)}${rest}`;
  const where = whereOf(best, file);
  return html`${head}<article><p class="place">${placeText(where, style)}</p>${sourceTable(where, style)}${instructionTable(best.instructions)}</article>${rest}`;
}

const CERTAINTY: Readonly<Record<string, string>> = {
  exact: "certain",
  only: "certain: the only one that fits",
  first: "the first that the loader meets of those that fit",
  possible: "it fits",
};

const whereOf = (c: CandidateDocument, file: string) => ({
  ...c,
  file,
  fileOffset: null,
  line: null,
  functionSize: null,
  uses: null,
});

/** The page of codes that were asked for. */
export function renderStories(version: string, codes: readonly Code[]): Iterable<string> {
  const parts = codes.map((code) => html`<section><h2 id="${code}">${code}</h2>${storyOfCode(code)}</section>`);
  return page(`klplink: ${codes.join(", ")}`, html`What klplink says, and what it means.`, parts, version);
}
