// Islands in a section that many functions share: what moves still works. The judge is the code itself: the same
// objects in one program with one TOC, before klplink and after it, and as a module with a TOC of its own.

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Lab } from "./lab.ts";

const lab = new Lab();
const MODELS = ["medium", "large"];
const ARGUMENTS = ["0", "1", "5", "1000003"];
/** No register lost, as kernel.c prints it. */
const WHOLE = "lost r1,r2,cr,lr 0 gpr 0 fpr 0 vr 0\n";

beforeAll(() => {
  lab.program("kernel", "kernel.c", "entry.S");
  lab.object("tables.o", "tables.s");
  for (const model of MODELS) {
    lab.object(`callees-${model}.o`, "callees.c", `-mcmodel=${model}`);
    lab.object(`c-${model}.o`, "twenty.c", `-mcmodel=${model}`);
    lab.tool("ld", "-r", `c-${model}.o`, "tables.o", "-o", `${model}.o`);
    lab.program(`before-${model}`, "direct.c", `callees-${model}.o`, `${model}.o`);
  }
});

describe.each(MODELS)("twenty functions in one section, -mcmodel=%s", (model) => {
  beforeAll(() => {
    const linked = lab.klplink(`${model}.o`, "-o", `${model}.klp.o`);
    expect(linked.text).toMatch(/^\S+: \d\d return islands, 5 sibling islands, \d local-call islands, /);
    expect(linked.status).toBe(0);
    lab.program(`after-${model}`, "direct.c", `callees-${model}.o`, `${model}.klp.o`);
  });

  test("as the compiler made them, the loader refuses the module", () => {
    const run = lab.run("kernel", "f20_run", `callees-${model}.o`, `${model}.o`);
    expect(run.text).toMatch(/^module_64: \S+: Expected nop after call, got [0-9a-f]{8}\n$/);
    expect(run.status).toBe(2);
  });

  test.each(ARGUMENTS)("the results for %s are those of the code before the move", (argument) => {
    const before = lab.run(`before-${model}`, argument);
    expect(before).toEqual({ status: 0, text: expect.stringMatching(/^0 wrong entries\nresult [0-9a-f]+\n$/) });
    expect(lab.run(`after-${model}`, argument)).toEqual(before);
    const module = lab.run("kernel", `argument=${argument}`, "f20_run", `callees-${model}.o`, `${model}.klp.o`);
    expect(module).toEqual({ status: 0, text: before.text + WHOLE });
  });

  test("each function has the same instructions; only branches differ, and islands come behind", () => {
    const before = words(`${model}.o`);
    const after = words(`${model}.klp.o`);
    expect(before.size).toBe(24);
    expect([...after.keys()]).toEqual([...before.keys()]);
    for (const [name, old] of before) {
      const now = after.get(name) ?? [];
      expect(now.length).toBeGreaterThanOrEqual(old.length);
      const changed = old.flatMap((word, i) => (now[i] === word ? [] : [[word, now[i] ?? ""]]));
      for (const pair of changed) for (const word of pair) expect(word).toMatch(/^(?:4[0-9ab])/);
    }
  });

  test("what follows keeps its alignment", () => {
    const align = /\s\.text\s.*\s(\d+)$/m.exec(lab.tool("readelf", "-SW", `${model}.o`))?.[1];
    expect(Number(align)).toBeGreaterThanOrEqual(16);
    const starts = (object: string): number[] =>
      [...lab.tool("readelf", "-sW", object).matchAll(/: ([0-9a-f]{16})\s+\d+ FUNC .* 1 \S+$/gm)].map((m) =>
        Number.parseInt(m[1] ?? "", 16),
      );
    const before = starts(`${model}.o`);
    const after = starts(`${model}.klp.o`);
    expect(after.length).toBe(before.length);
    expect(after).not.toEqual(before);
    expect(after.map((at, i) => (at - (before[i] ?? 0)) % Number(align))).toEqual(before.map(() => 0));
  });

  test("linking again changes nothing", () => {
    expect(lab.klplink(`${model}.klp.o`, "-o", "again.o").status).toBe(0);
    expect(readFileSync(lab.path("again.o")).equals(readFileSync(lab.path(`${model}.klp.o`)))).toBe(true);
  });
});

/** Function -> its words in hexadecimal, as objdump shows them between st_value and st_value + st_size. */
function words(object: string): Map<string, string[]> {
  const functions = new Map<string, string[]>();
  const table = lab.tool("readelf", "-sW", object);
  for (const line of table.split("\n")) {
    const field = /^\s*\d+: ([0-9a-f]{16})\s+(\d+) FUNC .* 1 (\S+)$/.exec(line);
    if (field === null) continue;
    const start = Number.parseInt(field[1] ?? "", 16);
    const range = [`--start-address=${start}`, `--stop-address=${start + Number(field[2])}`];
    const listing = lab.tool("objdump", "-dz", "-j", ".text", ...range, object);
    const found = [...listing.matchAll(/^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} ){4})/gm)];
    functions.set(
      field[3] ?? "",
      found.map((m) => (m[1] ?? "").trim().split(" ").reverse().join("")),
    );
  }
  return functions;
}
