// `klplink explain` on lines that a real kernel printed: each is recognised, and with the module leads to the very call.
// modules/klp_nonop.c has ten calls without a nop, several of them to one function. In copy k all but the k-th are made
// sibling calls, at which the loader does not look for a nop; so it is known which call the kernel's line is about.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type Boot, boot } from "./boot.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { bootWith, klplink, LOAD, lifeCycle } from "./scenario.ts";

const lab = labOf(import.meta.url);
const built = join(lab.modules, "klp_nonop.ko");
const asIs = join(lab.folder, "klp_nonop.explain.ko");
const linked = join(lab.folder, "klp_nonop.explain.linked.ko");
const SECTION = ".text.klp_nonop_show";

interface Explained {
  readonly line: string;
  readonly codes: readonly string[];
  readonly candidates: readonly {
    readonly certainty: string;
    readonly section: string;
    readonly offset: number;
    readonly source: readonly { readonly line: number }[];
  }[];
}

function explain(line: string, ...args: string[]): Explained[] {
  const ran = klplink("explain", "--format", "json", ...args, line);
  expect(ran.stderr).toBe("");
  return (JSON.parse(ran.stdout) as { lines: Explained[] }).lines;
}

/** Offsets in the section of the calls into vmlinux, by binutils: a `bl` under R_PPC64_REL24 of an undefined symbol. */
function callsOf(module: string): { offset: number; file: number }[] {
  const readelf = (...args: string[]): string => mustRun("powerpc64le-linux-gnu-readelf", ["-W", ...args, module]);
  const header = readelf("-S")
    .split("\n")
    .find((line) => line.includes(`] ${SECTION} `));
  const start = Number.parseInt(/PROGBITS\s+[0-9a-f]+ ([0-9a-f]+)/.exec(header ?? "")?.[1] ?? "", 16);
  const bytes = readFileSync(module);
  const offsets: number[] = [];
  let inside = false;
  for (const line of readelf("-r").split("\n")) {
    const table = /^Relocation section '(\S+)'/.exec(line)?.[1];
    if (table !== undefined) inside = table.endsWith(SECTION);
    const row = /^([0-9a-f]{16})\s+\S+\s+R_PPC64_REL24\s+[0-9a-f]+\s+(\S+)/.exec(line);
    if (inside && row !== null && row[2] !== "_mcount") offsets.push(Number.parseInt(row[1] ?? "", 16));
  }
  return offsets
    .sort((a, b) => a - b)
    .filter((offset) => bytes.readUInt32LE(start + offset) === 0x4800_0001)
    .map((offset) => ({ offset, file: start + offset }));
}

let refused: Boot;
let calls: { offset: number; file: number }[];

beforeAll(async () => {
  klplink(built, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs);
  calls = callsOf(asIs);
  const files = calls.map((_, k) => {
    const data = readFileSync(asIs);
    for (const [i, call] of calls.entries()) if (i !== k) data.writeUInt32LE(0x4800_0000, call.file);
    return { name: `copy${k}.ko`, data };
  });
  refused = await boot(
    lab.vmlinux,
    readFileSync(lab.init),
    files,
    files.map((f) => `insmod /${f.name}`),
  );
});

test("the line about each call leads to that call", () => {
  expect(calls.length).toBeGreaterThanOrEqual(8);
  const found = calls.map((_, k) => {
    const step = refused.steps[k];
    const line = step?.log.map((l) => l.text).find((text) => text.startsWith("module_64: klp_nonop: ")) ?? "";
    expect(line, `copy ${k}`).toMatch(/Expected nop after call, got [0-9a-f]{8} at /);
    const [explained] = explain(line, "--module", asIs);
    const best = explained?.candidates[0];
    return { section: best?.section, offset: best?.offset, certainty: best?.certainty };
  });
  expect(found.map((f) => f.offset)).toEqual(calls.map((c) => c.offset));
  expect(new Set(found.map((f) => f.section))).toEqual(new Set([SECTION]));
  expect(new Set(found.map((f) => f.certainty))).toEqual(new Set(["only"]));
});

test("without the address, as kernels up to 4.15 print it, the call is among the candidates", () => {
  let first = 0;
  for (const [k, call] of calls.entries()) {
    const text = refused.steps[k]?.log.map((l) => l.text).find((t) => t.includes("Expected nop")) ?? "";
    const old = text.replace("Expected nop after call", "Expect noop after relocate").replace(/ at .*$/, "");
    const candidates = explain(old, "--module", asIs)[0]?.candidates ?? [];
    expect(candidates.map((c) => c.offset)).toContain(call.offset);
    if (candidates[0]?.offset === call.offset) first++;
  }
  // Calls that the same word follows cannot be told apart without the address.
  expect(first).toBeGreaterThanOrEqual(calls.length / 2);
});

test("a line of another call does not lead to this one", () => {
  const [one, two] = [0, 1].map(
    (k) => refused.steps[k]?.log.map((l) => l.text).find((t) => t.includes("Expected nop")) ?? "",
  );
  const offsets = [one, two].map((line) => explain(line ?? "", "--module", asIs)[0]?.candidates[0]?.offset);
  expect(offsets[0]).not.toBe(offsets[1]);
});

test("every line about a module, in a refusal and in a whole life, is recognised", async () => {
  const unknown = await bootWith(lab, readFileSync(built), [LOAD]);
  expect(klplink(built, "-k", lab.systemMap, "-o", linked).status).toBe(0);
  const life = await bootWith(
    lab,
    readFileSync(linked),
    lifeCycle("klp_nonop", [], [], []).map((p) => p.line),
  );
  const lines = [refused, unknown, life].flatMap((b) => b.steps.flatMap((s) => s.log.map((l) => l.text)));
  const about = lines.filter((text) => /klp_nonop|^livepatch|^module/.test(text));
  expect(about.length).toBeGreaterThan(15);
  writeFileSync(join(lab.folder, "dmesg"), `${about.join("\n")}\n`);
  // One at a time: notices are left out when a whole log is explained.
  expect([...new Set(about)].filter((text) => explain(text).length === 0)).toEqual([]);
  const symbols = about.filter((text) => text.includes("Unknown symbol"));
  expect(symbols.length).toBeGreaterThan(0);
  for (const text of symbols) {
    expect(explain(text, "--module", built)[0]?.candidates[0]).toMatchObject({ certainty: "use" });
  }
});
