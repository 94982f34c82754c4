// The matrix as text, HTML, SARIF and annotations for GitHub; all from the plain document, so that merged parts look like one run.

import { visible } from "../../base/visible.ts";
import { type Code, catalogue } from "../../diag/catalogue.ts";
import type { Definition } from "../../diag/define.ts";
import { columns } from "../files/io.ts";
import type { Cell, Matrix } from "./document.ts";

const WORDS: Readonly<Record<Cell["verdict"], string>> = {
  taken: "takes it",
  refused: "refuses it",
  "other-architecture": "other architecture",
  unreadable: "cannot be read",
};

/** A table for each module, a line a kernel; then what it comes to. */
export function matrixText(matrix: Matrix): string {
  const parts = matrix.modules.map(({ file }) => {
    const cells = matrix.cells.filter((c) => c.module === file);
    const rows = cells.map((c) => [
      `  ${visible(c.kernel)}`,
      WORDS[c.verdict],
      visible(c.differs.join(", ")),
      visible([c.code, c.first].filter((t) => t !== null).join(": ")),
    ]);
    return [`${visible(file)}:`, ...columns(rows), `  ${countsText(cells)}`].join("\n");
  });
  return `${parts.join("\n")}\n${uncheckedText(matrix)}`;
}

function countsText(cells: readonly Cell[]): string {
  const count = (verdict: Cell["verdict"]): number => cells.filter((c) => c.verdict === verdict).length;
  const kernels = `${cells.length} kernel${cells.length === 1 ? "" : "s"}`;
  const more = [
    [count("other-architecture"), "of another architecture"],
    [count("unreadable"), "not readable"],
  ] as const;
  const parts = [`${count("taken")} take it`, `${count("refused")} refuse it`];
  for (const [n, what] of more) if (n > 0) parts.push(`${n} ${what}`);
  return `${kernels}: ${parts.join(", ")}`;
}

/** What was not looked at, once, with the number of pairs. */
function uncheckedText({ cells }: Matrix): string {
  const counts = new Map<string, number>();
  for (const { unchecked } of cells) for (const part of unchecked) counts.set(part, (counts.get(part) ?? 0) + 1);
  if (counts.size === 0) return "";
  return `not checked: ${[...counts].map(([part, n]) => `${visible(part)} (${n} of ${cells.length})`).join(", ")}\n`;
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const html = (text: string): string => visible(text).replace(/[&<>"']/g, (c) => escapes[c] ?? c);
const CLASSES: Readonly<Record<Cell["verdict"], string>> = {
  taken: "good",
  refused: "bad",
  "other-architecture": "none",
  unreadable: "odd",
};

/** One page that needs nothing else. */
export function matrixHtml(matrix: Matrix): string {
  const byPair = new Map(matrix.cells.map((c) => [`${c.module}\0${c.kernel}`, c]));
  const head = matrix.modules.map(({ file }) => `<th scope="col">${html(file)}</th>`).join("");
  const rows = matrix.kernels.map(({ name, release, arch }) => {
    const cells = matrix.modules.map(({ file }) => {
      const cell = byPair.get(`${file}\0${name}`);
      if (cell === undefined) return "<td></td>";
      const why = [cell.code, cell.first].filter((t) => t !== null).join(": ");
      const more = [cell.differs.join(", "), why].filter((t) => t !== "").map((t) => `<br><small>${html(t)}</small>`);
      return `<td class="${CLASSES[cell.verdict]}">${WORDS[cell.verdict]}${more.join("")}</td>`;
    });
    const about = [release, arch].filter((t) => t !== null).join(", ");
    return `<tr><th scope="row">${html(name)}<br><small>${html(about)}</small></th>${cells.join("")}</tr>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>klplink: modules and kernels</title>
<style>body{font:14px sans-serif}table{border-collapse:collapse}td,th{border:1px solid #999;padding:4px 8px;text-align:left;vertical-align:top}
.good{background:#dfd}.bad{background:#fdd}.odd{background:#ffd}.none{background:#eee}</style></head>
<body><table><thead><tr><th scope="col">kernel</th>${head}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table><p>klplink ${html(matrix.klplink)}</p></body></html>
`;
}

const explainOf = (code: string): string =>
  (catalogue[code as Code] as Definition<unknown> | undefined)?.explain ?? code;
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** SARIF 2.1.0: one result for each problem of each pair. */
export function matrixSarif(matrix: Matrix): Record<string, unknown> {
  const results = matrix.cells.flatMap((cell) =>
    cell.problems.map((p) => ({
      ruleId: textOf(p.code),
      level: p.level === "error" ? "error" : "warning",
      message: {
        text: `${cell.kernel}: ${textOf(p.title)}.${p.kernel === null ? "" : `\nThe kernel says: ${textOf(p.kernel)}`}`,
      },
      locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(cell.module) } } }],
      partialFingerprints: { "klplink-matrix/v1": [p.code, cell.module, cell.kernel, p.title].join("|") },
      properties: { kernel: cell.kernel, differs: cell.differs },
    })),
  );
  const used = [...new Set(results.map((r) => r.ruleId))].sort();
  const rules = used.map((id) => ({ id, fullDescription: { text: explainOf(id) } }));
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "klplink", version: matrix.klplink, rules } },
        columnKind: "unicodeCodePoints",
        results,
      },
    ],
  };
}

const uriOf = (path: string): string =>
  path.startsWith("/") ? `file://${encodeURI(path)}` : encodeURI(path).replace(/[?#]/g, encodeURIComponent);

const data = (text: string): string => text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
const property = (text: string): string => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");

/** One annotation for each pair that is not good, and a notice with the counts. */
export function matrixGithub(matrix: Matrix): string {
  const lines = matrix.cells.flatMap((c) => {
    if (c.verdict !== "refused" && c.verdict !== "unreadable") return [];
    const title = `${c.code ?? "klplink"}: ${visible(c.kernel)} ${WORDS[c.verdict]}`;
    return [`::error file=${property(c.module)},title=${property(title)}::${data(visible(c.first ?? ""))}`];
  });
  const total = matrix.modules.map(({ file }) => {
    const cells = matrix.cells.filter((c) => c.module === file);
    return `::notice title=klplink::${data(`${visible(file)}: ${countsText(cells)}`)}`;
  });
  return [...lines, ...total].map((line) => `${line}\n`).join("");
}
