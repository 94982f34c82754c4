// One page that needs nothing but itself: no script, no font, no picture from elsewhere; light or dark as the reader has it.

import { html, type Markup } from "./markup.ts";

/** How pages look. */
export const PAGE_STYLE = `:root{color-scheme:light dark;--ink:#1c2128;--faint:#57606a;--page:#fff;--card:#f6f8fa;--line:#d0d7de;--bad:#b3161b;--odd:#8a5a00;--good:#1a6b2f;--mark:#ffe3e0;--link:#0757b0;--badbox:#ffeceb;--goodbox:#e3f7e6;--oddbox:#fff4d6}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa4af;--page:#0d1117;--card:#161b22;--line:#3d444d;--bad:#ff8a80;--odd:#e3b341;--good:#6fdc8c;--mark:#4d1f1d;--link:#79b8ff;--badbox:#3a1614;--goodbox:#12301b;--oddbox:#3a2d0a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1.5rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:0 0 .3rem}
a{color:var(--link)}code,pre,.code,.place{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.86rem}
.sum,.place,.note,footer{color:var(--faint)}.place{margin:.1rem 0 .6rem}
article{border:1px solid var(--line);border-left:5px solid var(--faint);border-radius:6px;background:var(--card);padding:.8rem 1rem;margin:.8rem 0}
article.error{border-left-color:var(--bad)}article.warning{border-left-color:var(--odd)}
.level{font-weight:700}.error>h3 .level,.bad{color:var(--bad)}.warning>h3 .level,.odd{color:var(--odd)}.good{color:var(--good)}
.scroll{overflow-x:auto;margin:.4rem 0}.code{min-width:100%}.code td:last-child{width:100%}table{border-collapse:collapse}
.code td{padding:.05rem 1.2rem .05rem 0;white-space:pre;vertical-align:top;font-family:inherit}.code tr.mark td{background:var(--mark);font-weight:700}.code td:first-child{padding-left:.4rem;color:var(--faint)}
table.rows{width:100%;font-size:.92rem}.rows th,.rows td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem .4rem;border-bottom:1px solid var(--line)}
td.good{background:var(--goodbox)}td.bad{background:var(--badbox)}td.odd{background:var(--oddbox)}td.none{color:var(--faint)}
pre{white-space:pre-wrap;margin:.3rem 0;padding:.5rem .7rem;background:var(--page);border:1px solid var(--line);border-radius:4px}
dl{margin:.6rem 0 0;display:grid;grid-template-columns:9.5rem 1fr;gap:.25rem .8rem}dt{font-weight:700}dd{margin:0}
details{margin:.5rem 0}summary{cursor:pointer}svg{max-width:100%;height:auto}figure{margin:.6rem 0}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.6rem;font-size:.9rem}
@media (max-width:40rem){body{padding:.8rem}dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
@media print{:root{--page:#fff;--card:#fff;--ink:#000}body{max-width:none;padding:0}article{break-inside:avoid-page}details::details-content{content-visibility:visible;block-size:auto}a{color:inherit}}`;

/**
 * A whole page, in pieces.
 * @param title in the head, and above the page
 * @param about under the title: what the run comes to
 */
export function* page(title: string, about: Markup, body: Iterable<Markup>, version: string): Generator<string> {
  // Nothing may be loaded or run, whatever a file made of the page.
  yield html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title>
<style>`.text;
  yield `${PAGE_STYLE}</style></head>\n<body><main>\n`;
  yield html`<h1>${title}</h1>
<p class="sum">${about}</p>
`.text;
  for (const part of body) yield `${part.text}\n`;
  yield html`</main><footer>Made by klplink ${version}.</footer></body></html>
`.text;
}

/** A table with a header row. @param label what it is, for those who hear the page */
export const rowsTable = (label: string, head: readonly string[], rows: readonly Markup[]): Markup =>
  html`<div class="scroll"><table class="rows" aria-label="${label}"><thead><tr>${head.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead><tbody>
${rows.map(
  (row) => html`${row}
`,
)}</tbody></table></div>`;

/** What is shown when it is asked for. @param isOpen shown at once, and can be folded */
export const folded = (summary: Markup | string, body: Markup, isOpen = false): Markup =>
  html`<details${isOpen ? OPEN : null}><summary>${summary}</summary>${body}</details>`;

const OPEN = html` open`;
