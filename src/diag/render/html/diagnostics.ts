// The page of a run over files: what was found in each, and what it means.

import { printedRefusals } from "../../catalogue.ts";
import type { Code } from "../../definitions.ts";
import { sumOf, tallyOf, tallyText, withoutRepeats } from "../../tally.ts";
import { type FileResult, type ProblemDocument, toJson } from "../json.ts";
import { changesOf } from "./changes.ts";
import { html, type Markup } from "./markup.ts";
import { folded, page } from "./page.ts";
import { type ProblemStyle, problemList } from "./problem.ts";
import { stories } from "./stories.ts";

/** One page for all files of a run, in pieces. @param what the command, for the title */
export function renderHtml(
  version: string,
  files: readonly FileResult[],
  style: ProblemStyle & { readonly what?: string },
): Iterable<string> {
  const total = tallyOf(files.map((f) => f.problems));
  const isBad = sumOf(total.errors) > 0;
  const about = html`<span class="${isBad ? "bad" : "good"}">${tallyText(total)}</span>`;
  return page(titleOf(files, style.what), about, diagnosticsBody(files, style), version);
}

function titleOf(files: readonly FileResult[], what = "klplink"): string {
  const [first] = files;
  return `${what}: ${files.length === 1 && first !== undefined ? first.file : `${files.length} files`}`;
}

/** What stands on the page below its title. @param told codes whose meaning stands on the page already */
export function* diagnosticsBody(
  files: readonly FileResult[],
  style: ProblemStyle,
  told: Set<Code> = new Set(),
): Generator<Markup> {
  const codes = new Set<Code>();
  const clean: Markup[] = [];
  for (const file of files) {
    const printed = new Set(printedRefusals(file.problems));
    const problems = withoutRepeats(file.problems).map((p) => toJson(p, printed.has(p)));
    for (const p of problems) codes.add(p.code);
    const changes = changesOf(file.result);
    if (problems.length === 0 && changes.length === 0) {
      clean.push(html`<li>${file.file}${factsOf(file.result)}</li>`);
      continue;
    }
    // What stops the loader comes first, then other errors.
    const rank = (p: ProblemDocument): number => (p.level === "warning" ? 2 : p.first ? 0 : 1);
    const sorted = problems.sort((a, b) => rank(a) - rank(b));
    yield html`<section><h2>${file.file}</h2>${factsOf(file.result)}${problemList(sorted, style)}${changes}</section>`;
  }
  if (clean.length > 0 && clean.length === files.length)
    yield html`<p class="good">No error found.</p><ul>${clean}</ul>`;
  else if (clean.length > 0)
    yield folded(`${clean.length} file${clean.length === 1 ? "" : "s"} without an error`, html`<ul>${clean}</ul>`);
  yield* stories(codes, told);
}

/** What is known of the file beside its faults. */
function factsOf(result: FileResult["result"]): Markup | null {
  const { module, arch, output } = result;
  const facts = [
    typeof module === "string" ? `module ${module}` : null,
    typeof arch === "string" ? arch : null,
    typeof output === "string" ? `written to ${output}` : null,
  ].filter((f) => f !== null);
  return html`${facts.length === 0 ? null : html`<p class="note">${facts.join(", ")}</p>`}${uncheckedOf(result)}`;
}

function uncheckedOf({ unchecked }: FileResult["result"]): Markup | null {
  if (!Array.isArray(unchecked) || unchecked.length === 0) return null;
  return html` <span class="note">not checked: ${unchecked.filter((u) => typeof u === "string").join(", ")}</span>`;
}
