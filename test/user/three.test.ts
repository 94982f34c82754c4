// Calls among three modules, each with a TOC of its own (three.c): M1 calls into M2, a livepatch takes the callee's
// place, calls what stayed behind in M2, and that calls back into M1.

import { beforeAll, describe, expect, test } from "vitest";
import { Lab, type Run } from "./lab.ts";

const lab = new Lab();
const PATCHES = ["middle", "tail", "frames"].map((name) => `patch=b_${name}:p_${name}`);
const WAYS = ["island", "framed", "epilogue", "mini-frame", "shadow-stack"] as const;
/** Between two modules A restores r2 by itself: any of the kernels of entry.S will do. */
const HANDLERS = ["livepatch", "plain", "cr4"] as const;

beforeAll(() => {
  lab.program("kernel", "kernel.c", "entry.S");
  const stack = lab.run("kernel", "paca").text.trim();
  lab.object("m1.o", "three.c", "-DM1", "-mcmodel=large");
  lab.object("m2.o", "three.c", "-DM2", "-mcmodel=medium");
  lab.object("patch.o", "three.c", "-DPATCH", "-gbtf", "-mcmodel=large");
  for (const way of WAYS) {
    const args =
      way === "framed"
        ? ["--siblings", "framed"]
        : ["--toc-restore", way, ...(way === "shadow-stack" ? ["--livepatch-stack", stack] : [])];
    // p_tail ends in a sibling call and cannot restore r2 itself; it need not: its callers are in another module.
    const done = lab.klplink("patch.o", ...args, ...(way === "epilogue" ? ["--force"] : []), "-o", `${way}.o`);
    expect(done.status, done.text).toBe(way === "epilogue" ? 1 : 0);
  }
});

const run = (module: string | null, handler: string, start: string, ...more: string[]): Run =>
  module === null
    ? lab.run("kernel", "argument=5", start, "m1.o", "m2.o")
    : lab.run("kernel", "argument=5", `handler=${handler}`, ...more, ...PATCHES, start, "m1.o", "m2.o", module);

describe.each(WAYS)("%s", (way) => {
  test.each(HANDLERS)("P between M1 and M2, handler %s: the same results, every register kept", (handler) => {
    const truth = run(null, handler, "a_main");
    expect(truth.text).toMatch(/^result [0-9a-f]+\nlost r1,r2,cr,lr 0 gpr 0 fpr 0 vr 0\n$/);
    expect(run(`${way}.o`, handler, "a_main")).toEqual(truth);
  });
});

test("as the compiler made it, the livepatch is refused, and forced it goes wrong", () => {
  expect(run("patch.o", "livepatch", "a_main")).toEqual({
    status: 2,
    text: expect.stringMatching(/Expected nop after call/),
  });
  expect(run("patch.o", "livepatch", "a_main", "unchecked")).not.toEqual(run(null, "livepatch", "a_main"));
});

test("each frame belongs to the module that made it", () => {
  const chain = (module: string | null, handler: string): string | undefined =>
    run(module, handler, "a_frames").text.split("\n")[0];
  expect(chain(null, "plain")).toBe("frames: a_callback c_far b_frames a_frames ?");
  expect(chain("island.o", "plain")).toBe("frames: a_callback c_far p_frames a_frames ?");
  expect(chain("island.o", "livepatch")).toBe("frames: a_callback c_far p_frames ?");
  expect(chain("shadow-stack.o", "plain")).toBe("frames: a_callback c_far p_frames a_frames ?");
});
