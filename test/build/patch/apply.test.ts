import { describe, expect, test } from "vitest";
import { applyPatches } from "../../../src/build/patch/apply.ts";
import { PatchError } from "../../../src/build/patch/file.ts";
import { parsePatch } from "../../../src/build/patch/parse.ts";

type Tree = Readonly<Record<string, string>>;
const apply = (tree: Tree, fuzz: number, ...patches: string[]) =>
  applyPatches(
    patches.flatMap((text, i) => parsePatch(Buffer.from(text, "latin1"), `${i + 1}.patch`)),
    (path) => tree[path] ?? null,
    fuzz,
  );
function fault(tree: Tree, patch: string, fuzz = 0) {
  try {
    apply(tree, fuzz, patch);
  } catch (error) {
    if (error instanceof PatchError) return { ...error.fault, patch: error.patch, line: error.line };
    throw error;
  }
  return null;
}
const diff = (hunk: string, name = "f"): string => `--- a/${name}\n+++ b/${name}\n${hunk}`;
const text = (letters: string): string => [...letters].map((l) => `${l}\n`).join("");

describe("where a hunk goes", () => {
  const patch = diff("@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n");
  test("to the line that it names, though it fits elsewhere, too", () => {
    expect(apply({ f: text("abcdebcd") }, 0, patch)).toMatchObject({
      files: [{ text: text("abCdebcd") }],
      adjusted: [],
    });
  });
  test("to the only other place, which is told", () => {
    expect(apply({ f: text("xxabcde") }, 0, patch)).toMatchObject({
      files: [{ text: text("xxabCde") }],
      adjusted: [{ path: "f", offset: 2, fuzz: 0, line: 3 }],
    });
  });
  test("to none of several", () => {
    expect(fault({ f: text("xbcdbcd") }, patch)).toBeNull();
    expect(fault({ f: text("xxbcdbcd") }, patch)).toMatchObject({ kind: "unfit", why: "several", at: 2 });
  });
  test("nowhere, with the line that differs and the fuzz that would do", () => {
    expect(fault({ f: text("abcxe") }, patch)).toMatchObject({
      kind: "unfit",
      why: "context",
      at: 4,
      expected: "d\n",
      found: "x\n",
      fuzz: 1,
      patch: "1.patch",
      line: 3,
    });
    expect(apply({ f: text("abcxe") }, 1, patch)).toMatchObject({
      files: [{ text: text("abCxe") }],
      adjusted: [{ fuzz: 1 }],
    });
    expect(fault({ f: text("abxde") }, patch)).toMatchObject({ why: "context", at: 3, fuzz: null });
  });
  test("not where it was applied before", () => {
    expect(fault({ f: text("abCde") }, patch)).toMatchObject({ why: "applied" });
  });
  test("not without a line to compare", () => {
    expect(fault({ f: text("ab") }, diff("@@ -1,0 +2 @@\n+x\n"))).toMatchObject({ why: "bare" });
  });
  test("other ends of line are other lines", () => {
    expect(fault({ f: "a\r\nb\r\nc\r\nd\r\n" }, patch)).toMatchObject({ why: "context" });
  });
  test("the end of the file without a newline", () => {
    const last = diff("@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n");
    expect(apply({ f: "a\nb" }, 0, last).files[0]?.text).toBe("a\nc");
    expect(fault({ f: "a\nb\n" }, last)).toMatchObject({ why: "context", expected: "b", found: "b\n" });
  });
});

describe("files", () => {
  const git = (names: string, more: string): string => `diff --git ${names}\n${more}`;
  test("several patches in order, each on the one before", () => {
    const [one, two] = [diff("@@ -1 +1 @@\n-a\n+b\n"), diff("@@ -1 +1 @@\n-b\n+c\n")];
    expect(apply({ f: "a\n" }, 0, one, two).files).toMatchObject([{ path: "f", before: "a\n", text: "c\n" }]);
    expect(() => apply({ f: "a\n" }, 0, two, one)).toThrow(PatchError);
  });
  test("new, removed, renamed, copied", () => {
    const patches = [
      git("a/n b/n", "new file mode 100755\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n"),
      git("a/g b/g", "deleted file mode 100644\n--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n"),
      git("a/f b/d/f", "rename from f\nrename to d/f\n--- a/f\n+++ b/d/f\n@@ -1 +1 @@\n-a\n+b\n"),
      git("a/d/f b/c", "copy from d/f\ncopy to c\n"),
    ];
    const { files } = apply({ f: "a\n", g: "y\n" }, 0, ...patches);
    expect(Object.fromEntries(files.map((f) => [f.path, f.text]))).toEqual({
      n: "x\n",
      g: null,
      f: null,
      "d/f": "b\n",
      c: "b\n",
    });
    expect(files.find((f) => f.path === "n")?.mode).toBe(0o755);
  });
  test("that are not as the patch has them", () => {
    expect(fault({}, diff("@@ -1 +1 @@\n-a\n+b\n"))).toMatchObject({ kind: "missing", what: "absent", path: "f" });
    expect(fault({ n: "" }, git("a/n b/n", "new file mode 100644\n"))).toMatchObject({ what: "exists" });
    expect(
      fault({ g: "y\nz\n" }, git("a/g b/g", "deleted file mode 100644\n--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n")),
    ).toMatchObject({ what: "differs" });
  });
  test("a patch that comes to nothing leaves no file", () => {
    const [there, back] = [diff("@@ -1 +1 @@\n-a\n+b\n"), diff("@@ -1 +1 @@\n-b\n+a\n")];
    expect(apply({ f: "a\n" }, 0, there, back).files).toEqual([]);
  });
});
