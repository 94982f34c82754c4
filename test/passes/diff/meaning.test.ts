// What a change says to those that are not in the livepatch: the diagnostics that follow from the source of each case, and no others.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { helpOf, levelOf, type Problem, titleOf, whyOf } from "../../../src/diag/catalogue.ts";
import { diffObjects } from "../../../src/passes/diff/diff.ts";
import { load, root } from "../../helpers.ts";

const folder = "test/fixtures/diff/meaning";
const objectsIn = (path: string): string[] =>
  readdirSync(join(root, path))
    .filter((f) => f.endsWith(".orig.o"))
    .map((f) => f.slice(0, -".orig.o".length));
const diffOf = (path: string, pair: string) =>
  diffObjects(
    { bytes: load(`${path}/${pair}.orig.o`), path: "orig.o" },
    { bytes: load(`${path}/${pair}.patched.o`), path: "patched.o" },
  );
const sourceOf = (path: string, pair: string): string =>
  readFileSync(join(root, path, `${pair.replace(/\.[^.]+$/, "")}.c`), "utf8");
const isMeaning = (p: Problem): boolean => p.code >= "KLP725" && p.code < "KLP745";

interface Wanted {
  readonly code: string;
  readonly name: string;
  readonly text: string;
}
const wantedOf = (source: string): Wanted[] =>
  [...source.matchAll(/^\/\/ say: (\w+) (.*?)(?:: (.*))?$/gm)].map(([, code = "", name = "", text = ""]) => ({
    code,
    name,
    text,
  }));
const isWanted = (p: Problem, { code, name, text }: Wanted): boolean =>
  p.code === code && titleOf(p).includes(`\`${name}\``) && `${titleOf(p)} ${whyOf(p)}`.includes(text);

describe.each(objectsIn(folder))("%s", (pair) => {
  test("what the source says, and nothing else", async () => {
    const wanted = wantedOf(sourceOf(folder, pair));
    const found: readonly Problem[] = (await diffOf(folder, pair)).problems.filter(isMeaning);
    expect(wanted.filter((w) => !found.some((p) => isWanted(p, w)))).toEqual([]);
    const more = found.filter((p) => !wanted.some((w) => isWanted(p, w)));
    expect(more.map((p) => `${p.code} ${titleOf(p)}`)).toEqual([]);
    for (const p of found) expect(helpOf(p), p.code).not.toBe("");
  });
});

describe("the corpus of source changes", () => {
  test.each(objectsIn("test/fixtures/diff/pairs"))("%s", async (pair) => {
    const path = "test/fixtures/diff/pairs";
    const source = sourceOf(path, pair);
    const named = [...source.matchAll(/^\/\/ (?:warn|note): (.*)$/gm)].flatMap(([, names = ""]) => names.split(" "));
    const { problems } = await diffOf(path, pair);
    const says = /^\/\/ says: (.*)$/m.exec(source)?.[1]?.split(" ") ?? [];
    const refused = /^\/\/ refuse: (.*)$/m.exec(source)?.[1] ?? null;
    const isSaid = (p: Problem): boolean => says.includes(p.code) || (refused !== null && titleOf(p).includes(refused));
    for (const p of problems.filter((q) => isMeaning(q) && !isSaid(q)))
      expect(
        named.some((n) => titleOf(p).includes(n)),
        `${p.code} ${titleOf(p)}`,
      ).toBe(true);
    for (const [, name = ""] of source.matchAll(/^\/\/ warn: (.*)$/gm))
      expect(
        problems
          .filter((p) => levelOf(p) === "warning")
          .map(titleOf)
          .join(),
        pair,
      ).toContain(name);
  });
});

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a layout has the line of its declaration, and the functions that use it", async () => {
    const source = sourceOf(folder, `layout.${arch}`).split("\n");
    const { problems } = await diffOf(folder, `layout.${arch}`);
    for (const p of problems.filter((q) => q.code === "KLP725")) {
      const [place] = p.at.source ?? [];
      const name = p.code === "KLP725" ? p.data.name : "";
      expect(place?.file).toMatch(/layout\.c$/);
      expect(source[(place?.line ?? 0) - 1], name).toContain(name === "tagless" ? "typedef struct" : name);
    }
    const grew = problems.find((p) => p.code === "KLP725" && p.data.name === "struct grew");
    // h only reads what is in front of it: its code is the same.
    expect(grew?.data).toMatchObject({ holders: ["struct holder"], changed: ["f"], unchanged: ["h"] });
  });

  test.each(["holders", "holders-btf"])(
    "%s: what holds a struct and is as large as before is named, with its users",
    async (name) => {
      const { problems } = await diffOf(folder, `${name}.${arch}`);
      const told = problems.flatMap((p) => (p.code === "KLP725" ? [p.data] : []));
      expect(told.map(({ members: _members, sizes: _sizes, isGrowth: _grew, scope: _scope, ...rest }) => rest)).toEqual(
        [
          {
            name: "struct turned",
            holders: ["struct outer", "union either", "struct outermost"],
            changed: ["inner", "deep"],
            unchanged: ["beside", "whole"],
          },
          { name: "struct small", holders: ["struct padded"], changed: ["padding"], unchanged: [] },
          // What changed itself is told by itself.
          { name: "struct moved", holders: [], changed: [], unchanged: [] },
          { name: "struct changed", holders: [], changed: ["grown"], unchanged: [] },
        ],
      );
    },
  );
});

test("without debug information nothing is said of types, and that is told", async () => {
  const { meaning } = await diffOf(folder, "exports.x86_64");
  expect(meaning?.types).toBeNull();
});
