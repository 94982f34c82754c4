import { expect, test } from "vitest";
import { pageShell } from "../../src/web/shell.ts";
import { whole } from "../diag/render/html/page.ts";

test("code that would end its element is refused, licences are text", () => {
  expect(() => pageShell("f('</script>')", "1", "")).toThrow("would end");
  expect(() => pageShell("f('<!--')", "1", "")).toThrow("would end");
  expect(pageShell("f()", "1", "by <a@b>")).toContain("by &lt;a@b&gt;");
});

test("without its code the page is whole and loads nothing", () => {
  const page = pageShell("f()", "1", "none").replace(/<script>.*<\/script>/, "");
  expect(page).toContain("default-src 'none'");
  const { text, elements } = whole(page.replace(/<\/?(?:form|input|label|textarea|button|ul)\b[^>]*>/g, ""));
  expect(text).toContain("Nothing leaves this machine");
  // Each field has a label.
  expect([...page.matchAll(/<label for="(\w+)"/g)].map((m) => m[1])).toEqual(["chooser", "log"]);
  expect(elements.filter((e) => e.tagName === "h1")).toHaveLength(1);
});
