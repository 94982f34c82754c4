import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PatchError } from "../../../src/build/patch/file.ts";
import { parsePatch } from "../../../src/build/patch/parse.ts";

const parse = (text: string, count = 1) => parsePatch(Buffer.from(text, "latin1"), "x.patch", count);
/** The fault of a patch, and the line that it is said of. */
function fault(text: string, count = 1) {
  try {
    parse(text, count);
  } catch (error) {
    if (error instanceof PatchError) return { ...error.fault, line: error.line };
    throw error;
  }
  return null;
}
const HUNK = "@@ -1 +1 @@\n-a\n+b\n";
const plain = (old: string, now = old): string => `--- a/${old}\n+++ b/${now}\n`;

// What git and diff write: git 2.39 (diff-format.txt), GNU diffutils 3.8.
describe("what is read", () => {
  test("a mail of git format-patch: text before, the signature behind", () => {
    const text = `From 1 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\nWhy.\n---\n f.c | 2 +-\n\ndiff --git a/f.c b/f.c\nindex 1..2 100644\n${plain("f.c")}${HUNK}-- \n2.39.2\n\n`;
    expect(parse(text)).toMatchObject([{ kind: "change", from: "f.c", to: "f.c", mode: null, line: 8 }]);
    expect(parse(text)[0]?.hunks).toEqual([
      {
        oldStart: 1,
        newStart: 1,
        line: 12,
        lines: [
          { kind: "-", text: "a\n" },
          { kind: "+", text: "b\n" },
        ],
      },
    ]);
  });

  test("renames, copies, modes, and files without content", () => {
    const git = (more: string, names = "a/x b/x"): string => `diff --git ${names}\n${more}`;
    expect(parse(git("similarity index 100%\nrename from x\nrename to d/y\n", "a/x b/d/y"))).toMatchObject([
      { kind: "renamed", from: "x", to: "d/y" },
    ]);
    expect(parse(git("copy from x\ncopy to y\n", "a/x b/y"))).toMatchObject([{ kind: "copied", from: "x", to: "y" }]);
    expect(parse(git("old mode 100644\nnew mode 100755\n"))).toMatchObject([{ kind: "change", mode: 0o755 }]);
    expect(parse(git("new file mode 100644\nindex 0000000..e69de29\n", "a/x y b/x y"))).toMatchObject([
      { kind: "new", to: "x y", mode: 0o644 },
    ]);
    expect(parse(git("deleted file mode 100644\n"))).toMatchObject([{ kind: "removed", from: "x" }]);
  });

  test("quoted names, as bytes", () => {
    const name = '"a/\\303\\244 \\"t\\".c"';
    expect(parse(`--- ${name}\n+++ ${name.replace("a/", "b/")}\n${HUNK}`)[0]?.to).toBe('\xc3\xa4 "t".c');
    expect(parse(`diff --git ${name} ${name}\nold mode 100644\nnew mode 100755\n`)[0]?.to).toBe('\xc3\xa4 "t".c');
  });

  test("times of diff; the epoch is a file that is not there", () => {
    const time = "\t2026-01-02 03:04:05.000000000 +0200";
    const none = "\t1970-01-01 01:00:00.000000000 +0100";
    expect(parse(`--- a/f.c${time}\n+++ b/f.c${time}\n${HUNK}`)[0]).toMatchObject({ kind: "change", to: "f.c" });
    expect(parse(`--- a/f.c${none}\n+++ b/f.c${time}\n@@ -0,0 +1 @@\n+b\n`)[0]).toMatchObject({ kind: "new" });
    expect(parse(`--- a/f.c${time}\n+++ b/f.c${none}\n@@ -1 +0,0 @@\n-b\n`)[0]).toMatchObject({ kind: "removed" });
  });

  test("two files beside each other", () => {
    expect(parse(`--- t/f.c.orig\n+++ t/f.c\n${HUNK}`)[0]).toMatchObject({ to: "f.c", other: "f.c.orig" });
  });

  test("a line without its newline; an empty line that lost its space; ends that a mail made", () => {
    const lines = (text: string) => parse(`${plain("f")}${text}`)[0]?.hunks[0]?.lines;
    expect(lines("@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n")).toEqual([
      { kind: "-", text: "a" },
      { kind: "+", text: "b\n" },
    ]);
    expect(lines("@@ -1,2 +1,2 @@\n\n-a\n+b\n")?.[0]).toEqual({ kind: " ", text: "\n" });
    expect(parse(`--- a/f\r\n+++ b/f\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n`)[0]?.hunks[0]?.lines[0]?.text).toBe("a\n");
    expect(lines("@@ -1 +1 @@\n-a\r\n+b\r\n")?.[0]?.text).toBe("a\r\n");
  });

  test("how many parts are cut off", () => {
    expect(parse(`--- fs/f.c\n+++ fs/f.c\n${HUNK}`, 0)[0]?.to).toBe("fs/f.c");
    expect(parse(`--- x/y/fs/f.c\n+++ x/y/fs/f.c\n${HUNK}`, 2)[0]?.to).toBe("fs/f.c");
  });
});

describe("what is refused", () => {
  test.each([
    ["a hunk that is cut off", `${plain("f")}@@ -1,3 +1,3 @@\n-a\n+c\n`, { kind: "malformed", line: 3 }],
    ["a hunk that is longer than it says", `${plain("f")}${HUNK}+c\n`, { kind: "malformed", line: 6 }],
    ["a hunk with a line of another kind", `${plain("f")}@@ -1,2 +1,2 @@\n-a\nx\n`, { kind: "malformed", line: 5 }],
    ["names without a hunk", plain("f"), { kind: "malformed", line: 3 }],
    ["a hunk without names", HUNK, { kind: "malformed", line: 1 }],
    ["a context diff", "*** a/f\n--- b/f\n***************\n*** 1 ****\n", { kind: "malformed", line: 1 }],
    ["a merge", "diff --cc f\n", { kind: "malformed", line: 1 }],
    ["a new file with old lines", `--- /dev/null\n+++ b/f\n${HUNK}`, { kind: "malformed", line: 1 }],
    ["a way out", plain("../f") + HUNK, { kind: "path", path: "../f" }],
    ["a way out, behind a folder", plain("d/../../f") + HUNK, { kind: "path" }],
    ["a path of the system", `--- a//etc/f\n+++ /etc/passwd\n${HUNK}`, null],
    [
      "a rename out of the tree",
      "diff --git a/x b/y\nrename from x\nrename to /etc/y\n",
      { kind: "path", path: "/etc/y" },
    ],
    ["git's own folder", plain(".git/config") + HUNK, { kind: "path" }],
    ["a name with nothing to cut off", `--- f\n+++ f\n${HUNK}`, { kind: "path", path: "f" }],
    ["a control character", `--- "a/x\\n"\n+++ "b/x\\n"\n${HUNK}`, { kind: "path" }],
    [
      "binary parts",
      "diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 1\n",
      { kind: "binary", what: "binary" },
    ],
    ["binary files", "diff --git a/x b/x\nBinary files a/x and b/x differ\n", { kind: "binary", what: "binary" }],
    [
      "a link",
      `diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n`,
      { kind: "binary", what: "link" },
    ],
    ["a submodule", "diff --git a/x b/x\nindex 1..2 160000\n", { kind: "binary", what: "submodule" }],
  ])("%s", (_, text, expected) => {
    if (expected === null) expect(parse(text)[0]?.to).toBe("etc/passwd");
    else expect(fault(text)).toMatchObject(expected);
  });
});

test("any bytes are read to their end or refused by a fault", () => {
  const words = fc.constantFrom(
    "diff --git a/x b/x\n",
    "--- a/x\n",
    "+++ b/x\n",
    "@@ -1 +1 @@\n",
    "@@ -1,2 +0,0 @@\n",
    "-a\n",
    "+b\n",
    " c\n",
    "\\ No\n",
    "rename from x\n",
    "rename to y\n",
    'copy to "',
    "new file mode 1\n",
    "index 1..2 100644\n",
    "\n",
    "\r\n",
    "-- \n",
    "\0",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(words).map((w) => w.join("")),
        fc.string({ unit: "binary" }),
      ),
      (text) => {
        fault(text);
      },
    ),
    { numRuns: 2000 },
  );
});
