// `--graph FILE`: the form is told by the file's name.

import { cleaned, visible } from "../../base/visible.ts";
import { type Graph, walk, whyOfNode } from "../../diff/take/graph.ts";
import { escaped, svgOf } from "./svg.ts";

export const GRAPH_FORMS = ["svg", "html", "dot", "txt"] as const;
export type GraphForm = (typeof GRAPH_FORMS)[number];

/** Null: the name does not tell. */
export function formOf(path: string): GraphForm | null {
  const end = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
  return GRAPH_FORMS.find((f) => f === end) ?? null;
}

const RENDERERS = { svg: svgOf, html: htmlOf, dot: dotOf, txt: textOf } as const;

/** Hidden characters of names are made visible in each form. @param title what was compared */
export const renderGraph = (graph: Graph, form: GraphForm, title: string): string =>
  RENDERERS[form](cleaned(graph), visible(title));

/** Indented by what each is taken for. */
function textOf(graph: Graph, title: string): string {
  const lines = walk(graph).map(({ node, depth }) => {
    const mark = node.isReplaced ? "* " : "  ";
    return `${mark}${"  ".repeat(depth)}${node.label}  (${whyOfNode(graph, node)}, ${node.size} bytes)`;
  });
  return `${[title, ...lines, "", "* the kernel is told to replace it"].join("\n")}\n`;
}

/** A string of Graphviz's language: quotes and backslashes are what has a meaning in it. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

const COLOURS = {
  ...{ changed: "#ffe8c2", part: "#ffe8c2", caller: "#efe0ff", new: "#d5f5dc", function: "#ddf0ff", data: "#f0f1f3" },
  callback: "#ffe0ec",
} as const;

function dotOf(graph: Graph, title: string): string {
  const nodes = graph.nodes.map((n) => {
    const tip = quoted(whyOfNode(graph, n));
    const width = n.isReplaced ? ", penwidth=2" : "";
    return `  n${n.id} [label=${quoted(n.label)}, tooltip=${tip}, fillcolor="${COLOURS[n.kind]}"${width}];`;
  });
  const edges = graph.nodes.flatMap(({ id, from }) => (from === null ? [] : [`  n${from.id} -> n${id};`]));
  const head = `  label=${quoted(title)}; rankdir=LR; node [shape=box, style="rounded,filled", fontname="monospace"];`;
  return `${["digraph livepatch {", head, ...nodes, ...edges, "}"].join("\n")}\n`;
}

const PAGE = `:root{color-scheme:light dark}body{margin:1.5rem;font:15px/1.5 system-ui,sans-serif}figure{margin:0;overflow:auto}svg{max-width:none}table{border-collapse:collapse;margin-top:1.5rem}th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #8884}td:first-child{font-family:ui-monospace,monospace;overflow-wrap:anywhere}td.size{text-align:right}`;

function htmlOf(graph: Graph, title: string): string {
  const rows = walk(graph).map(
    ({ node }) =>
      `<tr><td>${escaped(node.label)}</td><td>${escaped(whyOfNode(graph, node))}</td><td class="size">${node.size}</td><td>${escaped(node.section)}</td><td>${escaped(node.file)}</td></tr>`,
  );
  return `${[
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`,
    `<title>${escaped(title)}</title><style>${PAGE}</style>`,
    `<figure>${svgOf(graph, title).trim()}</figure>`,
    "<table><thead><tr><th>Taken</th><th>Why</th><th>Bytes</th><th>Section</th><th>Object</th></tr></thead><tbody>",
    ...rows,
    "</tbody></table></html>",
  ].join("\n")}\n`;
}
