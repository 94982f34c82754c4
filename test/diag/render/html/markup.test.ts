import fc from "fast-check";
import { parse } from "parse5";
import { expect, test } from "vitest";
import { visible } from "../../../../src/base/visible.ts";
import { html, withCode } from "../../../../src/diag/render/html/markup.ts";
import { elementsOf, textOf } from "./page.ts";

/** Pieces of text that could be taken for HTML, among any others. */
const text = fc
  .array(
    fc.oneof(
      fc.string(),
      fc.constantFrom("<script>", "</td>", '"', "'", "&lt;", "&", "-->", "<!--", "\u202e", "\x1b[31m", "`"),
    ),
  )
  .map((parts) => parts.join(""));

test("a text is text wherever it is put, and whole", () => {
  fc.assert(
    fc.property(text, text, (inside, attribute) => {
      const page = html`<!doctype html><html><head><title>t</title></head><body><p title="${attribute}">${inside}</p></body></html>`;
      const errors: string[] = [];
      const tree = parse(page.text, { onParseError: (e) => errors.push(e.code) });
      expect(errors).toEqual([]);
      const names = elementsOf(tree).map((e) => e.tagName);
      expect(names).toEqual(["html", "head", "title", "body", "p"]);
      const p = elementsOf(tree).find((e) => e.tagName === "p");
      expect(p?.attrs.map((a) => a.name)).toEqual(["title"]);
      // What can be seen is the same; what cannot stands there as \x1b or \u202e.
      const [value = ""] = p?.attrs.map((a) => a.value) ?? [];
      expect(value).toBe(visible(attribute));
      expect(textOf(tree)).toBe(`t${visible(inside)}`);
    }),
  );
});

test("what a template is given comes out as it was", () => {
  const name = `a<b>&"c'd`;
  const page = html`<p title="${name}">${name} ${3}${null}${[html`<b>x</b>`, "<i>"]}</p>`;
  expect(page.text).toBe('<p title="a&lt;b&gt;&amp;&quot;c&#39;d">a&lt;b&gt;&amp;&quot;c&#39;d 3<b>x</b>&lt;i&gt;</p>');
});

test("words in backticks are code, and are text", () => {
  expect(withCode("run `a <b>` now").text).toBe("run <code>a &lt;b&gt;</code> now");
  expect(withCode("one ` alone").text).toBe("one ` alone");
});
