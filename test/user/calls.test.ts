// Every kind of call out of a livepatch, run: A calls B, B is replaced by P (linked by klplink), P calls C, which was
// local to B. Truth is the same program with nothing replaced: P is B's own code, cut out.

import { beforeAll, describe, expect, test } from "vitest";
import { Lab, type Run } from "./lab.ts";

const lab = new Lab();
const KINDS = [
  ...["plain", "sibling", "sibling_nine", "frames", "nested", "nested2", "nested3", "recursive", "nine", "taking_nine"],
  ...["variadic", "structs", "floating", "vectors", "pointer", "loop"],
];
/** Those whose code reads its own data through r2 behind a call; the others happen to be done with it by then. */
const NEEDS_TOC = KINDS.filter((kind) => !/^(?:sibling.*)$/.test(kind));
const WHOLE = "lost r1,r2,cr,lr 0 gpr 0 fpr 0 vr 0\n";
const replace = (kinds: readonly string[]): string[] => kinds.map((kind) => `patch=b_${kind}:p_${kind}`);

/** The run of a_run, without the lines that tell frames. */
function results(...args: string[]): Run {
  const run = lab.run("kernel", ...args);
  return { ...run, text: run.text.replace(/^frames:.*\n/gm, "") };
}

beforeAll(() => {
  lab.program("kernel", "kernel.c", "entry.S");
});

describe.each(["medium", "large"])("-mcmodel=%s", (model) => {
  const world = `world-${model}.o`;
  const patch = `patch-${model}.o`;
  const linked = `patch-${model}.klp.o`;
  let truth: Run;

  beforeAll(() => {
    lab.object(world, "calls.c", `-mcmodel=${model}`);
    lab.object(patch, "calls.c", `-mcmodel=${model}`, "-DPATCH");
    const run = lab.klplink(patch, "-o", linked);
    expect(run).toEqual({ status: 0, text: expect.stringMatching(/: 2\d return islands, 3 sibling islands, /) });
    truth = results("argument=3", "a_run", world);
    expect(truth).toEqual({ status: 0, text: expect.stringMatching(/^result [0-9a-f]+\nlost /) });
    expect(truth.text).toContain(WHOLE);
  });

  test("all functions replaced: the same results, every register kept", () => {
    expect(results("argument=3", ...replace(KINDS), "a_run", world, linked)).toEqual(truth);
  });

  test.each(KINDS)("%s alone replaced", (kind) => {
    expect(results("argument=3", ...replace([kind]), "a_run", world, linked)).toEqual(truth);
    // The refusal is earned: without islands the loader refuses, and if it did not, the run would go wrong.
    const refused = lab.run("kernel", "argument=3", ...replace([kind]), "a_run", world, patch);
    expect(refused).toEqual({ status: 2, text: expect.stringMatching(/Expected nop after call/) });
    if (!NEEDS_TOC.includes(kind)) return;
    expect(results("argument=3", "unchecked", ...replace([kind]), "a_run", world, patch)).not.toEqual(truth);
  });

  test("a sibling call left alone overwrites the TOC that A saved; the island does not", () => {
    const good = results("argument=3", "a_pointer", world);
    const patched = replace(["sibling"]);
    expect(results("argument=3", "unchecked", ...patched, "a_pointer", world, patch)).not.toEqual(good);
    expect(results("argument=3", ...patched, "a_pointer", world, linked)).toEqual(good);
  });

  test("P is charged with its frame while C runs, through a return island", () => {
    const frames = (...args: string[]): string[] => lab.run("kernel", "argument=3", ...args).text.split("\n");
    expect(frames("a_run", world)[1]).toBe("frames: c_frames b_frames a_run ?");
    const replaced = frames(...replace(KINDS), "a_run", world, linked);
    // A's own return address is on the livepatch stack: its frame names the handler.
    expect(replaced.slice(0, 2)).toEqual([
      "frames: c_frames p_nested3 p_nested2 p_nested ?",
      "frames: c_frames p_frames ?",
    ]);
  });
});
