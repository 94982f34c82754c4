// Pages as a browser reads them (parse5, which follows the HTML standard's own algorithm).

import { parse, type DefaultTreeAdapterTypes as Tree } from "parse5";
import { expect } from "vitest";

/** All elements of a page, in its order. */
export function elementsOf(node: Tree.Node): Tree.Element[] {
  const own = "tagName" in node ? [node] : [];
  const children = "childNodes" in node ? node.childNodes : [];
  return [...own, ...children.flatMap(elementsOf)];
}

/** All text of a page, styles aside. */
export function textOf(node: Tree.Node): string {
  if ("value" in node) return node.value;
  if ("tagName" in node && node.tagName === "style") return "";
  return "childNodes" in node ? node.childNodes.map(textOf).join("") : "";
}

/** Elements that a page of klplink may have. */
const ELEMENTS = new Set(
  "html head meta title style body main footer section article h1 h2 h3 p span a code pre div table thead tbody tr th td ul li dl dt dd details summary figure svg path rect text b br small".split(
    " ",
  ),
);

/** A page without an error, that loads and runs nothing; its text and elements. */
export function whole(page: string): { readonly text: string; readonly elements: readonly Tree.Element[] } {
  const errors: string[] = [];
  const tree = parse(page, { onParseError: (e) => errors.push(`${e.code} at ${e.startLine}:${e.startCol}`) });
  expect(errors).toEqual([]);
  const elements = elementsOf(tree);
  expect([...new Set(elements.map((e) => e.tagName))].filter((name) => !ELEMENTS.has(name))).toEqual([]);
  const ids = elements.flatMap((e) => e.attrs.filter((a) => a.name === "id").map((a) => a.value));
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  for (const { tagName, attrs } of elements) {
    for (const { name, value } of attrs) {
      expect(/^on|^src|^style$|^srcset|^data$/.test(name), `${tagName} has ${name}`).toBe(false);
      // A link leads to a place of the page.
      if (name === "href" || name === "xlink:href") expect(ids).toContain(value.replace(/^#/, ""));
    }
  }
  return { text: textOf(tree), elements };
}
