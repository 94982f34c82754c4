// Each diagnostic of the catalogue, as the command line shows it. `npx vitest run test/diag -u` writes expected/ anew:
// review the difference like code. Then `npm run docs` renews docs/diagnostics.md and the examples of `explain`.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { afterAll, describe, expect, test } from "vitest";
import { type Code, codes } from "../../src/diag/definitions.ts";
import { type Run, klplink as runKlplink } from "../cli/run.ts";
import { root } from "../helpers.ts";
import { type Sample, samples } from "./samples.ts";

const fixtures = join(root, "test/fixtures/diag");
const temporary = mkdtempSync(join(tmpdir(), "klplink-"));
afterAll(() => rmSync(temporary, { recursive: true }));

const cache = join(temporary, "cache");
/** Programs that stand for make and compilers come before those of the machine. */
const PROGRAMS = `${join(fixtures, "build/bin")}:${process.env.PATH}`;

/** Runs klplink in the folder of the samples; paths of the temporary folder become `out`. */
async function klplink(args: readonly string[], env: Sample["env"] = {}): Promise<Omit<Run, "stdoutBytes">> {
  const out = join(temporary, `${Math.random().toString(36).slice(2)}.o`);
  const run = await runKlplink(
    args.map((a) => (a === "{out}" ? out : a)),
    { cwd: fixtures, env: { PATH: PROGRAMS, KLPLINK_CACHE: cache, ...env } },
  );
  // Folders of the cache are called by the source's path; what a build is at is said where it is not there already.
  const text = (said: string): string =>
    said
      .replaceAll(out, "out")
      .replaceAll(cache, "CACHE")
      .replace(/CACHE\/build\/\w{16}/g, "CACHE/build/KEY")
      .replace(/^klplink: \w+s (?:the|for) .*\n/gm, "");
  return { status: run.status, stdout: text(run.stdout), stderr: text(run.stderr) };
}

const schemaOf = (path: string): object => JSON.parse(readFileSync(join(root, path), "utf8")) as object;
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
const validate = ajv.compile(schemaOf("docs/diagnostics.schema.json"));

test("each code has a sample", () => {
  expect(codes.filter((code) => samples[code] === undefined)).toEqual([]);
});

/** A document with hundreds of diagnostics has the first of each code only. */
function shortened(text: string): string {
  const document = JSON.parse(text) as { files: { problems: { code: string }[] }[] };
  if (document.files.every(({ problems }) => problems.length < 100)) return text;
  for (const file of document.files) {
    const seen = new Set<string>();
    file.problems = file.problems.filter(({ code }) => !seen.has(code) && seen.add(code));
  }
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The command as a user would type it. */
const typed = (args: readonly string[]): string =>
  `$ klplink ${args.map((a) => (a === "{out}" ? "out" : a)).join(" ")}`;

describe.each(Object.entries(samples))("%s", (code, { args, status, env }) => {
  test.concurrent("as text, 80 columns, without colour", async ({ expect: expectHere }) => {
    const ran = await klplink(args, env);
    expectHere(ran.status).toBe(status);
    expectHere(ran.stderr).toMatch(new RegExp(`^(?:error|warning)\\[${code}\\]: `, "m"));
    expectHere(ran.stderr).not.toMatch(/\[object |\bNaN\b/);
    // Title, place and reasons; lines of programs, and what is one word, stay as they are. A command is there to be copied.
    const prose = ran.stderr
      .split("\n")
      .filter((l) => /^(?:error|warning)\[|^ {4}\S/.test(l) && !l.includes("`") && / .* /.test(l.trim()));
    expectHere(prose.filter((l) => l.length > 80)).toEqual([]);
    await expectHere(`${typed(args)}\n${ran.stderr}`).toMatchFileSnapshot(
      join(root, "test/diag/expected", `${code}.txt`),
    );
  });

  test.concurrent("as JSON, by the published schema", async ({ expect: expectHere }) => {
    const ran = await klplink([...args, "--format", "json"], env);
    expectHere(ran.status).toBe(status);
    const document: unknown = JSON.parse(ran.stdout);
    expectHere(validate(document) ? [] : validate.errors).toEqual([]);
    await expectHere(shortened(ran.stdout)).toMatchFileSnapshot(join(root, "test/diag/expected", `${code}.json`));
  });
});

/** `\`COMMAND\` fixes all 3` of the line that counts: the command, and whether it says that nothing is left. */
function promised(stderr: string): { command: string[]; isAll: boolean } | null {
  const [, command, what] = /; `klplink ([^`]+)` fixes (.+)$/m.exec(stderr) ?? [];
  return command === undefined ? null : { command: command.split(" "), isAll: !/ of the errors/.test(what ?? "") };
}

test("a command that is said to fix everything does so", async () => {
  let kept = 0;
  for (const [code, { args }] of Object.entries(samples)) {
    if (args[0] !== "check") continue;
    const promise = promised((await klplink(args)).stderr);
    if (promise === null) continue;
    const out = join(temporary, `${code}.fixed.o`);
    const linked = await klplink([...promise.command, "-o", out]);
    if (!promise.isAll) {
      // The errors that it cannot fix keep it from writing anything.
      expect(linked.status, `${code}: ${linked.stderr}`).toBe(1);
      continue;
    }
    expect(linked.status, `${code}: ${linked.stderr}`).toBe(0);
    const again = await klplink(["check", out, ...args.slice(2)]);
    expect(again.stderr, code).not.toMatch(/^error/m);
    kept++;
  }
  expect(kept).toBeGreaterThanOrEqual(4);
});

test("with colour", async () => {
  const { stderr } = await klplink(["check", "got-arm64.o", "--color", "always"]);
  await expect(stderr).toMatchFileSnapshot(join(root, "test/diag/expected/colour.txt"));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are what is looked for
  const bare = stderr.replace(/\u001b\[[0-9;]*m/g, "");
  expect(bare).toBe((await klplink(["check", "got-arm64.o"])).stderr);
});

describe("SARIF", () => {
  const sarif = new Ajv2020({ strict: false, allErrors: true });
  formats.default(sarif);
  const valid = sarif.compile(schemaOf("test/fixtures/diag/sarif-2.1.0.schema.json"));
  const files = [
    ...new Set(
      Object.values(samples).flatMap(({ args }) => args.filter((a) => /\.k?o$/.test(a) && !/no-such/.test(a))),
    ),
  ];

  test("a log of all samples keeps to the OASIS schema", async () => {
    const { stdout } = await klplink(["check", "--format", "sarif", ...files]);
    const log = JSON.parse(stdout) as { runs: [{ results: unknown[]; tool: { driver: { rules: unknown[] } } }] };
    expect(valid(log) ? [] : valid.errors).toEqual([]);
    expect(log.runs[0].results.length).toBeGreaterThan(15);
    expect(log.runs[0].tool.driver.rules.length).toBeGreaterThan(5);
  });

  test("the schema does refuse what is wrong", async () => {
    const { stdout } = await klplink(["check", "--format", "sarif", "got-arm64.o"]);
    const log = JSON.parse(stdout) as { runs: [{ results: { level: string; message: unknown }[] }] };
    for (const result of log.runs[0].results) result.level = "fatal";
    expect(valid(log)).toBe(false);
  });

  test("each result is known by something of its own, the same in a second run", async () => {
    const prints = async (): Promise<string[]> => {
      const { stdout } = await klplink(["check", "--format", "sarif", ...files]);
      const log = JSON.parse(stdout) as { runs: [{ results: { partialFingerprints: Record<string, string> }[] }] };
      return log.runs[0].results.map((result) => result.partialFingerprints["klplink/v2"] ?? "");
    };
    const found = await prints();
    expect(found).not.toContain("");
    expect(new Set(found).size).toBe(found.length);
    expect(await prints()).toEqual(found);
  });

  test("rules lead to their text", async () => {
    const { stdout } = await klplink(["check", "--format", "sarif", "got-arm64.o"]);
    const { driver } = (
      JSON.parse(stdout) as { runs: [{ tool: { driver: { informationUri: string; rules: { helpUri: string }[] } } }] }
    ).runs[0].tool;
    const { homepage } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { homepage: string };
    expect(driver.informationUri).toBe(homepage.replace(/#.*$/, ""));
    const headings = readFileSync(join(root, "docs/diagnostics.md"), "utf8").match(/^### KLP\d+$/gm);
    for (const { helpUri } of driver.rules) {
      const [page, anchor = ""] = helpUri.split("#");
      expect(page).toBe(`${driver.informationUri}/blob/main/docs/diagnostics.md`);
      expect(headings).toContain(`### ${anchor.toUpperCase()}`);
    }
  });

  test("one log in full", async () => {
    const { stdout } = await klplink(["check", "--format", "sarif", "got-arm64.o"]);
    await expect(stdout).toMatchFileSnapshot(join(root, "test/diag/expected/sarif.json"));
  });
});

test("annotations for GitHub: one line each, line's ends and separators escaped", async () => {
  const { stdout, status } = await klplink([
    "check",
    "--format",
    "github",
    "got-arm64.o",
    "modinfo.o",
    "-k",
    "two.map",
  ]);
  expect(status).toBe(1);
  await expect(stdout).toMatchFileSnapshot(join(root, "test/diag/expected/github.txt"));
  const lines = stdout.trimEnd().split("\n");
  // Of several files the last line is the total, which is about no place.
  expect(lines.pop()).toMatch(/^::notice title=klplink::total: \d+ files, \d+ errors? .*, \d+ warnings?/);
  for (const line of lines) {
    expect(line).toMatch(/^::(?:error|warning) file=[^:,]+(?:,line=\d+)?(?:,col=\d+)?,title=[^:,]*::.+$/);
  }
});

test("no debug information is said once, however many files have none", async () => {
  const { stderr } = await klplink(["check", "klp-undefined.o", "unknown-type.o", "../rules/i9-layout.o"]);
  expect(stderr.match(/no source lines/g)).toHaveLength(1);
  expect(stderr.replace(/\s+/g, " ")).toContain("compile with -g");
});

const isCode = (code: string): code is Code => (codes as readonly string[]).includes(code);
test("no sample is left of a code that is gone", () => {
  expect(Object.keys(samples).filter((code) => !isCode(code))).toEqual([]);
});
