// Where the nodes of a graph are drawn: a column for each step from what changed, the nodes that one needs beside it.

import { type Graph, type GraphNode, walk } from "../../diff/take/graph.ts";

/** A node with its box. Pixels. */
export interface Box {
  readonly node: GraphNode;
  /** The name as it is shown: long ones are cut in their middle. */
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export interface GraphLayout {
  readonly boxes: ReadonlyMap<number, Box>;
  readonly width: number;
  readonly height: number;
}

export const SIZES = { row: 30, box: 22, gap: 56, margin: 24, head: 96, letter: 7.4, pad: 20, most: 44 } as const;

/** @returns boxes by the nodes' numbers; none of them overlap */
export function layOutGraph(graph: Graph): GraphLayout {
  const order = walk(graph);
  const widths: number[] = [];
  const texts = new Map<number, string>();
  for (const { node, depth } of order) {
    const text = clipped(node.label);
    texts.set(node.id, text);
    widths[depth] = Math.max(widths[depth] ?? 0, boxWidth(text));
  }
  const columns: number[] = [];
  let x = SIZES.margin;
  for (const [depth, width] of widths.entries()) {
    columns[depth] = x;
    x += width + SIZES.gap;
  }
  const boxes = new Map<number, Box>();
  const rows = rowsOf(order);
  for (const { node, depth } of order) {
    const text = texts.get(node.id) ?? "";
    const y = SIZES.head + (rows.get(node.id) ?? 0) * SIZES.row;
    boxes.set(node.id, { node, text, x: columns[depth] ?? 0, y, width: boxWidth(text) });
  }
  const last = highest(rows);
  return {
    boxes,
    width: Math.max(x - SIZES.gap + SIZES.margin, MIN_WIDTH),
    height: SIZES.head + (last + 1) * SIZES.row + SIZES.margin,
  };
}

/** So wide is the legend. */
const MIN_WIDTH = 760;

const boxWidth = (text: string): number => Math.ceil(text.length * SIZES.letter) + SIZES.pad;

function highest(rows: ReadonlyMap<number, number>): number {
  let most = 0;
  for (const row of rows.values()) most = Math.max(most, row);
  return most;
}

/** A row for each node that needs nothing more; the others stand at the middle of what they need. */
function rowsOf(order: readonly { readonly node: GraphNode; readonly depth: number }[]): Map<number, number> {
  const rows = new Map<number, number>();
  let next = 0;
  /** Nodes whose own are still to come, with the rows of those that came. */
  const open: { readonly id: number; readonly depth: number; first: number; last: number }[] = [];
  const close = (depth: number): void => {
    for (let top = open.at(-1); top !== undefined && top.depth >= depth; top = open.at(-1)) {
      open.pop();
      if (top.first < 0) top.first = top.last = next++;
      const row = (top.first + top.last) / 2;
      rows.set(top.id, row);
      const above = open.at(-1);
      if (above === undefined) {
        // Between the trees of two functions.
        next += 0.4;
        continue;
      }
      if (above.first < 0) above.first = row;
      above.last = row;
    }
  };
  for (const { node, depth } of order) {
    close(depth);
    open.push({ id: node.id, depth, first: -1, last: -1 });
  }
  close(0);
  return rows;
}

/** At most {@link SIZES.most} letters. */
function clipped(name: string): string {
  const letters = [...name];
  if (letters.length <= SIZES.most) return name;
  const half = Math.floor((SIZES.most - 1) / 2);
  return `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}`;
}
