// `--format html`: pages that a browser reads without an error, that need nothing else, and that say what the other forms say. What they
// say is held to `--format json` of the same run, which follows the schemas.

import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { klplink } from "../../../cli/run.ts";
import { root } from "../../../helpers.ts";
import { whole } from "./page.ts";

const SAMPLE = ["samples/ppc64le/meminfo/meminfo.o", "-k", "samples/ppc64le/meminfo/System.map"];
const EXPECTED = (name: string): string => join(root, `test/diag/expected/${name}.html`);

interface Found {
  readonly code: string;
  readonly title: string;
  readonly kernel: string | null;
  readonly why: string | null;
  readonly help: string | null;
  readonly instructions: readonly { readonly bytes: string; readonly text: string; readonly marked: boolean }[];
}

const plain = (text: string): string => text.replace(/`([^`]+)`/g, "$1");

/** All that is said of problems stands on the page. */
function holdsProblems(text: string, problems: readonly Found[]): void {
  for (const p of problems) {
    for (const said of [p.code, p.title, p.kernel, p.why, p.help])
      if (said !== null) expect(text).toContain(plain(said));
    for (const i of p.instructions) expect(text).toContain(`${i.bytes}${i.text}`);
  }
}

const json = async (args: readonly string[]) => JSON.parse((await klplink([...args, "--format", "json"])).stdout);
const page = async (args: readonly string[]) => {
  const run = await klplink([...args, "--format", "html"]);
  expect(run.stderr).toBe("");
  return { ...run, ...whole(run.stdout) };
};

test("check: each diagnostic with its source, its instructions, the kernel's words and the way out", async () => {
  const args = ["check", ...SAMPLE];
  const { text, elements, status, stdout } = await page(args);
  const document = await json(args);
  expect(status).toBe(1);
  const problems = document.files[0].problems as Found[];
  expect(problems.length).toBeGreaterThan(3);
  holdsProblems(text, problems);
  // The source is that of the sample, the marked line the call.
  const source = readFileSync(join(root, "samples/ppc64le/meminfo/meminfo.c"), "utf8").split("\n");
  const marked = elements.filter((e) => e.attrs.some((a) => a.name === "class" && a.value === "mark"));
  expect(marked.length).toBe(2 * problems.length);
  for (const line of [36, 37, 40]) expect(text).toContain(source[line - 1]?.trim() ?? "no such line");
  // The picture of the first call is open, with words for those who do not see it.
  const pictures = elements.filter((e) => e.tagName === "svg");
  expect(pictures.length).toBe(problems.filter((p) => p.code === "KLP301").length);
  expect(pictures[0]?.attrs.find((a) => a.name === "aria-label")?.value).toMatch(/the loader refuses the module/);
  await expect(stdout).toMatchFileSnapshot(EXPECTED("check"));
});

test("check of several files: those without an error are named, many of one code are folded", async () => {
  const files = ["got-arm64.o", "klp-undefined.o", "unknown-type.o", "modinfo.o"].map((f) => `test/fixtures/diag/${f}`);
  const clean = "samples/ppc64le/meminfo/meminfo.klp.o";
  const args = ["check", ...files, clean];
  const document = await json(args);
  const { text } = await page(args);
  for (const { file, problems } of document.files) {
    expect(text).toContain(file);
    holdsProblems(text, problems);
  }
});

test("link says on its page what it wrote; errors of the command line stay text", async () => {
  const out = join(mkdtempSync(join(tmpdir(), "klplink-html-")), "out.o");
  const { text, status } = await page(["link", ...SAMPLE, "-o", out]);
  expect(status).toBe(0);
  expect(text).toContain(`written to ${out}`);
  const usage = await klplink(["check", "--format", "html"]);
  expect(usage.status).toBe(2);
  expect(usage.stderr).toContain("missing");
});

test("explain: lines with what they mean, and the place in the module", async () => {
  const lines = [
    "meminfo: Unknown symbol show_val_kb (err -2)",
    "module_64: meminfo: Expected nop after call, got 3c820000 at 0",
  ];
  const args = ["explain", "--module", SAMPLE[0] ?? "", ...SAMPLE.slice(1), ...lines];
  const { text, stdout } = await page(args);
  const document = await json(args);
  expect(document.lines).toHaveLength(2);
  for (const l of document.lines) {
    for (const said of [l.line, l.meaning, l.help, ...l.decoded, ...l.codes])
      if (said !== null) expect(text).toContain(plain(said));
    holdsProblems(text, l.problems);
    const [best] = l.candidates;
    expect(best.instructions.some((i: { marked: boolean }) => i.marked)).toBe(true);
    holdsProblems(text, best.problem === null ? [] : [best.problem]);
  }
  await expect(stdout).toMatchFileSnapshot(EXPECTED("explain"));
  expect((await page(["explain", "KLP301,KLP302"])).text).toContain("On ppc64le each module has a TOC of its own");
});

test("explain of what is no message: said on the page, exit status 1", async () => {
  const { text, status } = await page(["explain", "this <b>is</b> no line of a kernel"]);
  expect(status).toBe(1);
  expect(text).toContain("none of this is a line that klplink knows: this <b>is</b> no line");
});

test("diff: what changed, with the first difference of each", async () => {
  const pair = [
    "test/fixtures/diff/pairs/address-of-changed.arm64.orig.o",
    "test/fixtures/diff/pairs/address-of-changed.arm64.patched.o",
  ];
  const { text, stdout } = await page(["diff", ...pair]);
  const document = await json(["diff", ...pair]);
  const [file] = document.files.slice(-1);
  const changed = file.functions.filter((f: { status: string }) => f.status === "changed");
  expect(changed.length).toBeGreaterThan(0);
  for (const c of changed) {
    expect(text).toContain(c.name);
    for (const side of [c.difference.orig, c.difference.patched])
      if (side !== null) expect(text).toContain(side.text ?? side.bytes);
  }
  await expect(stdout).toMatchFileSnapshot(EXPECTED("diff"));
  expect((await page(["diff", pair[0] ?? "", pair[0] ?? ""])).text).toContain("no functional change");
});

test("sites: those that can be used, those that cannot and why", async () => {
  const file = "test/fixtures/kernel/demo-mod.ko";
  const { text, elements } = await page(["sites", file]);
  const document = await json(["sites", file]);
  expect(document.functions.length).toBeGreaterThan(0);
  for (const f of document.functions) expect(text).toContain(f.name);
  for (const f of document.functions) if (f.reason !== null) expect(text).toContain(f.reason);
  expect(elements.filter((e) => e.tagName === "tr").length).toBeGreaterThanOrEqual(document.functions.length);
});
