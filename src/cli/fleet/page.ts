// The matrix as one page: a row a kernel, a column a module; below it what was found of each pair that is not good.

import { type Code, catalogue } from "../../diag/definitions.ts";
import { html, type Markup, withCode } from "../../diag/render/html/markup.ts";
import { folded, page, rowsTable } from "../../diag/render/html/page.ts";
import { stories } from "../../diag/render/html/stories.ts";
import type { Cell, Matrix } from "./document.ts";

const CLASSES: Readonly<Record<Cell["verdict"], string>> = {
  taken: "good",
  refused: "bad",
  "other-architecture": "none",
  unreadable: "odd",
};

/** @param words what each verdict is called @param total what it comes to, a line a module */
export function matrixPage(
  matrix: Matrix,
  words: Readonly<Record<Cell["verdict"], string>>,
  total: readonly string[],
): string {
  const about = html`${total.map((line, i) => html`${i === 0 ? null : html`<br>`}${line}`)}`;
  return [...page("klplink: modules and kernels", about, matrixBody(matrix, words), matrix.klplink)].join("");
}

function* matrixBody(matrix: Matrix, words: Readonly<Record<Cell["verdict"], string>>): Generator<Markup> {
  const byPair = new Map(matrix.cells.map((c) => [`${c.module}\0${c.kernel}`, c]));
  const rows = matrix.kernels.map(({ name, release, arch }) => {
    const cells = matrix.modules.map(({ file }) => {
      const cell = byPair.get(`${file}\0${name}`);
      if (cell === undefined) return html`<td></td>`;
      const why = [cell.code, cell.first].filter((t) => t !== null).join(": ");
      const more = [cell.differs.join(", "), why].filter((t) => t !== "").map((t) => html`<br><small>${t}</small>`);
      return html`<td class="${CLASSES[cell.verdict]}">${words[cell.verdict]}${more}</td>`;
    });
    const known = [release, arch].filter((t) => t !== null).join(", ");
    return html`<tr><th scope="row">${name}<br><small>${known}</small></th>${cells}</tr>`;
  });
  yield rowsTable("modules and kernels", ["kernel", ...matrix.modules.map((m) => m.file)], rows);
  const codes = new Set<Code>();
  const found = matrix.cells.filter((c) => c.problems.length > 0);
  if (found.length > 0) yield html`<h2>What was found</h2>`;
  for (const cell of found) {
    for (const { code } of cell.problems) if (isCode(code)) codes.add(code);
    const summary = `${cell.module} on ${cell.kernel}: ${cell.errors} error${cell.errors === 1 ? "" : "s"}, ${cell.warnings} warning${cell.warnings === 1 ? "" : "s"}`;
    yield folded(summary, html`${cell.problems.map(problemOf)}`);
  }
  yield* stories(codes, new Set());
}

const isCode = (code: unknown): code is Code => typeof code === "string" && Object.hasOwn(catalogue, code);
const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** One problem out of a document, which may be another version's. */
function problemOf(p: Cell["problems"][number]): Markup {
  const code = isCode(p.code) ? html`<a href="#${p.code}">${p.code}</a>` : html`${textOf(p.code)}`;
  const terms = [
    ["The kernel says", textOf(p.kernel)],
    ["Why", textOf(p.why)],
    ["Way out", textOf(p.help)],
  ] as const;
  const level = p.level === "error" ? "error" : "warning";
  const list = terms.map(([name, text], i) =>
    text === null ? null : html`<dt>${name}</dt><dd>${i === 0 ? html`<pre>${text}</pre>` : withCode(text)}</dd>`,
  );
  return html`<article class="${level}"><h3><span class="level">${level}</span> ${code}: ${textOf(p.title)}</h3><dl>${list}</dl></article>`;
}
