// What a livepatch takes along and why, as a graph: each item with the one that first needed it.

import { printable } from "../../base/bytes.ts";
import type { Item } from "../canon/unit.ts";
import type { Side } from "../compare/compare.ts";
import type { Inclusion, InclusionReason } from "./include.ts";

export type NodeKind = "changed" | "new" | "caller" | "callback" | "part" | "function" | "data";

export interface GraphNode {
  /** Position in {@link Graph.nodes}. */
  readonly id: number;
  readonly label: string;
  readonly kind: NodeKind;
  /** Whether the kernel is told to replace it. */
  readonly isReplaced: boolean;
  /** Bytes. */
  readonly size: number;
  readonly section: string;
  /** The object that it is from. */
  readonly file: string;
  /** The node that it is taken for, and in what way; null: for itself. */
  readonly from: { readonly id: number; readonly how: string } | null;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
}

/** What a graph is made of, for each object of the patch. */
export interface GraphPart {
  readonly side: Side;
  readonly inclusion: Inclusion;
}

/** Names in it are printable. */
export function graphOf(parts: readonly GraphPart[]): Graph {
  const nodes: GraphNode[] = [];
  for (const { side, inclusion } of parts) {
    const ids = new Map<Item, number>();
    const replaced = new Set(inclusion.replaced.map((r) => r.patched));
    for (const item of inclusion.items.keys()) ids.set(item, nodes.length + ids.size);
    for (const [item, reason] of inclusion.items) {
      const source = sourceOf(reason);
      const id = source === null ? undefined : ids.get(source.item);
      nodes.push({
        id: nodes.length,
        label: item.name === "" ? `(${printable(side.unit.sectionName(item))})` : printable(item.name),
        kind: kindOf(item, reason),
        isReplaced: replaced.has(item),
        size: item.end - item.start,
        section: printable(side.unit.sectionName(item)),
        file: printable(side.unit.path),
        from: id === undefined || source === null ? null : { id, how: source.how },
      });
    }
  }
  return { nodes };
}

function kindOf(item: Item, reason: InclusionReason): NodeKind {
  if (reason.kind === "changed" || reason.kind === "caller" || reason.kind === "callback" || reason.kind === "part")
    return reason.kind;
  if (reason.kind === "new") return "new";
  return item.kind === "function" ? "function" : "data";
}

function sourceOf(reason: InclusionReason): { item: Item; how: string } | null {
  switch (reason.kind) {
    case "part":
      return { item: reason.of, how: "part of it" };
    case "caller":
      return { item: reason.of, how: "calls it, and it has no patch site" };
    case "used":
      return { item: reason.by, how: "uses it" };
    default:
      return null;
  }
}

/** Why a node is there, in words. */
export function whyOfNode({ nodes }: Graph, node: GraphNode): string {
  const source = node.from === null ? null : (nodes[node.from.id]?.label ?? "");
  switch (node.kind) {
    case "changed":
    case "new":
      return node.kind;
    case "callback":
      return "a callback of the livepatch";
    case "part":
      return `part of ${source ?? "a function"}`;
    case "caller":
      return `calls ${source ?? "a function"}, which has no patch site`;
    default:
      return source === null ? "used" : `used by ${source}`;
  }
}

/** Nodes in the order of a walk from each that is there for itself, with their depth; each once. */
export function walk({ nodes }: Graph): { readonly node: GraphNode; readonly depth: number }[] {
  const below = new Map<number, GraphNode[]>();
  for (const node of nodes) {
    if (node.from === null) continue;
    const list = below.get(node.from.id);
    if (list === undefined) below.set(node.from.id, [node]);
    else list.push(node);
  }
  const found: { node: GraphNode; depth: number }[] = [];
  const seen = new Set<number>();
  const visit = (root: GraphNode): void => {
    const stack = [{ node: root, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.node.id)) continue;
      seen.add(next.node.id);
      found.push(next);
      for (const node of [...(below.get(next.node.id) ?? [])].reverse()) stack.push({ node, depth: next.depth + 1 });
    }
  };
  for (const node of nodes) if (node.from === null) visit(node);
  // Nothing is left out, whatever the reasons were.
  for (const node of nodes) if (!seen.has(node.id)) visit(node);
  return found;
}
