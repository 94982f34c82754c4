// Nothing that a terminal takes for a command reaches a stream, and no name forges a line: every command, every form, over files whose
// names hold such bytes in each place: sections, symbols, modinfo, debug information, lists of symbols, protocols, log lines, paths.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { parse } from "parse5";
import { afterAll, expect, test } from "vitest";
import { cleaned, streamText, visible } from "../../src/base/visible.ts";
import { readElf } from "../../src/elf/reader.ts";
import { klplink } from "../cli/run.ts";
import { whole } from "../diag/render/html/page.ts";
import { objects } from "../everyFixture.ts";
import { root } from "../helpers.ts";
import { hasHidden } from "../hidden.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-visible-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What stands in the middle of names: eight bytes each, and a line that no output may begin with. */
const FORGED = "FORGE";
const POISONS = [
  `\n${FORGED}:\x1b`,
  `\r\n${FORGED}\x07`,
  `\x9b3${FORGED}\x7f`,
  "\xe2\x80\xae\x1b[2J\x08",
  "\x1b]0;\xe2\x81\xa6",
];

/** Tables of names, by what their sections are called. */
const NAMED = /^\.(?:strtab|shstrtab|modinfo|debug_str|debug_line_str|zdebug_str)$|str|klp|kpatch|^\.debug_line$/;

/** The object with `poison` within one in `every` of its names, from the third byte on; their lengths stay. */
function poisoned(bytes: Uint8Array, poison: string, every: number): Uint8Array {
  const out = bytes.slice();
  const { sections } = readElf(bytes);
  const evil = Buffer.from(poison, "latin1");
  for (let i = 1; i < sections.count; i++) {
    if (!NAMED.test(sections.name(i)) || sections.type(i) === 4) continue;
    const start = sections.offset(i);
    const end = start + sections.data(i).length;
    let name = start;
    let n = 0;
    for (let at = start; at < end; at++) {
      if (bytes[at] !== 0) continue;
      // What commands tell files by stays: prefixes up to the sign, `.klp.` and `.rela.` names but for their ends.
      const text = Buffer.from(bytes.subarray(name, at)).toString("latin1");
      const from = /^[a-z]+=/.exec(text)?.[0].length ?? /^\.klp\.\w+\.\w+\./.exec(text)?.[0].length ?? 2;
      if (at - name >= from + evil.length && n++ % every === 0) out.set(evil, name + from);
      name = at + 1;
    }
  }
  return out;
}

/** What may not come out: hidden characters but ends of lines and tabs, and lines that a name made. */
function faults(text: string, isColored = false): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of our own
  const plain = isColored ? text.replace(/\x1b\[(?:1|22|3[1-4]|39)m/g, "") : text;
  const found = plain
    .split(/[\n\t]/)
    .filter(hasHidden)
    .map((line) => JSON.stringify(line));
  return [...found, ...plain.split("\n").filter((line) => line.startsWith(FORGED) || line.startsWith(`    ${FORGED}`))];
}

const validator = new Ajv2020({ strict: false, allErrors: true });
formats.default(validator);
const isSarif = validator.compile(
  JSON.parse(readFileSync(join(root, "test/fixtures/diag/sarif-2.1.0.schema.json"), "utf8")),
);
/** A command to the runner: properties have no commas and colons but those between them. */
const GITHUB = /^::(?:error|warning|notice) (?:\w+=[^:,]*)(?:,\w+=[^:,]*)*::/;

async function holds(args: readonly string[], input?: Uint8Array): Promise<void> {
  const { status, stdout, stderr } = await klplink(args, input === undefined ? {} : { input });
  expect([args, [...faults(stdout, args.includes("always")), ...faults(stderr, args.includes("always"))]]).toEqual([
    args,
    [],
  ]);
  expect(status).toBeLessThan(4);
  if (args.includes("json") && stdout !== "") JSON.parse(stdout);
  if (args.includes("html") && stdout !== "") whole(stdout);
  if (args.includes("sarif") && stdout !== "") expect(isSarif(JSON.parse(stdout)) ? [] : isSarif.errors).toEqual([]);
  if (args.includes("github"))
    for (const line of stdout.split("\n").filter((l) => l.startsWith("::"))) expect(line).toMatch(GITHUB);
}

const IN = join(folder, "in.ko");
const OUT = join(folder, "out.ko");
const FORMS = ["text", "json", "sarif", "github", "html"];
const DOCUMENTS = ["text", "json", "html"];
const VMLINUX = join(root, "test/fixtures/kernel/vmlinux-x86_64");

/** A few of each kind of fixture: those with debug information, producers' intermediates, broken modules, patches. */
const some = [...objects()].filter(([path, bytes]) => bytes.length < 120_000 && !/diff\//.test(path));

test.each(POISONS.map((p) => [JSON.stringify(p), p]))("names of files with %s", async (_, poison) => {
  const step = 60;
  const first = POISONS.indexOf(poison ?? "");
  for (let i = first; i < some.length; i += step) {
    const [, bytes] = some[i] ?? ["", new Uint8Array(0)];
    writeFileSync(IN, poisoned(bytes, poison ?? "", 1 + (i % 3)));
    const form = ["--format", FORMS[Math.floor(i / step) % FORMS.length] ?? "text"];
    const kernel = i % 2 === 0 ? [] : ["-k", VMLINUX];
    const textOrJson = ["--format", i % 2 === 0 ? "text" : "json"];
    await holds(["check", IN, ...kernel, ...form, "-v", "--color", i % 4 < 2 ? "always" : "never"]);
    await holds(["link", IN, "-o", OUT, "--force", ...kernel, ...form]);
    await holds(["show", IN, ...textOrJson]);
    const document = ["--format", DOCUMENTS[Math.floor(i / 7) % 3] ?? "text"];
    await holds(["sites", IN, ...document]);
    if (kernel.length > 0) await holds(["sites", IN, ...kernel, ...document]);
    await holds(["image", IN, "-o", OUT, "--map", "--force", ...kernel, ...form]);
    await holds(["explain", "-m", IN, "x: Unknown symbol undefined_77 (err -2)", ...document]);
  }
});

test("lists of symbols, modules that are needed, references", async () => {
  const module = join(root, "test/fixtures/kernel/demo-mod.ko");
  for (const [n, poison] of POISONS.entries()) {
    const line = poison.replace(/\s/g, "_");
    writeFileSync(
      join(folder, "map"),
      Buffer.from(`ffffffff81000000 T _text${line}\nffffffff81000010 t f\t[m${line}]\n`, "latin1"),
    );
    writeFileSync(
      join(folder, "symvers"),
      Buffer.from(`0x1\tf${line}\tm${line}\tEXPORT_SYMBOL_GPL\tNS${line}\n`, "latin1"),
    );
    writeFileSync(IN, poisoned(new Uint8Array(readFileSync(module)), poison, 1));
    for (const [i, given] of [
      ["-k", "map"],
      ["-k", "symvers"],
      ["-m", "in.ko"],
      ["--reference", "in.ko"],
    ].entries()) {
      const [option = "", name = ""] = given;
      await holds(["check", module, option, join(folder, name), "--format", FORMS[(i + n) % FORMS.length] ?? "text"]);
    }
  }
});

test("differences between objects", async () => {
  const orig = [...objects()].filter(([path]) => /diff\/pairs\/.*\.patched\.o$/.test(path)).slice(0, 12);
  for (const [i, [path, bytes]] of orig.entries()) {
    writeFileSync(IN, poisoned(bytes, POISONS[i % POISONS.length] ?? "", 2));
    const before = join(root, path.replace(".patched.o", ".orig.o"));
    await holds(["diff", before, IN, "-v", "--format", DOCUMENTS[i % 3] ?? "text"]);
    await holds(["diff", IN, before, "-v", "--format", "text"]);
    for (const form of ["svg", "html", "dot", "txt"]) {
      const picture = join(folder, `picture.${form}`);
      await holds(["diff", before, IN, "--graph", picture]);
      const text = readFileSync(picture, "utf8");
      expect([form, faults(text)]).toEqual([form, []]);
      const errors: string[] = [];
      if (form === "html") parse(text, { onParseError: ({ code }) => errors.push(code) });
      expect(errors).toEqual([]);
    }
  }
});

test("protocols", async () => {
  const { stdout } = await klplink(["model", "X1b-enable", "--source"]);
  for (const poison of POISONS) {
    const evil = JSON.stringify(Buffer.from(poison, "latin1").toString()).slice(1, -1);
    writeFileSync(
      join(folder, "p.json"),
      stdout.replace(/"(title|text|name|says|label)": "/g, `"$1": "a${evil}\\u202e`),
    );
    for (const form of [["--format", "json"], ["--svg", "-"], ["--source"], []])
      await holds(["model", join(folder, "p.json"), ...form]);
  }
});

test("lines of a log", async () => {
  const lines = readFileSync(join(root, "test/fixtures/dmesg/lines.txt"), "latin1")
    .split("\n")
    .map((l) => l.split("\t")[0] ?? "");
  for (const [i, poison] of POISONS.entries()) {
    const log = lines
      .map((line, k) => (k % 3 === i % 3 ? line.replace(/\w{4,}(?=\W*$)|'(?=\w)/, (w) => `${w}${poison}`) : line))
      .join("\n");
    for (const form of DOCUMENTS) await holds(["explain", "--format", form], Buffer.from(log, "latin1"));
  }
});

test("paths of the command line, in every place that takes one", async () => {
  const bad = join(folder, `a\x1b[31m\n${FORGED}\u202e \u009b`);
  mkdirSync(bad);
  const module = join(bad, `m\x07\n${FORGED}\u2066.ko`);
  const map = join(bad, `map\r\n${FORGED}`);
  writeFileSync(module, readFileSync(join(root, "test/fixtures/kernel/demo-mod.ko")));
  writeFileSync(map, "ffffffff81000000 T _text\n");
  const missing = join(bad, "none");
  const runs: readonly (readonly string[])[] = [
    ["check", module],
    ["check", bad],
    ["check", missing],
    ["check", module, "-k", map],
    ["check", module, "-k", missing],
    ["check", module, "-m", missing],
    ["check", module, "--reference", missing],
    ["link", module, "-o", `${module}.out`],
    ["link", module],
    ["link", module, "-o", join(missing, "x")],
    ["link", module, "-o", module],
    ["show", module],
    ["show", missing],
    ["sites", module],
    ["sites", module, "--function", bad],
    ["image", module],
    ["image", module, "--raw", join(bad, "raw")],
    ["image", module, "--sections", missing],
    ["verify", module, "--root", bad],
    ["verify", missing],
    ["explain", "-m", module, `x: Unknown symbol f (err -2)`],
    ["explain", bad],
    ["model", missing],
    ["model", bad],
    ["glue", join(bad, "glue")],
    ["diff", module, missing],
    ["diff", module, module],
    [`--${bad}`],
    [bad],
    ["help", bad],
    ["check", module, "--sympos", bad],
    ["check", module, "--kernel-version", bad],
    ["completion", bad],
  ];
  for (const args of runs) {
    await holds(args);
    if (!/^(show|sites|explain|model|glue|completion)$/.test(args[0] ?? ""))
      for (const form of ["github", "html"]) await holds([...args, "--format", form]);
  }
});

test("properties of the step itself", () => {
  const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) });
  fc.assert(
    fc.property(anyText, (text) => {
      expect(hasHidden(visible(text))).toBe(false);
      expect(visible(visible(text))).toBe(visible(text));
      expect(faults(streamText(text), true).filter((f) => !f.startsWith(FORGED))).toEqual([]);
      // A string of JSON stays the same string.
      const json = JSON.stringify({ text });
      expect(JSON.parse(streamText(json))).toEqual({ text });
      expect(hasHidden(streamText(json))).toBe(false);
      expect(cleaned({ a: [text] })).toEqual({ a: [visible(text)] });
    }),
  );
  // Each as the Unicode Standard and ECMA-48 name them.
  for (const c of [
    0, 7, 8, 0x1b, 0x7f, 0x80, 0x9b, 0x9f, 0x61c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0xd800, 0xdfff,
  ]) {
    expect([c, hasHidden(streamText(`a${String.fromCharCode(c)}b`))]).toEqual([c, false]);
  }
  // Every character: none that is hidden comes through, and all others stay.
  const every = Array.from({ length: 0x1_0000 }, (_, c) => String.fromCharCode(c));
  const raw = (c: string) => c === "\n" || c === "\t";
  expect(every.filter((c) => (hasHidden(visible(c)) || hasHidden(streamText(c))) && !raw(c))).toEqual([]);
  expect(every.filter((c) => (visible(c) === c) === hasHidden(c))).toEqual([]);
  expect(every.filter((c) => !raw(c) && (streamText(c) === c) === hasHidden(c))).toEqual([]);
  expect(streamText("\x1b[31ma\tb\n\x1b[39m\x1b[2J")).toBe("\x1b[31ma\tb\n\x1b[39m\\u001b[2J");
});
