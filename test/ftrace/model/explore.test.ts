// The model checker. Expected verdicts and the lengths of the shortest runs are those of the hazard tables that the
// protocols were taken from (found there by hand and by another checker), not of this one.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { explore } from "../../../src/ftrace/model/explore.ts";
import { checkProtocol, parseProtocol } from "../../../src/ftrace/model/parse.ts";
import type { Protocol, WriterStep } from "../../../src/ftrace/model/protocol.ts";
import { findProtocol, protocols } from "../../../src/ftrace/model/protocols/index.ts";
import type { Verdict } from "../../../src/ftrace/model/state.ts";
import { violationSvg } from "../../../src/ftrace/model/svg.ts";

function protocol(name: string): Protocol {
  const found = findProtocol(name);
  if (found === null) throw new Error(`no protocol ${name}`);
  return found;
}

const failed = (verdict: Verdict): string[] => verdict.violations.map((v) => v.property).sort();

/** The shortest run against a property, as "W" and "C" steps. */
function run(verdict: Verdict, property: string): string {
  const violation = verdict.violations.find((v) => v.property === property);
  return (violation?.trace.slice(1) ?? []).map((s) => (s.who === "writer" ? "W" : "C")).join("");
}

/** What the writer's protocol would be with some steps put in another order, or left out. */
const withSteps = (p: Protocol, change: (steps: readonly WriterStep[]) => readonly WriterStep[]): Protocol => ({
  ...p,
  writer: change(p.writer),
});

// The acceptance table: what must fail, with the oracle that tells it, and what must hold.
const MUST_FAIL: Readonly<Record<string, string>> = {
  X1: "O4",
  X1c: "O4",
  X1d: "ends",
  X2: "O5",
  X3: "O5",
  X4: "O5",
  X5: "O5",
  X6: "fault",
  X7: "O5",
  A1: "O1",
  A2: "O2",
  "A3-enable": "O1",
  "A3-disable": "O2",
  "A4-enable": "O1",
  "A4-disable": "O2",
  B2: "O1",
  B3: "O1",
  C2: "O1",
  "P-H1": "O6",
  "P-H1b": "O6",
  "P-H2": "O1",
};
const MUST_HOLD = [
  "X1b-enable",
  "X1b-disable",
  "X-enable",
  "X-disable",
  "X-modify",
  "X-call-regs",
  "A5",
  "A6",
  "A7-enable",
  "A7-disable",
  "B1",
  "C1-enable",
  "C1-disable",
  "C1-modify",
  "C3",
  "P-H1c",
  "P-H3",
  "P-H3-three",
  "P-H4-enable",
  "P-H4-disable",
  "P-H4-modify",
];

describe("the acceptance table", () => {
  test.each(Object.entries(MUST_FAIL))("%s fails %s", (name, property) => {
    const verdict = explore(protocol(name));
    expect(verdict.incomplete).toBe(false);
    expect(failed(verdict)).toContain(property);
  });
  test.each(MUST_HOLD)("%s holds", (name) => {
    expect(explore(protocol(name))).toMatchObject({ holds: true, incomplete: false, violations: [] });
  });
  test("a livepatched function is never executed in its old version, where and only where that is so", () => {
    expect(protocols.filter((p) => explore(p).violations.some((v) => v.property === "L")).map((p) => p.name)).toEqual([
      "X1",
      "X1c",
      "X1d",
      "X-r11-irqs-on",
    ]);
  });
  test("every protocol says what is known of it, and it is so", () => {
    for (const p of protocols) {
      expect(failed(explore(p)), p.name).toEqual(p.expect === "holds" ? [] : [...(p.expect ?? ["?"])].sort());
    }
  });
  test("names are unique", () => {
    expect(new Set(protocols.map((p) => p.name.toLowerCase())).size).toBe(protocols.length);
  });
});

describe("shortest runs", () => {
  test("X1: the breakpoint is written, a CPU skips", () => {
    expect(run(explore(protocol("X1")), "O4")).toBe("WC");
  });
  test("A1: one nop executed, three words written, then bl without stp", () => {
    // C(nop) W(W0) W(W1) W(W2=bl) C(W1) C(bl) C(helper) C(W3=nop): x30 is W3 in the prologue.
    expect(run(explore(protocol("A1")), "O1")).toHaveLength("CWWWCCCC".length);
  });
  test("A2: stp executed, four words written, three nops", () => {
    const verdict = explore(protocol("A2"));
    expect(run(verdict, "O2")).toHaveLength("CWWWWCCC".length);
    expect(verdict.violations.find((v) => v.property === "O2")?.what).toContain("sp is -16");
  });
  test("P-H1: the tracer's return finds a nop", () => {
    // The slot holds the function's TOC here, so that new entries cannot fail first, as they do in P-H1b.
    const p = protocol("P-H1");
    const verdict = explore({ ...p, registers: { ...p.registers, slot: "the function's TOC" } });
    expect([...run(verdict, "O6")].sort().join("")).toBe("CCCWW");
    expect(verdict.violations[0]?.trace.at(-1)?.what).toBe("W1: nop");
    expect(verdict.violations[0]?.what).toContain("the kernel's TOC");
    expect([...run(explore(protocol("P-H1-atomic")), "O6")].sort().join("")).toBe("CCCW");
  });
  test("a trace tells memory and places after each step", () => {
    const trace = explore(protocol("X1")).violations[0]?.trace ?? [];
    expect(trace.map((s) => [s.who, s.memory.find((m) => m.cell === "first")?.contents])).toEqual([
      ["", ["e8"]],
      ["writer", ["e8", "cc"]],
      ["task 1", ["e8", "cc"]],
    ]);
    expect(trace.at(-1)?.places).toContainEqual({ who: "task 1", place: "site+5" });
  });
  test("any order of W1 to W3 fails, for enabling and for disabling", () => {
    for (const name of ["A1", "A2"]) {
      for (const [a, b, c] of [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
      ]) {
        const verdict = explore(
          withSteps(protocol(name), (s) => [s[0], s[a ?? 0], s[b ?? 0], s[c ?? 0], s[4]] as WriterStep[]),
        );
        expect(verdict.holds, `${name} ${a}${b}${c}`).toBe(false);
      }
    }
  });
  test("any order of writing form (b) at run time fails", () => {
    const [x, y, z] = protocol("B2").writer as [WriterStep, WriterStep, WriterStep];
    for (const writer of [
      [x, y, z],
      [x, z, y],
      [y, x, z],
      [y, z, x],
      [z, x, y],
      [z, y, x],
    ]) {
      expect(failed(explore({ ...protocol("B2"), writer }))).toEqual(["O1"]);
    }
  });
});

describe("the checker can fail", () => {
  const good = protocol("X-modify");
  const enable = protocol("X-enable");
  const without =
    (...steps: number[]) =>
    (all: readonly WriterStep[]) =>
      all.filter((_, k) => !steps.includes(k));

  test("X-enable with any one sync removed fails, with all of them it holds", () => {
    expect(explore(enable).holds).toBe(true);
    expect(enable.writer.map((s) => s.sync === true)).toEqual([
      false,
      false,
      true,
      false,
      true,
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(failed(explore(withSteps(enable, without(2))))).toEqual(["O5"]);
    expect(failed(explore(withSteps(enable, without(4))))).toEqual(["O5"]);
    expect(failed(explore(withSteps(enable, without(6))))).toEqual(["fault"]);
  });
  test("swapping the tail with the breakpoint, or the first byte with the tail, fails", () => {
    const swap = (i: number, j: number) => (all: readonly WriterStep[]) =>
      all.map((s, k) => (k === i ? all[j] : k === j ? all[i] : s)) as WriterStep[];
    expect(failed(explore(withSteps(enable, swap(1, 3))))).toEqual(["O5"]);
    expect(failed(explore(withSteps(enable, swap(3, 5))))).toEqual(["O5"]);
  });
  test("the handler's interrupts and its reference each keep the vector in place", () => {
    const on = (...names: string[]) => ({
      ...good,
      places: Object.fromEntries(
        Object.entries(good.places).map(([n, p]) => [n, names.includes(n) ? { ...p, irqsOff: false } : p]),
      ),
    });
    // Once it holds a reference, interrupts may be on: the writer waits. Before that nothing keeps the writer.
    expect(explore(on("handler:emulate")).holds).toBe(true);
    expect(failed(explore(withSteps(on("handler:emulate"), without(8))))).toEqual(["fault"]);
    expect(failed(explore(on("handler")))).toEqual(["fault"]);
    // With interrupts off the last sync has waited for the handlers already.
    expect(explore(withSteps(good, without(8))).holds).toBe(true);
  });
  test("a reference that is never dropped leaves the writer waiting", () => {
    expect(failed(explore(withSteps(good, without(7))))).toEqual(["stuck"]);
  });
  test("the handler that skips, put into today's protocol, reverts the livepatch", () => {
    const skip = { ...good.instructions, int3: "goto site+5" };
    expect(failed(explore({ ...good, instructions: skip }))).toEqual(["L", "O4"]);
  });
  test("a handler that emulates the old instruction calls what is gone or not yet there: it still serves the livepatch", () => {
    const old = good.writer.map((s, k) => (k === 0 ? { write: { refs: 1, vector: "call A" } } : s));
    expect(explore({ ...good, writer: old }).holds).toBe(true);
    const nop = good.writer.map((s, k) => (k === 0 ? { write: { refs: 1, vector: "nop5" } } : s));
    expect(failed(explore({ ...good, writer: nop }))).toEqual(["L", "O4"]);
  });
  test("dropping an occupancy rule hides the failure that depends on it", () => {
    expect(explore({ ...protocol("C2"), noParking: ["W1"] }).holds).toBe(true);
    expect(explore({ ...protocol("B3"), noParking: ["W1", "W2", "helper"] }).holds).toBe(true);
    expect(explore({ ...protocol("P-H1-atomic"), noParking: ["tracer", "W1"] }).holds).toBe(true);
    // Parking in the helper alone is enough for A2.
    expect(explore({ ...protocol("A2"), noParking: ["W1", "W2", "W3"] }).holds).toBe(false);
    expect(explore({ ...protocol("A2"), noParking: ["W1", "W2", "W3", "helper"] }).holds).toBe(true);
  });
  test("the wait for tasks is what makes A7 hold", () => {
    for (const name of ["A7-enable", "A7-disable"]) {
      expect(explore(withSteps(protocol(name), without(1))).holds).toBe(false);
      const blind = protocol(name).writer.map((s, k) => (k === 1 ? { quiesce: ["W1", "W2", "W3"] } : s));
      // A wait that does not look into the helper is enough to enable (nobody is there), not to disable.
      expect(explore({ ...protocol(name), writer: blind }).holds).toBe(name === "A7-enable");
    }
  });
  test("interrupts on in the r11 trampoline, or one variable for all contexts, are found", () => {
    expect(explore(protocol("X-r11")).holds).toBe(true);
    expect(explore(protocol("X-r11-irqs-on")).holds).toBe(false);
    expect(explore(protocol("X-percontext")).holds).toBe(true);
    expect(failed(explore(protocol("X-percpu")))).toEqual(["O1"]);
    // Without NMIs one variable is enough: the failure is the nesting's.
    expect(explore({ ...protocol("X-percpu"), nmi: 0 }).holds).toBe(true);
  });
  test("a helper that calls back twice violates O3", () => {
    const places = {
      ...protocol("C1-enable").places,
      helper: { run: "callback [ops]; callback [ops]; x30 = x9; goto prologue" },
    };
    expect(failed(explore({ ...protocol("C1-enable"), places }))).toContain("O3");
  });
  test("a helper that does not restore the frame pointer violates O2", () => {
    const places = { ...protocol("A6").places, helper: { run: "pop x29; jump x30" } };
    expect(failed(explore({ ...protocol("A6"), places }))).toContain("O2");
  });
  test("nop ops in a site that is called throughout leave the livepatch out", () => {
    const writer: WriterStep[] = [{ write: { ops: "nop_ops" } }, { write: { ops: "list_ops" } }];
    expect(failed(explore({ ...protocol("C1-modify"), writer }))).toEqual(["L", "O4"]);
  });
  test("the limit on states is told, not hidden", () => {
    expect(explore(good, { maxStates: 100 })).toMatchObject({ holds: false, incomplete: true, states: 100 });
  });
});

test("three tasks come to the same verdicts as two", () => {
  for (const p of protocols.filter((p) => p.arch !== "x86_64")) {
    expect(failed(explore({ ...p, tasks: 3 })), p.name).toEqual(failed(explore(p)));
  }
});

test("writes outside the architecture's list are noted", () => {
  expect(explore(protocol("C3")).notes).toEqual([
    "W0: `mov x9` becomes `nop` while it may be executed; the architecture allows that only between nop, bl, b",
  ]);
  expect(explore(protocol("C1-modify")).notes).toEqual([]);
  expect(explore(protocol("C2-atomic")).notes).toEqual([]);
});

describe("a protocol of one's own", () => {
  test("every built-in protocol comes back from its JSON with the same verdict", () => {
    for (const p of protocols) {
      const again = parseProtocol(JSON.stringify(p));
      expect(again).toEqual(p);
      if (p.arch !== "x86_64") expect(explore(again)).toEqual(explore(p));
    }
  });
  const least = {
    schema: "klplink-protocol/1",
    name: "mine",
    arch: "any",
    title: "one word",
    entries: { W0: "end" },
    memory: { W0: "nop" },
    places: { W0: {} },
    instructions: { nop: "" },
    writer: [],
  };
  test("the least one holds", () => {
    expect(explore(checkProtocol(least))).toMatchObject({ holds: true, states: 1 });
  });
  test.each<[string, unknown, string]>([
    ["no object", [], "must be an object"],
    ["no JSON number", { ...least, tasks: 9 }, "tasks: must be a whole number from 1 to 4"],
    ["unknown field", { ...least, wirter: [] }, "wirter: is not a known field"],
    ["inherited field", { ...least, constructor: 1 }, "constructor: is not a known field"],
    ["missing field", { ...least, writer: undefined }, "writer: must be a list"],
    ["other schema", { ...least, schema: "x/1" }, "schema: must be one of"],
    ["wrong property", { ...least, expect: ["O9"] }, "expect[0]: must be one of"],
    [
      "nested",
      { ...least, writer: [{ write: { W0: null } }] },
      "writer[0].write.W0: must be a string or a whole number",
    ],
    ["name", { ...least, memory: { "a]b": 1 } }, "is not a name"],
  ])("malformed: %s", (_, source, message) => {
    expect(() => checkProtocol(source)).toThrow(message);
  });
  test.each<[string, object, string]>([
    ["cell of a writer", { writer: [{ write: { W9: "nop" } }] }, "writer[0].write: there is no memory cell `W9`"],
    ["place of a goto", { instructions: { nop: "goto W9" } }, "instructions.nop: `goto W9`: there is no place `W9`"],
    ["register", { instructions: { nop: "x9 = 1" } }, "there is no register `x9`"],
    ["statement", { instructions: { nop: "dance" } }, "`dance` is not a statement"],
    ["empty entries", { entries: {} }, "entries: must name at least one entry"],
    ["cells and run", { places: { W0: { cells: ["W0"], run: "goto W0" } } }, "has both `cells` and `run`"],
    ["encoding", { encodings: { dance: ["x"] } }, "encodings.dance: there is no such instruction"],
    ["code at the start", { memory: { W0: "nopp" } }, "memory.W0: there is no instruction `nopp`"],
    ["code written", { writer: [{ write: { W0: "nopp" } }] }, "writer[0].write.W0: there is no instruction `nopp`"],
    ["code waited for", { writer: [{ until: { W0: "nopp" } }] }, "writer[0].until.W0: there is no instruction `nopp`"],
    ["code set", { instructions: { nop: 'if 1 == 2: [W0] = "x"' } }, "instructions.nop: there is no instruction `x`"],
    ["code emulated", { places: { W0: {}, t: { run: 'exec "x"' } } }, "places.t.run: there is no instruction `x`"],
    [
      "part of an instruction",
      { memory: { W0: "e8", W1: "C" }, places: { W0: { cells: ["W0", "W1"] } }, encodings: { nop: ["e8", "A"] } },
      "memory.W1: there is no instruction's part in `encodings` `C`",
    ],
  ])("names that do not fit: %s", (_, change, message) => {
    expect(() => explore(checkProtocol({ ...least, ...change }))).toThrow(message);
  });
  test.each<[string, object]>([
    ["data", { memory: { W0: "nop", data: "nopp" } }],
    ["any content", { memory: { W0: "whatever" }, encodings: { nop: ["*"] } }],
    [
      "cells behind the instruction",
      { memory: { W0: 1, W1: "C" }, places: { W0: { cells: ["W0", "W1"] } }, encodings: { nop: ["*"] } },
    ],
    [
      "a cell that begins another instruction",
      {
        memory: { W0: "e8", W1: "nop" },
        places: { W0: { cells: ["W0", "W1"], next: "end" }, W1: { next: "end" } },
        encodings: { nop: ["e8"] },
      },
    ],
  ])("contents that fit: %s", (_, change) => {
    expect(explore(checkProtocol({ ...least, ...change })).holds).toBe(true);
  });
  describe("stuck says what never ends", () => {
    const stuck = (change: object): string | undefined => {
      const verdict = explore(checkProtocol({ ...least, ...change }));
      expect(failed(verdict)).toEqual(["stuck"]);
      return verdict.violations[0]?.what;
    };
    const loop = { places: { W0: { next: "W0" } } };
    test("a task, though the writer has steps left", () => {
      expect(stuck({ ...loop, writer: [{ write: { W0: "nop" } }] })).toBe(
        "task 1 never leaves the site: it stays at W0",
      );
    });
    test("the writer, where it waits", () => {
      const memory = { W0: "nop", n: 0 };
      expect(stuck({ memory, writer: [{ until: { n: 1 } }] })).toBe(
        "the writer waits for ever at its step 1: wait until n is 1",
      );
      // The task that passes makes the number 1 too large; the writer comes to see that later.
      const writer = [{ write: { W0: "nop" } }, { write: { W0: "nop" } }, { until: { n: 0 } }];
      expect(stuck({ memory, instructions: { nop: "[n] = 1" }, writer })).toBe(
        "the writer will come no further than its step 3: wait until n is 0",
      );
    });
    test("both", () => {
      expect(stuck({ ...loop, tasks: 1, writer: [{ quiesce: "tasks" }] })).toBe(
        "the writer waits for ever at its step 1: wait until every task has left the site; task 1 never leaves the site: it stays at W0",
      );
    });
    test("neither alone", () => {
      // The writer comes to its end only while the task is inside, and then the task never leaves.
      const places = { W0: {}, wait: { run: 'if [n] == "shut": goto wait; [n] = "out"; goto end' } };
      const writer = [{ until: { n: "in" }, write: { n: "shut" } }];
      const memory = { W0: "nop", n: "out" };
      const instructions = { nop: '[n] = "in"' };
      expect(stuck({ memory, places, instructions, writer, tasks: 1 })).toBe(
        "the writer's last step and an empty site do not come together any more",
      );
    });
  });
  test("an endless protocol ends: numbers, stacks and emulation have bounds", () => {
    const spin = { ...least, memory: { W0: "nop", n: 0 }, instructions: { nop: "[n] = [n] + 1; goto W0" } };
    expect(explore(checkProtocol(spin), { maxStates: 10_000 })).toMatchObject({ incomplete: false, holds: false });
    const deep = { ...least, instructions: { nop: "push 1; goto W0" } };
    expect(failed(explore(checkProtocol(deep)))).toEqual(["ends"]);
    const exec = { ...least, instructions: { nop: 'exec "nop"' } };
    expect(failed(explore(checkProtocol(exec)))).toEqual(["fault"]);
    const wild = { ...least, instructions: { nop: "jump 7" } };
    expect(failed(explore(checkProtocol(wild)))).toEqual(["O1"]);
  });
  describe("a named value plus a number", () => {
    const [, text = ""] = /```json\n([\s\S]*?)```/.exec(readFileSync("docs/model.md", "utf8")) ?? [];
    const example = parseProtocol(text);
    const withInstructions = (instructions: Readonly<Record<string, string>>): Protocol => ({
      ...example,
      instructions: { ...example.instructions, ...instructions },
    });
    test.each<[string, Protocol]>([
      ["saved for the tracer", withInstructions({ "mov x9": "x9 = x30 + 1" })],
      ["at the site", withInstructions({ bl: "x30 = x30 + 1" })],
      ["less", withInstructions({ bl: "x30 = x30 - 1" })],
    ])("is another value: %s", (_, p) => {
      expect(failed(explore(p))).toEqual(["O1"]);
      expect(explore(p).violations[0]?.what).toMatch(/x30 is `caller [+-] 1`, not `caller`/);
    });
    test.each(["x9 = x30 + 1; x9 = x9 - 1", "x9 = x30 - 3; x9 = x9 + 2; x9 = x9 + 1"])("comes back: %s", (mov) => {
      expect(explore(withInstructions({ "mov x9": mov })).holds).toBe(true);
    });
    test("can be asked for", () => {
      const p = withInstructions({ "mov x9": "x9 = x30 + 1; x9 = x9 + 3", nop: "x30 = x30 + 4" });
      expect(explore({ ...p, atEnd: { O1: { x30: "caller + 4" } } }).holds).toBe(true);
      expect(failed(explore({ ...p, atEnd: { O1: { x30: "caller + 3" } } }))).toEqual(["O1"]);
    });
    test("an address plus a number is not a place", () => {
      const verdict = explore(withInstructions({ bl: "x30 = next + 4; goto tracer" }));
      expect(verdict.violations[0]).toMatchObject({
        property: "O1",
        what: "jumps to `&prologue + 4`, which is not an address of code here",
      });
      expect(explore(withInstructions({ bl: "x30 = next + 4; x30 = x30 - 4; goto tracer" })).holds).toBe(true);
    });
    test("in a cell, by the writer", () => {
      const cell = { ...example, memory: { ...example.memory, n: "x" }, writer: [{ add: { n: 2 } }] };
      const asks = (n: string) => explore({ ...cell, writer: [...cell.writer, { until: { n } }] });
      expect(asks("x + 2").holds).toBe(true);
      expect(failed(asks("x"))).toEqual(["stuck"]);
    });
    test("is refused where it has no end", () => {
      expect(() => explore(withInstructions({ "mov x9": "x9 = x9 + 1; goto W0" }))).toThrow(
        "places.W0: comes to `stale x9 + 65`",
      );
    });
  });
  test("mixtures of many cells do not run away", () => {
    const cells = Array.from({ length: 16 }, (_, i) => `c${i}`);
    const all = (v: number) => ({ write: Object.fromEntries(cells.map((c) => [c, v])) });
    const wide = {
      ...least,
      fetch: "stale",
      memory: Object.fromEntries(cells.map((c) => [c, 0])),
      places: { W0: { cells } },
      writer: [1, 2, 3, 4, 5, 6].map(all),
      encodings: { nop: ["*"] },
    };
    expect(explore(checkProtocol(wide))).toMatchObject({ incomplete: true });
  });
});

describe("documentation", () => {
  test("the example in docs/model.md holds", () => {
    const [, example] = /```json\n([\s\S]*?)```/.exec(readFileSync("docs/model.md", "utf8")) ?? [];
    expect(explore(parseProtocol(example ?? ""))).toMatchObject({ holds: true, states: 13 });
  });
  test("the JSON schema names the fields that the parser knows, and the same that are required", () => {
    const schema = JSON.parse(readFileSync("docs/klplink-protocol-1.schema.json", "utf8"));
    const refusal = (source: object): string => {
      try {
        checkProtocol(source);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    const known = /known are (.*)$/.exec(refusal({ nonsense: 1 }))?.[1]?.split(", ");
    expect(known?.sort()).toEqual(Object.keys(schema.properties).sort());
    for (const name of schema.required) {
      const { [name]: _, ...rest } = { ...protocol("C1-enable") } as Record<string, unknown>;
      expect(refusal(rest)).toBe(`has no \`${name}\``);
    }
  });
});

describe("diagrams", () => {
  const failing = protocols.filter((p) => p.expect !== "holds");
  /** Text boxes and arrows, with the widths of a monospaced font of these sizes (0.61 em a character, a little too wide). */
  function parts(svg: string) {
    const texts = [
      ...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)"[^>]*text-anchor="(\w+)" font-size="(\d+)"[^>]*>([^<]*)</g),
    ].map(([, x, y, anchor, size, content = ""]) => {
      const width = content.replace(/&\w+;/g, "&").length * Number(size) * 0.61;
      const start = Number(x) - (anchor === "start" ? 0 : anchor === "end" ? width : width / 2);
      return { start, end: start + width, y: Number(y), content };
    });
    const arrows = [...svg.matchAll(/<path d="M([\d.]+) ([\d.]+)H([\d.]+)M/g)].map(([, from, y, to]) => ({
      start: Number(from),
      end: Number(to),
      y: Number(y),
    }));
    const width = Number(/ width="(\d+)"/.exec(svg)?.[1]);
    return { texts, arrows, width };
  }
  test.each(failing.map((p) => [p.name, p] as const))("%s: nothing overlaps, nothing is cut off", (_, p) => {
    for (const violation of explore(p).violations) {
      const { texts, arrows, width } = parts(violationSvg(p, violation));
      expect(texts.length).toBeGreaterThan(violation.trace.length);
      for (const [i, a] of texts.entries()) {
        expect(a.end, a.content).toBeLessThanOrEqual(width);
        for (const b of texts.slice(i + 1)) {
          const isApart = Math.abs(a.y - b.y) >= 8 || a.end <= b.start || b.end <= a.start;
          expect(isApart ? "" : `${a.content} over ${b.content}`).toBe("");
        }
        // A label stands above its arrow; what stands beside an actor is level with the arrows.
        for (const arrow of arrows) {
          const isStruck = Math.abs(a.y - 4 - arrow.y) < 3 && a.start < arrow.end && a.end > arrow.start;
          expect(isStruck ? a.content : "").toBe("");
        }
      }
    }
  });
});
