// Why functions are replaced, of objects that gcc made (test/fixtures/diff/cases/reasons.c, which says what changed in each function).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { reasonLines } from "../../../src/cli/commands/buildReport.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { diffObjects, extractDiffs } from "../../../src/passes/diff/diff.ts";
import { replacedReason, takenAlong } from "../../../src/passes/diff/reasons.ts";
import { root } from "../../helpers.ts";

const cases = join(root, "test/fixtures/diff/cases");
const source = readFileSync(join(cases, "reasons.c"), "utf8").split("\n");
const lineOf = (text: string): number => source.findIndex((line) => line.includes(text)) + 1;

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  const input = (side: string) => {
    const path = `reasons.${arch}.${side}.o`;
    return { bytes: readFileSync(join(cases, path)), path };
  };

  test("a function is replaced for what changed in it, in what it inlines, in clones that it calls, or for its callee", async () => {
    const result = await diffObjects(input("orig"), input("patched"));
    const { parts } = extractDiffs([{ result, object: "vmlinux" }], new Kernel({}));
    const [part] = parts;
    if (part === undefined) throw new Error("no part");
    const found = new Map(
      await Promise.all(
        part.inclusion.replaced.map(
          async ({ patched }) => [patched.name, await replacedReason(result, part, patched, "/cases")] as const,
        ),
      ),
    );
    const clone = { orig: "scale.constprop.0", patched: "scale" };
    const own = { kind: "changed", calls: null, inlined: null };
    expect([...found.keys()].sort()).toEqual(["by_clone", "by_inline", "by_site", "itself", "other"]);
    expect(found.get("by_inline")).toMatchObject({ ...own, inlined: "weight", clones: [] });
    expect(found.get("by_inline")?.difference?.source?.file).toBe("reasons.c");
    // In either form of `weight`.
    expect([lineOf("n * 3"), lineOf("n * 3") - 3, lineOf("n * 2")]).toContain(
      found.get("by_inline")?.difference?.source?.line,
    );
    expect(found.get("itself")).toMatchObject({ ...own, clones: [] });
    expect(found.get("other")).toMatchObject({ ...own, clones: [clone] });
    expect(found.get("by_clone")).toMatchObject({ ...own, clones: [clone] });
    expect(found.get("by_clone")?.difference?.source?.line).toBe(lineOf("scale(n, 7) + 1;"));
    expect(found.get("by_site")).toEqual({
      kind: "caller",
      calls: "hidden",
      difference: null,
      inlined: null,
      clones: [],
    });
    expect(takenAlong(part).sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: "calls", kind: "data", why: "used by count", for: "itself" },
      { name: "count", kind: "function", why: "used by itself", for: "itself" },
      { name: "hidden", kind: "function", why: "changed", for: null },
      {
        name: "scale",
        kind: "function",
        why: expect.stringMatching(/^used by (?:by_clone|other)$/),
        for: expect.any(String),
      },
    ]);
  });
});

test("the lines of a report", () => {
  const none = { kind: "changed", calls: null, difference: null, inlined: null, clones: [] } as const;
  const difference = { what: "code", detail: "", offset: 20, source: { file: "fs/x.c", line: 3 } };
  expect(reasonLines({ ...none, difference })).toEqual(["changed: code at +0x14 (fs/x.c:3)"]);
  expect(
    reasonLines({ ...none, inlined: "g", difference: { ...difference, offset: null, detail: "g", source: null } }),
  ).toEqual(["changed in g, which it inlines: code: g"]);
  expect(reasonLines({ ...none, kind: "caller", calls: "g\x1b" })).toEqual([
    "calls g\\x1b, which changed and has no patch site",
  ]);
  expect(reasonLines({ ...none, clones: [{ orig: "g.isra.0", patched: "g" }] })).toEqual([
    "calls g, which the compiler made in place of g.isra.0",
  ]);
});
