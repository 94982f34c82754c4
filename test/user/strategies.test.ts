// The answers of the documents to "who restores r2 for A, when B is replaced by P", each with what ftrace_caller did
// for it (entry.S): the livepatch stack of today's kernels, the distance at CR+4 with epilogues made by klplink
// (solution 1 of March 2016), and klp_return_helper behind a 32-byte frame (solution 2).

import { beforeAll, describe, expect, test } from "vitest";
import { Lab } from "./lab.ts";

const lab = new Lab();
const KINDS = ["plain", "frames", "nine", "variadic", "structs", "floating", "vectors", "pointer", "loop", "leaf"];
/** P looks for these arguments in A's parameter save area, past its own frame. */
const ON_STACK = ["taking_nine", "variadic", "structs"];

function outcome(handler: string, kinds: readonly string[], module: string): { status: number | null; text: string } {
  const patches = kinds.map((kind) => `patch=b_${kind}:p_${kind}`);
  const run = lab.run("kernel", `handler=${handler}`, "argument=3", ...patches, "a_run", "world.o", module);
  return { ...run, text: run.text.replace(/^frames:.*\n/gm, "") };
}

function frames(handler: string, module: string): string | undefined {
  const run = lab.run(
    "kernel",
    `handler=${handler}`,
    "argument=3",
    "patch=b_frames:p_frames",
    "a_frames",
    "world.o",
    module,
  );
  return run.text.split("\n")[0];
}

let truth: { status: number | null; text: string };

beforeAll(() => {
  lab.program("kernel", "kernel.c", "entry.S");
  lab.object("world.o", "calls.c", "-mcmodel=large");
  lab.object("patch.o", "calls.c", "-mcmodel=large", "-DPATCH", "-DREPLACE");
  lab.object("refused.o", "calls.c", "-mcmodel=large", "-DPATCH", "-DREPLACE_ALL");
  expect(lab.klplink("patch.o", "-o", "island.o").status).toBe(0);
  const epilogue = lab.klplink("patch.o", "--toc-restore", "epilogue", "-o", "epilogue.o");
  expect(epilogue).toEqual({ status: 0, text: expect.stringContaining(", 11 restoring epilogues, ") });
  truth = outcome("livepatch", [], "island.o");
  expect(truth).toEqual({
    status: 0,
    text: expect.stringMatching(/^result [0-9a-f]+\nlost r1,r2,cr,lr 0 gpr 0 fpr 0 vr 0\n$/),
  });
});

describe("the livepatch stack", () => {
  test("serves every kind; A's own return address is out of the back chain's sight", () => {
    expect(outcome("livepatch", [...KINDS, "taking_nine"], "island.o")).toEqual(truth);
    expect(frames("livepatch", "island.o")).toBe("frames: c_frames p_frames ?");
  });

  test("functions with epilogues run on it, too", () => {
    expect(outcome("livepatch", [...KINDS, "taking_nine"], "epilogue.o")).toEqual(truth);
  });
});

describe("epilogue", () => {
  test("serves every kind, and A stays in sight", () => {
    expect(outcome("cr4", [...KINDS, "taking_nine"], "epilogue.o")).toEqual(truth);
    expect(frames("cr4", "epilogue.o")).toBe("frames: c_frames p_frames a_frames ?");
  });

  test.each(KINDS)("%s needs it: without, A goes on with another TOC", (kind) => {
    expect(outcome("cr4", [kind], "epilogue.o")).toEqual(truth);
    expect(outcome("cr4", [kind], "island.o")).not.toEqual(truth);
  });

  test("a sibling call and a function that is called inside the module are refused", () => {
    const run = lab.klplink("refused.o", "--toc-restore", "epilogue", "--format", "json", "-o", "no.o");
    expect(run.status).toBe(1);
    const told = [...run.text.matchAll(/(p_\w+) cannot restore its caller's TOC/g)].map((m) => m[1]);
    expect([...new Set(told)]).toEqual(["p_sibling", "p_recursive"]);
  });
});

describe("mini frame", () => {
  test("serves functions whose arguments are all in registers", () => {
    expect(
      outcome(
        "mini",
        KINDS.filter((kind) => !ON_STACK.includes(kind)),
        "island.o",
      ),
    ).toEqual(truth);
  });

  test.each(ON_STACK)("%s looks for its arguments 32 bytes too near", (kind) => {
    expect(outcome("mini", [kind], "island.o")).not.toEqual(truth);
  });

  test("the helper has a frame of its own between P and A", () => {
    expect(frames("mini", "island.o")).toBe("frames: c_frames p_frames ? a_frames ?");
  });
});
