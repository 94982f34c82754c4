// Pictures of what is taken: every item is there once, nothing overlaps, and names can be anything.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { layOutGraph, SIZES } from "../../../src/cli/graph/layout.ts";
import { formOf, GRAPH_FORMS, renderGraph } from "../../../src/cli/graph/render.ts";
import { escaped } from "../../../src/cli/graph/svg.ts";
import { type Graph, graphOf, type NodeKind } from "../../../src/diff/take/graph.ts";
import { diffObjects, extractDiff, graphOfResults } from "../../../src/passes/diff/diff.ts";
import { kernelWith } from "../../diff/targetOf.ts";
import { load } from "../../helpers.ts";
import { hasHidden } from "../../hidden.ts";

/** `[label, number of the node that it is taken for]` */
function graphFrom(rows: readonly (readonly [string, number | null, NodeKind?])[]): Graph {
  return {
    nodes: rows.map(([label, from, kind], id) => ({
      ...{ id, label, size: 16, section: ".text", file: "a.o", isReplaced: from === null },
      kind: kind ?? (from === null ? "changed" : "function"),
      from: from === null ? null : { id: from, how: "uses it" },
    })),
  };
}

const SIXTY = graphFrom(
  Array.from({ length: 60 }, (_, i): [string, number | null] => [
    i % 7 === 0 ? `changed_${i}` : `needed_by_the_one_before_${i}_${"x".repeat(i)}`,
    i % 7 === 0 ? null : i % 3 === 0 ? i - (i % 7) : i - 1,
  ]),
);
const ODD = "<script>alert('1')</script>&\"\\\u0007\u{1f600}";

test("the form is told by the end of the name", () => {
  expect(["a.svg", "b.HTML", "x/y.dot", "t.txt"].map(formOf)).toEqual(["svg", "html", "dot", "txt"]);
  expect(["a.png", "svg", "a", ""].map(formOf)).toEqual([null, "svg", null, null]);
});

describe("layout", () => {
  test.each([
    ["sixty items", SIXTY],
    ["none", graphFrom([])],
    [
      "a ring",
      {
        nodes: graphFrom([
          ["a", 1],
          ["b", 0],
        ]).nodes,
      } as Graph,
    ],
    ["a chain", graphFrom(Array.from({ length: 3000 }, (_, i) => [`f${i}`, i === 0 ? null : i - 1] as const))],
  ])("%s: every node once, none over another, each in the column behind the one that it is taken for", (_, graph) => {
    const { boxes, width, height } = layOutGraph(graph);
    expect([...boxes.keys()].sort((a, b) => a - b)).toEqual(graph.nodes.map((n) => n.id));
    const list = [...boxes.values()].sort((a, b) => a.x - b.x || a.y - b.y);
    for (const [i, box] of list.entries()) {
      expect(box.x + box.width).toBeLessThanOrEqual(width);
      expect(box.y + SIZES.box).toBeLessThanOrEqual(height);
      const next = list[i + 1];
      if (next?.x === box.x) expect(next.y - box.y).toBeGreaterThanOrEqual(SIZES.box);
      const from = box.node.from === null ? undefined : boxes.get(box.node.from.id);
      if (from !== undefined && graph.nodes.length !== 2) expect(box.x).toBeGreaterThan(from.x + from.width);
    }
  });
});

describe("forms", () => {
  const graph = graphFrom([
    [ODD, null],
    ["<b>", 0],
    ["plain", 1],
  ]);

  test.each(GRAPH_FORMS)("%s has all names, and no more", (form) => {
    const text = renderGraph(SIXTY, form, "before.o → after.o");
    for (const { label } of SIXTY.nodes) expect(text).toContain(label);
    expect(renderGraph(SIXTY, form, "before.o → after.o")).toBe(text);
  });

  test.each(["svg", "html"] as const)(
    "%s: what has a meaning there is escaped, and nothing comes from elsewhere",
    (form) => {
      const text = renderGraph(graph, form, ODD);
      for (const raw of ["<script", "<b>", "\u0007"]) expect(text).not.toContain(raw);
      expect(text).toContain("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;");
      expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|@import|url\(|href=|src=/);
      // As many elements end as begin: names made none.
      const svg = text.slice(text.indexOf("<svg"), text.indexOf("</svg>") + 6);
      for (const name of ["g", "text", "title", "style"])
        expect(svg.match(new RegExp(`<${name}[ >]`, "g"))?.length, name).toBe(
          svg.match(new RegExp(`</${name}>`, "g"))?.length,
        );
      expect(svg.match(/<g class/g)).toHaveLength(3 + 2);
      expect(svg.match(/<path /g)).toHaveLength(2);
      expect(svg).toContain("prefers-color-scheme:dark");
    },
  );

  test("escaped: what XML does not have is replaced", () => {
    expect(escaped("a\u0000\ud800b\uffff")).toBe("a\ufffd\ufffdb\ufffd");
  });

  test("dot: strings end where they should", () => {
    const text = renderGraph(
      graphFrom([
        ['"];evil[label="', null],
        ["back\\", 0],
      ]),
      "dot",
      '"',
    );
    expect(text).toContain('n0 [label="\\"];evil[label=\\""');
    expect(text).toContain('n1 [label="back\\\\"');
    expect(text).toContain("n0 -> n1;");
  });

  /** Characters that have a meaning in one of the forms, that a terminal takes for a command, or that turn the direction. */
  const anyName = fc.string({
    unit: fc.constantFrom(..."ab<>&\"'\\[];={}-/!\n\r\t\u0000\u0007\u001b\u007f\u009b\u200f\u202e\u2066\ud800\uffff😀"),
    maxLength: 12,
  });

  test.each(GRAPH_FORMS)("%s: no name has a hidden character, makes a line, or ends what it stands in", (form) => {
    // What is left without names: elements with their attributes, or all but strings in quotes.
    const bones = (text: string): string =>
      form === "dot"
        ? text.replace(/"(?:[^"\\]|\\[\s\S])*"/g, '""')
        : form === "txt"
          ? `${text.split("\n").length}`
          : text.replace(/>[^<]*</g, "><");
    const picture = (a: string, b: string, title: string): string => {
      const nodes = graphFrom([
        ["a", null],
        ["b", 0],
        ["c", 1],
      ]).nodes.map((n) => ({ ...n, label: n.id === 1 ? b : a, file: a, section: b }));
      return renderGraph({ nodes }, form, title);
    };
    // Boxes are as wide as names: widths are those of names of the same length as shown.
    const measured = (text: string): string => text.replace(/-?\d+(?:\.\d+)?/g, "0");
    const plain = measured(bones(picture("a", "b", "t")));
    fc.assert(
      fc.property(anyName, anyName, anyName, (a, b, title) => {
        const text = picture(a, b, title);
        expect(text.split("\n").filter(hasHidden)).toEqual([]);
        expect(measured(bones(text))).toBe(plain);
      }),
      { numRuns: 300 },
    );
  });

  test("txt: indented by what each is taken for", () => {
    const text = renderGraph(
      graphFrom([
        ["f", null],
        ["g", 0],
        ["h", 1],
      ]),
      "txt",
      "t",
    );
    expect(text.split("\n").slice(1, 4)).toEqual([
      "* f  (changed, 16 bytes)",
      "    g  (used by f, 16 bytes)",
      "      h  (used by g, 16 bytes)",
    ]);
  });
});

test("of a real pair: what is taken, with the reasons that the closure has", async () => {
  const [orig, patched] = ["orig", "patched"].map((w) => load(`test/fixtures/diff/pairs/new-ops.x86_64.${w}.o`));
  const result = await diffObjects(
    { bytes: orig as Uint8Array, path: "orig.o" },
    { bytes: patched as Uint8Array, path: "patched.o" },
  );
  const { nodes } = graphOfResults([result]);
  const from = (label: string) => nodes[nodes.find((n) => n.label === label)?.from?.id ?? -1]?.label ?? null;
  expect([from("f"), from("fresh_ops"), from("fresh")]).toEqual([null, "f", "fresh_ops"]);
  expect(nodes.filter((n) => n.isReplaced).map((n) => n.label)).toEqual(["f"]);
  const kernel = kernelWith(orig as Uint8Array, ["ext", "outside"]);
  const { parts } = extractDiff(result, { kernel, object: "vmlinux" });
  expect(graphOf(parts.map(({ diff, inclusion }) => ({ side: diff.patched, inclusion })))).toEqual({ nodes });
});
