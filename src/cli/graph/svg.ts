// The graph as SVG, light or dark as the reader has it; nothing in it comes from elsewhere.

import { type Graph, type NodeKind, whyOfNode } from "../../diff/take/graph.ts";
import { type Box, layOutGraph, SIZES } from "./layout.ts";

/** Text in XML. Characters that XML does not have (control characters, halves of pairs) are replaced. */
export const escaped = (text: string): string =>
  [...text]
    .map((c) => {
      const code = c.codePointAt(0) ?? 0;
      const isNone = code < 0x20 || (code >= 0xd800 && code < 0xe000) || code === 0xfffe || code === 0xffff;
      return isNone ? "\ufffd" : (ENTITIES.get(c) ?? c);
    })
    .join("");

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

const LEGEND: readonly (readonly [NodeKind, string])[] = [
  ["changed", "changed"],
  ["caller", "caller in its place"],
  ["new", "new, global"],
  ["function", "function it needs"],
  ["data", "data it needs"],
  ["part", "split-off part"],
  ["callback", "callback"],
];

/** Colours: page, letters, faint letters, lines, then fill and line of each kind. */
interface Palette {
  readonly page: string;
  readonly ink: string;
  readonly faint: string;
  readonly line: string;
  readonly kinds: readonly (readonly [NodeKind, string, string])[];
}

const LIGHT: Palette = {
  ...{ page: "#ffffff", ink: "#1c2128", faint: "#59636e", line: "#8c959f" },
  kinds: [
    ["changed", "#ffe8c2", "#bc6c00"],
    ["part", "#ffe8c2", "#bc6c00"],
    ["caller", "#efe0ff", "#8250df"],
    ["new", "#d5f5dc", "#1a7f37"],
    ["function", "#ddf0ff", "#0969da"],
    ["data", "#f0f1f3", "#6e7781"],
    ["callback", "#ffe0ec", "#bf3989"],
  ],
};
const DARK: Palette = {
  ...{ page: "#0d1117", ink: "#e6edf3", faint: "#9198a1", line: "#6e7681" },
  kinds: [
    ["changed", "#4a2f06", "#e3a008"],
    ["part", "#4a2f06", "#e3a008"],
    ["caller", "#33215a", "#a371f7"],
    ["new", "#0f3d1e", "#3fb950"],
    ["function", "#0c2d52", "#4493f8"],
    ["data", "#22272e", "#7d8590"],
    ["callback", "#4d1330", "#db61a2"],
  ],
};

// No variables: not every program that draws SVG has them.
const coloured = ({ page, ink, faint, line, kinds }: Palette): string =>
  `.k .page{fill:${page}}.k text{fill:${ink}}.k .small{fill:${faint}}.k path{stroke:${line}}${kinds.map(([kind, fill, edge]) => `.k .${kind} rect.n{fill:${fill};stroke:${edge}}`).join("")}`;

const STYLE = [
  '.k text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}',
  '.k .title{font:600 16px system-ui,"DejaVu Sans",sans-serif}.k .small{font:12px system-ui,"DejaVu Sans",sans-serif}',
  ".k path{fill:none;stroke-width:1.3}.k rect.n{stroke-width:1.2}.k .part rect.n{stroke-dasharray:4 3}",
  ".k .replaced rect.n{stroke-width:2.6}.k .replaced text{font-weight:700}",
  coloured(LIGHT),
  `@media (prefers-color-scheme:dark){${coloured(DARK)}}`,
].join("\n");

/** @param title of the picture: what was compared */
export function svgOf(graph: Graph, title: string): string {
  const { boxes, width, height } = layOutGraph(graph);
  const replaced = graph.nodes.filter((n) => n.isReplaced).length;
  const told = `${replaced} function${replaced === 1 ? "" : "s"} to replace (bold), ${graph.nodes.length} items taken`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" class="k" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title><style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="title" x="${SIZES.margin}" y="30">${escaped(shortened(title))}</text>`,
    `<text class="small" x="${SIZES.margin}" y="50">${escaped(told)}</text>`,
    legend(graph),
  ];
  for (const box of boxes.values()) {
    const from = box.node.from === null ? undefined : boxes.get(box.node.from.id);
    if (from !== undefined) parts.push(edge(from, box));
  }
  for (const box of boxes.values()) parts.push(nodeOf(graph, box));
  return `${parts.join("\n")}\n</svg>\n`;
}

const MOST_OF_TITLE = 84;
const shortened = (title: string): string =>
  title.length <= MOST_OF_TITLE ? title : `…${title.slice(title.length - MOST_OF_TITLE + 1)}`;

function legend(graph: Graph): string {
  const used = new Set(graph.nodes.map((n) => n.kind));
  const found: string[] = [];
  let x: number = SIZES.margin;
  for (const [kind, text] of LEGEND) {
    if (!used.has(kind)) continue;
    found.push(
      `<g class="${kind}"><rect class="n" rx="4" x="${x}" y="62" width="14" height="14"/></g><text class="small" x="${x + 20}" y="73">${text}</text>`,
    );
    x += 44 + text.length * 6.4;
  }
  return found.join("\n");
}

function edge(from: Box, to: Box): string {
  const [x1, y1] = [from.x + from.width, from.y + SIZES.box / 2];
  const [x2, y2] = [to.x, to.y + SIZES.box / 2];
  // Straight as far as the column's widest box goes, then a curve into the next column.
  const bend = Math.max(x1, x2 - SIZES.gap);
  const middle = (bend + x2) / 2;
  return `<path d="M${x1} ${y1}H${bend}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}"/>`;
}

function nodeOf(graph: Graph, { node, text, x, y, width }: Box): string {
  const classes = `${node.kind}${node.isReplaced ? " replaced" : ""}`;
  const told = `${node.label}: ${whyOfNode(graph, node)}; ${node.size} bytes of ${node.section}, ${node.file}`;
  return `<g class="${classes}"><title>${escaped(told)}</title><rect class="n" rx="5" x="${x}" y="${y}" width="${width}" height="${SIZES.box}"/><text x="${x + SIZES.pad / 2}" y="${y + 15}">${escaped(text)}</text></g>`;
}
