// The pairs of test/fixtures/diff/pairs: what follows from their sources, beside what kpatch's create-diff-object made of the same objects
// (kpatch.json; kpatch.mjs remakes it). Where the two differ, explained.ts says who is right, and why.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { root } from "../../helpers.ts";
import { explained } from "./explained.ts";

const folder = join(root, "test/fixtures/diff/pairs");
const files = new Set(readdirSync(folder));
const cases = [...files].filter((f) => f.endsWith(".c")).map((f) => f.slice(0, -2));
const ARCHITECTURES = ["x86_64", "arm64", "ppc64le"];

interface Verdict {
  /** `ended by SIGNAL` beside these. */
  readonly status: "changed" | "unchanged" | "refused" | "failed" | `ended by ${string}`;
  readonly changed: readonly string[];
  readonly new: readonly string[];
  readonly errors?: readonly string[];
}
const verdicts = JSON.parse(readFileSync(join(root, "test/golden/pairs/kpatch.json"), "utf8")) as Readonly<
  Record<string, Verdict>
>;

/** The words of a line of the case's head, without the compiler's numbers. */
const line = (name: string, what: string): string | null =>
  new RegExp(`^// ${what}:(.*)$`, "m").exec(readFileSync(join(folder, `${name}.c`), "utf8"))?.[1]?.trim() ?? null;
const listOf = (text: string | null): string[] =>
  (text ?? "").split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
const plain = (name: string): string => name.replace(/(?:\.(?:isra|constprop|part|cold|\d+))+$/, "");
const architecturesOf = (name: string): string[] => line(name, "arch")?.split(" ") ?? ARCHITECTURES;

/** Names of functions of either object. */
function functionsOf(pair: string): Set<string> {
  const found = new Set<string>();
  for (const which of ["orig", "patched"]) {
    const { symbols } = readElf(readFileSync(join(folder, `${pair}.${which}.o`)));
    if (symbols === null) continue;
    for (let i = 1; i < symbols.count; i++) if (symbols.type(i) === 2) found.add(plain(symbols.name(i)));
  }
  return found;
}

const pairs = cases.flatMap((name) => architecturesOf(name).map((arch) => ({ name, arch, pair: `${name}.${arch}` })));

describe("the corpus", () => {
  test("each case has its objects for each architecture, says which part of the design it is for, and what it expects", () => {
    for (const { name, pair } of pairs) {
      for (const which of ["orig", "patched"]) expect([...files]).toContain(`${pair}.${which}.o`);
      expect(line(name, "spec"), name).toMatch(/^[\d., ]+$/);
      for (const part of listOf(line(name, "expect"))) expect(part, name).toMatch(/^[\w/]+ (?:changed|new|removed)$/);
      expect(readFileSync(join(folder, `${name}.c`), "utf8"), name).toContain("\n// expect:");
    }
    const objects = [...files].filter((f) => f.endsWith(".o"));
    expect(objects).toHaveLength(2 * pairs.length);
    expect(cases.length).toBeGreaterThan(100);
  });

  test("what a case expects to change is in its objects: functions that are new or gone are defined on one side only", () => {
    const defined = (path: string): Set<string> => {
      const { symbols } = readElf(readFileSync(join(folder, path)));
      const found = new Set<string>();
      for (let i = 1; i < (symbols?.count ?? 0); i++)
        if (symbols !== null && symbols.sectionOf(i) !== null) found.add(plain(symbols.name(i)));
      return found;
    };
    for (const { name, pair } of pairs) {
      const [before, after] = [defined(`${pair}.orig.o`), defined(`${pair}.patched.o`)];
      for (const part of listOf(line(name, "expect"))) {
        const [item = "", status] = part.split(" ");
        // Variables of functions have the same name several times; a name may stand for something else than before.
        if (item.includes("/") || line(name, "refuse")?.includes("stands for") === true) continue;
        // Init code that is none any more is another function to the kernel.
        if (name === "init-no-more" && item === "helper") continue;
        expect([pair, item, before.has(item), after.has(item)]).toEqual([
          pair,
          item,
          status !== "new",
          status !== "removed",
        ]);
      }
    }
  });

  test("objects of a case that expects nothing differ, or the case shows nothing; self is the one that does not", () => {
    for (const { name, pair } of pairs) {
      const [before, after] = ["orig", "patched"].map((which) => readFileSync(join(folder, `${pair}.${which}.o`)));
      expect([pair, before?.equals(after ?? Buffer.alloc(0))]).toEqual([pair, name === "self"]);
    }
  });
});

describe("create-diff-object", () => {
  /** In which point kpatch and the source differ; null: in none. */
  function difference(name: string, pair: string): string | null {
    const verdict = verdicts[pair];
    if (verdict === undefined) return "it was not run";
    const refuses = line(name, "refuse") !== null;
    if (verdict.status.startsWith("ended by")) return verdict.status;
    if (verdict.status === "refused" || verdict.status === "failed") {
      return refuses ? null : `${verdict.status}: ${verdict.errors?.[0] ?? "without a word"}`;
    }
    const functions = functionsOf(pair);
    const wanted = listOf(line(name, "expect")).filter((part) => {
      const [item = "", status] = part.split(" ");
      return status !== "removed" && functions.has(item);
    });
    const found = [...verdict.changed.map((f) => `${plain(f)} changed`), ...verdict.new.map((f) => `${plain(f)} new`)];
    const sorted = (list: readonly string[]): string => [...new Set(list)].sort().join(", ");
    if (sorted(wanted) !== sorted(found))
      return `says ${sorted(found) || "nothing"} for ${sorted(wanted) || "nothing"}`;
    return refuses ? "takes what is to be refused" : null;
  }

  const differing = pairs.flatMap(({ name, arch, pair }) => {
    const what = difference(name, pair);
    return what === null ? [] : [{ name, arch, what }];
  });

  test.each(differing)("$name, $arch: $what", ({ name, arch, what }) => {
    const known = explained.filter((e) => e.cases.includes(name) && e.kpatch.test(what) && (e.arch ?? arch) === arch);
    expect(known, "explained.ts").toHaveLength(1);
  });

  test("nothing is explained that does not differ", () => {
    for (const { cases: names, kpatch, arch } of explained) {
      for (const name of names) {
        const found = differing.some((d) => d.name === name && kpatch.test(d.what) && (arch ?? d.arch) === d.arch);
        expect([name, String(kpatch), found]).toEqual([name, String(kpatch), true]);
      }
    }
  });

  test("where it agrees: two pairs of three", () => {
    expect(Object.keys(verdicts).sort()).toEqual(pairs.map((p) => p.pair).sort());
    expect(pairs.length - differing.length).toBeGreaterThan((pairs.length * 2) / 3);
  });
});
