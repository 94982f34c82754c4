// What the codes on a page mean: the whole story of each, folded, at the end of the page.

import type { Definition } from "../../define.ts";
import { type Code, catalogue } from "../../definitions.ts";
import { kernelWords, paragraphs } from "../story.ts";
import { html, type Markup, withCode } from "./markup.ts";

/** The whole story of a code, as `klplink explain CODE` tells it. */
export function storyOfCode(code: Code): Markup {
  const { explain } = catalogue[code] as Definition<unknown>;
  const words = kernelWords(code);
  const text = paragraphs(explain).map(({ isCode, lines }) =>
    isCode ? html`<pre>${lines.join("\n")}</pre>` : html`<p>${withCode(lines.join(" "))}</p>`,
  );
  const said = words.length === 0 ? null : html`<p>The kernel's words for it:</p><pre>${words.join("\n")}</pre>`;
  return html`${text}${said}`;
}

/** A section with each of the codes; nothing without any. @param told those that the page has already; these are added */
export function stories(codes: Iterable<Code>, told: Set<Code>): Markup[] {
  const used = [...new Set(codes)].filter((code) => !told.has(code)).sort();
  for (const code of used) told.add(code);
  if (used.length === 0) return [];
  const each = used.map(
    (code) => html`<details id="${code}"><summary>${code}</summary>${storyOfCode(code)}</details>
`,
  );
  return [html`<section><h2>What the codes mean</h2>${each}</section>`];
}
