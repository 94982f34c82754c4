// The pairs of test/fixtures/diff/pairs through the real tools, and through klplink in their place: which functions are replaced, what is
// taken, what each relocation of it means. Where they differ, it is said who is right. What create-diff-object refuses or takes for a change:
// test/golden/pairs/explained.ts.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { mustRun } from "../boot/run.ts";
import { differences, madeOf, namesOfPairs, prepare, runKlplink, runTool } from "./takenBy.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-forms-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

interface Explained {
  readonly cases: readonly string[];
  /** All differences of the cases match it. */
  readonly what: RegExp;
  readonly right: "klplink" | "both";
  readonly why: string;
}

const objtoolExplained: readonly Explained[] = [
  {
    cases: ["address-of-changed"],
    what: /^references of f: /,
    right: "klplink",
    why: "a pointer to a changed function is the copy's in objtool's form: it dangles once the livepatch is gone",
  },
  {
    cases: ["alias"],
    what: /^(?:replaced|taken): /,
    right: "both",
    why: "two names of one address",
  },
  {
    cases: ["alternative-x86"],
    what: /it refuses/,
    right: "both",
    why: "the entries are those of 6.1, 12 bytes; 7.2's objtool reads 14",
  },
  {
    cases: [
      "bug-entry",
      "clang-ex-table",
      "ex-table",
      "ex-table-fixup",
      "ex-table-gone",
      "jump-label",
      "jump-label-own-key",
      "label-string",
    ],
    what: /it refuses \(error: objtool: \S+: missing special section entsize or annotations\)/,
    right: "both",
    why: "the entries have no annotations, as in kernels before klp-build",
  },
  {
    cases: ["bug-flags", "jump-label-key", "jump-label-middle"],
    what: /^klplink takes it, it writes nothing$/,
    right: "klplink",
    why: "entries of tables are in no checksum: a change that only an entry tells is lost",
  },
  {
    cases: ["clang-lookup"],
    what: /^klplink takes it, it writes nothing$/,
    right: "klplink",
    why: "a lookup table without a symbol is in no checksum",
  },
  {
    cases: ["clang-strings", "string-middle"],
    what: /^references of f: /,
    right: "both",
    why: "of a string that is used from its middle on objtool takes the end alone",
  },
  {
    cases: [
      "asm-label",
      "force-unsafe",
      "got",
      "group",
      "init-reference",
      "no-site-address",
      "no-site-global",
      "noinstr",
      "unknown-table",
    ],
    what: /^klplink refuses \(.*it takes it$/,
    right: "klplink",
    why: "places in other functions, init data, tables that nobody knows, functions without a patch site: the module does not load, or does not work",
  },
  {
    cases: ["ignore-data", "ignore-function", "static-renamed-pair"],
    what: /it refuses|it alone has g$/,
    right: "both",
    why: "the annotations are klplink's and kpatch's",
  },
  { cases: ["init-only"], what: /^klplink writes nothing, it takes it$/, right: "klplink", why: "init code has run" },
  {
    cases: ["line-32768", "line-65536", "line-lookalike", "line-might-sleep"],
    what: /^klplink writes nothing, it takes it$|^(?:replaced|taken): it alone has f$/,
    right: "klplink",
    why: "lines are not known to it: klp-build keeps them by #line directives in the patch",
  },
  {
    cases: ["no-site", "no-site-chain"],
    what: /^(?:replaced|taken): /,
    right: "klplink",
    why: "the kernel refuses to patch a function without a patch site; its callers are patched in its place",
  },
  {
    cases: ["syscall"],
    what: /^(?:replaced|taken): /,
    right: "both",
    why: "two names of one address",
  },
  {
    cases: ["once"],
    what: /^references of f: /,
    right: "both",
    why: "the same variables, in sections of their own or in one",
  },
  {
    cases: ["static-const"],
    what: /it refuses \(error: objtool: changed data/,
    right: "klplink",
    why: "a constant is its content",
  },
  {
    cases: ["static-first"],
    what: /^references of f: /,
    right: "klplink",
    why: "a variable that another one of its name came beside gets a fresh copy: its value is lost, with a warning",
  },
  {
    cases: ["static-renamed"],
    what: /^klplink refuses \(error\[KLP702\].*it takes it$/,
    right: "klplink",
    why: "likewise, without a word",
  },
  {
    cases: ["this-module"],
    what: /^references of f: /,
    right: "klplink",
    why: "THIS_MODULE of a module's code is that module, not the livepatch",
  },
  {
    cases: ["bug-no-file", "ex-table-type", "jump-label-likely", "static-call-tail"],
    what: /^klplink takes it, it writes nothing$/,
    right: "klplink",
    why: "entries of tables are in no checksum",
  },
  {
    cases: ["kcfi-hash", "runtime-const-name"],
    what: /^klplink takes it, it writes nothing$/,
    right: "klplink",
    why: "neither is what stands before an entry, nor which constant the kernel writes into code",
  },
  {
    cases: ["absolute", "common-size", "pci-fixup-id", "ro-after-init"],
    what: /^klplink refuses \(.*it writes nothing$/,
    right: "klplink",
    why: "what names stand for is not compared, nor a variable's section, nor data without a symbol",
  },
  {
    cases: ["cfi-name"],
    what: /^klplink refuses \(.*it writes nothing$/,
    right: "both",
    why: "the name is one of those that it passes over; livepatch could not find the function",
  },
  {
    cases: ["alias-instead", "alias-own", "alias-retarget", "function-to-data", "ifunc"],
    what: /^klplink refuses \(error\[KLP737\].*it takes it$/,
    right: "klplink",
    why: "a name that stands for another function: what it takes replaces nothing that other files call",
  },
  {
    cases: ["align-grown", "tls"],
    what: /^klplink refuses \(.*it takes it$/,
    right: "klplink",
    why: "the kernel's variable is not aligned so; a module's thread-local variables are nowhere",
  },
  { cases: ["alias-more"], what: /^taken: it alone has second$/, right: "both", why: "a second name of a function" },
  {
    cases: ["const-array"],
    what: /^references of f: /,
    right: "klplink",
    why: "of constants longer than an entry of their section it takes the first part",
  },
  {
    cases: ["exit-section", "init-no-more"],
    what: /it takes it$|^(?:replaced|taken|references of f): /,
    right: "klplink",
    why: "init and exit code: it replaces what is freed, and calls what was",
  },
  {
    cases: ["modinfo", "param-mode", "setup-option"],
    what: /^klplink writes nothing, it refuses \(error: objtool: changed data/,
    right: "both",
    why: "what is announced once: klplink warns",
  },
  {
    cases: ["static-descriptor"],
    what: /^(?:taken|references of f): /,
    right: "klplink",
    why: "a variable with a value has a name that macros use: its value is lost",
  },
];

const kpatchExplained: readonly Explained[] = [
  {
    cases: ["address-of-changed"],
    what: /^references of f: /,
    right: "klplink",
    why: "the rule that pointers lead to the original is for x86_64 and for older ppc64le compilers alone",
  },
  {
    cases: ["callback-klp"],
    what: /^taken: klplink alone has after$/,
    right: "both",
    why: "the annotation is klp-build's",
  },
  {
    cases: ["cold-trap"],
    what: /f\.cold$/,
    right: "klplink",
    why: "a .cold part that did not change stays the original's, and one that comes back comes back into the original",
  },
  {
    cases: ["clang-strings"],
    what: /^(?:taken: it alone has \.L\.str|references of )/,
    right: "both",
    why: "sections of strings are taken whole",
  },
  {
    cases: ["once"],
    what: /^references of f: /,
    right: "both",
    why: "the section of the variables is taken whole",
  },
  { cases: ["alias-more"], what: /^taken: it alone has second$/, right: "both", why: "a second name of a function" },
  {
    cases: ["jump-table-swapped"],
    what: /f\.cold$/,
    right: "klplink",
    why: "likewise a .cold part that did not change",
  },
  {
    cases: ["kcfi-hash"],
    what: /^taken: it alone has __cfi_f$/,
    right: "both",
    why: "a prefix is a part of its function",
  },
  {
    cases: ["static-descriptor"],
    what: /^(?:taken: it alone has _entry|references of f: )/,
    right: "klplink",
    why: "a variable with a value has a name that macros use: its value is lost",
  },
];

/** Every difference is explained, and what is explained differs. */
function hold(found: readonly (readonly [string, string])[], explained: readonly Explained[]): void {
  const open = found.filter(([name, what]) => !explained.some((e) => e.cases.includes(name) && e.what.test(what)));
  expect(open).toEqual([]);
  for (const { cases, what } of explained)
    for (const name of cases) expect([name, found.some(([n, w]) => n === name && what.test(w))]).toEqual([name, true]);
}

describe("objtool klp diff, 7.2", () => {
  test("of x86_64's pairs: the same, or explained", { timeout: LONG }, async () => {
    const objtool = join(mustRun("bash", ["test/tools/original-tools.sh"]).trim(), "objtool");
    const modinfo = join(folder, "modinfo.text");
    writeFileSync(modinfo, "name=mod\0license=GPL\0");
    const found: [string, string][] = [];
    const names = namesOfPairs("x86_64");
    for (const name of names) {
      const here = join(folder, name);
      prepare(here, `${name}.x86_64`);
      // One pair has its own.
      for (const which of name === "modinfo" ? [] : ["orig.o", "patched.o"])
        mustRun("objcopy", ["--add-section", `.modinfo=${modinfo}`, join(here, which)]);
      const ours = await runKlplink(here, ["klp", "diff", "orig.o", "patched.o", "ours.o"]);
      for (const which of ["orig.o", "patched.o"]) runTool(here, objtool, ["klp", "checksum", which]);
      const theirs = runTool(here, objtool, ["klp", "diff", "orig.o", "patched.o", "theirs.o"]);
      const [one, other] = [madeOf(here, "ours.o", ours, [0], true), madeOf(here, "theirs.o", theirs, [0], true)];
      for (const what of differences(one, other)) found.push([name, what]);
    }
    hold(found, objtoolExplained);
    expect(names.length - new Set(found.map(([n]) => n)).size).toBeGreaterThan(names.length / 2);
  });
});

/** Sizes of 6.1. */
const SIZES = { ALT: 12, BUG: 12, EX: 12, JUMP: 16, PARA: 16, ORC: 6, PRINTK_INDEX: 48, FIXUP: 48, STATIC_CALL: 8 };

describe("create-diff-object, 0.9.11", () => {
  test("of all pairs that both take: the same functions, data and relocations, or explained", {
    timeout: LONG,
  }, async () => {
    const tool = mustRun("bash", ["test/tools/create-diff-object.sh"]).trim();
    const found: [string, string][] = [];
    let compared = 0;
    for (const arch of ["x86_64", "arm64", "ppc64le"]) {
      const sizes = arch === "ppc64le" ? { ...SIZES, EX: 8 } : SIZES;
      const env = Object.fromEntries(Object.entries(sizes).map(([n, size]) => [`${n}_STRUCT_SIZE`, String(size)]));
      for (const name of namesOfPairs(arch)) {
        const here = join(folder, `${name}.${arch}`);
        prepare(here, `${name}.${arch}`);
        const args = ["orig.o", "patched.o", "vmlinux", "symtab", "Module.symvers", "patch"];
        const theirs = madeOf(
          here,
          "theirs.o",
          runTool(here, tool, [...args, "theirs.o"], env),
          [0, 3],
          arch === "x86_64",
        );
        if (theirs.kind !== "object") continue;
        const told = await runKlplink(here, ["create-diff-object", ...args, "ours.o"]);
        const ours = madeOf(here, "ours.o", told, [0, 3], arch === "x86_64");
        if (ours.kind !== "object" || ours.replaced.join() !== theirs.replaced.join()) continue;
        compared++;
        for (const what of differences(ours, theirs)) found.push([name, what]);
      }
    }
    hold(found, kpatchExplained);
    expect(compared).toBeGreaterThan(120);
  });
});
