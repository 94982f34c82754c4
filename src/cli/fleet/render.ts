// The matrix as text, HTML, SARIF and annotations for GitHub; all from the plain document, so that merged parts look like one run.

import { visible } from "../../base/visible.ts";
import type { Definition } from "../../diag/define.ts";
import { type Code, catalogue } from "../../diag/definitions.ts";
import { wrap } from "../../diag/render/text.ts";
import type { Cell, Matrix } from "./document.ts";
import { matrixPage } from "./page.ts";

const WORDS: Readonly<Record<Cell["verdict"], string>> = {
  taken: "takes it",
  refused: "refuses it",
  "other-architecture": "other architecture",
  unreadable: "cannot be read",
};

/** Characters of a line; only a name may be longer. */
const WIDTH = 80;
/** Columns of kernels' names; a longer name has its verdict on the next line. */
const WIDEST_NAME = 44;

/** A list for each module, a kernel a line with why not below it; then what it comes to. */
export function matrixText(matrix: Matrix): string {
  const folder = commonFolder(matrix.kernels.map((k) => k.name));
  const below = folder === "" ? "" : `, kernels below ${visible(folder)}`;
  const parts = matrix.modules.map(({ file }) => {
    const cells = matrix.cells.filter((c) => c.module === file);
    const names = cells.map((c) => visible(c.kernel.slice(folder.length)));
    const width = names.reduce((most, { length }) => (length <= WIDEST_NAME ? Math.max(most, length) : most), 0);
    const rows = cells.flatMap((cell, i) => rowsOf(cell, names[i] ?? "", width));
    return [`${visible(file)}${below}:`, ...rows, ...wrap(countsText(cells), WIDTH - 2).map((l) => `  ${l}`)].join(
      "\n",
    );
  });
  return `${parts.join("\n")}\n${totalText(matrix)}${uncheckedText(matrix)}`;
}

function rowsOf(cell: Cell, name: string, width: number): string[] {
  const differs = cell.differs.length === 0 ? "" : `: ${visible(cell.differs.join(", "))}`;
  const verdict = `${WORDS[cell.verdict]}${differs}`;
  const why = visible([cell.code, cell.first].filter((t) => t !== null).join(": "));
  const indented = (text: string): string[] => wrap(text, WIDTH - 6).map((line) => `      ${line}`);
  const line = `  ${name.padEnd(width)}  ${verdict}`;
  const head = name.length <= width && line.length <= WIDTH ? [line] : [`  ${name}`, ...indented(verdict)];
  return why === "" ? head : [...head, ...indented(why)];
}

/** The folder that all kernels are below, with its last slash; empty if there is none, or only one kernel. */
function commonFolder(names: readonly string[]): string {
  const [first = "", ...rest] = names;
  if (rest.length === 0) return "";
  let folder = first.slice(0, first.lastIndexOf("/") + 1);
  while (folder !== "" && !rest.every((name) => name.startsWith(folder) && name !== folder))
    folder = folder.slice(0, folder.lastIndexOf("/", folder.length - 2) + 1);
  return folder === "/" ? "" : folder;
}

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

function countsText(cells: readonly Cell[]): string {
  return `${plural(cells.length, "kernel")}: ${verdictCounts(cells)}`;
}

function verdictCounts(cells: readonly Cell[]): string {
  const count = (verdict: Cell["verdict"]): number => cells.filter((c) => c.verdict === verdict).length;
  const words = new Map<string, number>();
  for (const word of cells.flatMap((c) => c.differs)) words.set(word, (words.get(word) ?? 0) + 1);
  const differs = [...words].sort((a, b) => b[1] - a[1]).map(([word, n]) => `${visible(word)} ${n}`);
  const why = differs.length === 0 ? "" : ` (${differs.join(", ")})`;
  const [taken, refused] = [count("taken"), count("refused")];
  const parts = [`${taken} take${taken === 1 ? "s" : ""} it`, `${refused} refuse${refused === 1 ? "s" : ""} it${why}`];
  const more = [
    [count("other-architecture"), "of another architecture"],
    [count("unreadable"), "not readable"],
  ] as const;
  for (const [n, what] of more) if (n > 0) parts.push(`${n} ${what}`);
  return parts.join(", ");
}

/** What the whole run comes to; one module says it itself. */
function totalText({ modules, kernels, cells }: Matrix): string {
  if (modules.length < 2) return "";
  const many = `${plural(modules.length, "module")} and ${plural(kernels.length, "kernel")}, ${plural(cells.length, "pair")}`;
  const found = verdictCounts(cells)
    .replace(/takes? it/, "taken")
    .replace(/refuses? it/, "refused");
  return `${wrap(`total: ${many}: ${found}`, WIDTH - 2).join("\n  ")}\n`;
}

/** What was not looked at, once, with the number of pairs. */
function uncheckedText({ cells }: Matrix): string {
  const counts = new Map<string, number>();
  for (const { unchecked } of cells) for (const part of unchecked) counts.set(part, (counts.get(part) ?? 0) + 1);
  if (counts.size === 0) return "";
  const parts = [...counts].map(([part, n]) => `${visible(part)} (${n} of ${plural(cells.length, "pair")})`);
  return `${wrap(`not checked: ${parts.join(", ")}`, WIDTH - 2).join("\n  ")}\n`;
}

/** One page that needs nothing else. */
export const matrixHtml = (matrix: Matrix): string =>
  matrixPage(
    matrix,
    WORDS,
    matrix.modules.map(({ file }) => `${file}: ${countsText(matrix.cells.filter((c) => c.module === file))}`),
  );

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

/** URIs are made of whole characters. A colon in the first part of a relative path would be a scheme's. */
function uriOf(given: string): string {
  const path = given.replace(/\p{Cs}/gu, "\ufffd").replace(/^\.\//, "");
  const encoded = encodeURI(path).replace(/[?#<>]/g, encodeURIComponent);
  if (path.startsWith("/")) return `file://${encoded}`;
  return /^[^/]*:/.test(encoded) ? `./${encoded}` : encoded;
}

const data = (text: string): string => text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
const property = (text: string): string => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");

/** One annotation for each pair that is not good, and a notice with the counts. */
export function matrixGithub(matrix: Matrix): string {
  const lines = matrix.cells.flatMap((c) => {
    if (c.verdict !== "refused" && c.verdict !== "unreadable") return [];
    const title = `${visible(c.code ?? "klplink")}: ${visible(c.kernel)} ${WORDS[c.verdict]}`;
    return [`::error file=${property(visible(c.module))},title=${property(title)}::${data(visible(c.first ?? ""))}`];
  });
  const total = matrix.modules.map(({ file }) => {
    const cells = matrix.cells.filter((c) => c.module === file);
    return `::notice title=klplink::${data(`${visible(file)}: ${countsText(cells)}`)}`;
  });
  return [...lines, ...total].map((line) => `${line}\n`).join("");
}
