import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type DiffResult, diffObjects } from "../../src/passes/diff/diff.ts";
import { load, root } from "../helpers.ts";

const folder = "test/fixtures/diff/cases";
const files = readdirSync(join(root, folder));
const objects = files.filter((f) => f.endsWith(".orig.o")).map((f) => f.slice(0, -".orig.o".length));

/** `f changed, g new, KLP701` of the case's first lines: what follows from its source. */
function expected(name: string): string[] {
  const source = readFileSync(join(root, folder, `${name.replace(/\.[^.]+$/, "")}.c`), "utf8");
  const text = /^\/\/ expect:(.*)$/m.exec(source)?.[1] ?? "";
  return text
    .split(",")
    .flatMap((part) => (part.trim() === "" ? [] : [part.trim()]))
    .sort();
}

/** Names without the numbers of the compiler; variables of functions that are told with the function's name as that. */
const named = (name: string): string => name.replace(/\.\d+$/, "");

function found({ diff, problems }: DiffResult): string[] {
  const changes = [...diff.functions, ...diff.data].filter((c) => c.status !== "same");
  return [...new Set([...changes.map((c) => `${named(c.name)} ${c.status}`), ...problems.map((p) => p.code)])].sort();
}

const open = (name: string, which: string) => ({
  bytes: load(`${folder}/${name}.${which}.o`),
  path: `${name}.${which}.o`,
});
const diffOf = (name: string): Promise<DiffResult> => diffObjects(open(name, "orig"), open(name, "patched"));

describe.each(objects)("%s", (name) => {
  test("what the source says", async () => {
    const wanted = expected(name)
      .map((w) => w.replace(/^\w+\//, ""))
      .sort();
    const result = await diffOf(name);
    expect(found(result)).toEqual(wanted);
    expect(result.isEmpty).toBe(wanted.length === 0);
  });

  test("an object and itself are the same", async () => {
    // What the patched object of these says is about another one than itself.
    const hasNotes = /^(?:annotations|pairs|force)\./.test(name);
    for (const which of hasNotes ? ["orig"] : ["orig", "patched"]) {
      const { isEmpty, diff, problems: all } = await diffObjects(open(name, which), open(name, which));
      // The one about the form of a table is of the object, not of a difference.
      const problems = all.filter((p) => p.code !== "KLP703");
      expect({ which, isEmpty, problems, loose: diff.loose }).toEqual({
        which,
        isEmpty: true,
        problems: [],
        loose: [],
      });
    }
  });
});

test("there are cases for each architecture", () => {
  for (const arch of ["x86_64", "arm64", "ppc64le"]) {
    expect(objects.filter((o) => o.endsWith(`.${arch}`)).length).toBeGreaterThan(15);
  }
});

describe.each(["x86_64", "arm64", "ppc64le"])("first differences, %s", (arch) => {
  test("the state of a variable whose number changes stays with it", async () => {
    const { diff } = await diffOf(`static-above.${arch}`);
    const pairs = [...diff.correlation.twins].filter(([a]) => a.kind === "object").map(([a, b]) => [a.name, b.name]);
    expect(pairs).toHaveLength(3);
    // Some number is another one; otherwise the case shows nothing.
    expect(diff.data.filter((c) => c.status === "new")).toHaveLength(1);
  });

  test("a stated pair is taken, and a wrong one is refused", async () => {
    const lost = await diffOf(`static-lost.${arch}`);
    const [first] = lost.diff.correlation.lost;
    expect(first?.candidates).toHaveLength(2);
    const pair = [first?.item.name ?? "", first?.candidates[1]?.name ?? ""] as const;
    const name = `static-lost.${arch}`;
    const stated = await diffObjects(open(name, "orig"), open(name, "patched"), { pairs: [pair] });
    expect(stated.problems).toEqual([]);
    expect([...stated.diff.correlation.twins].some(([a, b]) => a.name === pair[0] && b.name === pair[1])).toBe(true);
    const wrong = await diffObjects(open(name, "orig"), open(name, "patched"), { pairs: [["nothing.1", "cnt.0"]] });
    expect(wrong.problems.map((p) => p.code)).toContain("KLP705");
  });

  test("--strict-lines takes a line number for a difference", async () => {
    const name = `line.${arch}`;
    const { diff } = await diffObjects(open(name, "orig"), open(name, "patched"), { strictLines: true });
    expect(diff.functions.filter((c) => c.status === "changed").map((c) => c.name)).toEqual(["f"]);
    expect((await diffOf(name)).diff.lineNotes).toHaveLength(1);
  });
});
