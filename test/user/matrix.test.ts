// Every answer of the documents, with every kind of call: A calls B, B is replaced by P (linked by klplink in each way),
// P calls C, which was local to B. Truth is the same program with nothing replaced. A kind that a strategy refuses is
// told why, and breaks when it is forced: no refusal is without need. The table in docs/islands.md is this one.

import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { SHN_UNDEF, STT_FUNC } from "../../src/elf/consts.ts";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { Lab, type Run } from "./lab.ts";
import { ALL, type Kind, WAYS, type Way } from "./ways.ts";

const lab = new Lab();

/** Kinds of one long argument: their function is run alone, too, so that registers are looked at right behind it. */
const ALONE: readonly Kind[] = ["plain", "sibling", "sibling_own", "nested", "recursive", "nine", "loop"];

/**
 * The module in which P is the one replacement function. For one half of the kinds: the large code model, one .text, and
 * BTF; for the others: the medium one, a section a function, and DWARF.
 */
function compile(kind: Kind): void {
  const replace = ["-DPATCH", `-DREPLACE_ONE=p_${kind}`];
  if (ALL.indexOf(kind) % 2 === 0) {
    lab.object(object(kind), "calls.c", "-mcmodel=large", "-gbtf", ...replace);
    return;
  }
  lab.object(object(kind), "calls.c", "-mcmodel=medium", "-ffunction-sections", "-g", "-DCUT", ...replace);
  const edits = new ElfEdits(readElf(readFileSync(lab.path(object(kind)))));
  const symbols = edits.symbolTable();
  for (let i = 1; i < symbols.count; i++) {
    const isCallee = /^c_[a-z]+$/.test(symbols.name(i)) && symbols.type(i) === STT_FUNC;
    if (isCallee) edits.setSymbol(i, { home: { kind: "reserved", index: SHN_UNDEF }, value: 0n, size: 0, other: 0 });
  }
  writeFileSync(lab.path(object(kind)), writeElf(edits));
}

const object = (kind: Kind): string => `${kind}.o`;
let stack = "";

function run(way: Way, kind: Kind, start: string, module: string, ...more: string[]): Run {
  const patch = `patch=b_${kind}:p_${kind}`;
  const run = lab.run("kernel", `handler=${way.handler}`, "argument=3", ...more, patch, start, "world.o", module);
  return { ...run, text: run.text.replace(/^frames:.*\n/gm, "") };
}

/** The same without the patch. */
function truth(start: string): Run {
  const run = lab.run("kernel", "argument=3", start, "world.o");
  return { ...run, text: run.text.replace(/^frames:.*\n/gm, "") };
}

const argsOf = (way: Way): readonly string[] =>
  way.name === "shadow-stack" ? [...way.args, "--livepatch-stack", stack] : way.args;

beforeAll(() => {
  lab.program("kernel", "kernel.c", "entry.S");
  lab.object("world.o", "calls.c", "-mcmodel=large");
  stack = lab.run("kernel", "paca").text.trim();
  expect(stack).toMatch(/^-?\d+,32$/);
  for (const kind of ALL) compile(kind);
});

describe.each(WAYS)("$name", (way) => {
  const served = ALL.filter((kind) => way.refuses[kind] === undefined && !way.idle?.includes(kind));
  if (served.length > 0)
    test.each(served)("%s: same results, every register kept", (kind) => {
      const linked = lab.klplink(object(kind), ...argsOf(way), "-q", "-o", "linked.o");
      expect(linked.status, linked.text).toBe(0);
      expect(lab.klplink(object(kind), ...argsOf(way), "-o", "linked.o").text).toMatch(way.told(kind));
      const whole = truth("a_run");
      expect(whole.text).toMatch(/^result [0-9a-f]+\nlost r1,r2,cr,lr 0 gpr 0 fpr 0 vr 0\n$/);
      expect(run(way, kind, "a_run", "linked.o")).toEqual(whole);
      if (ALONE.includes(kind)) expect(run(way, kind, `b_${kind}`, "linked.o")).toEqual(truth(`b_${kind}`));
      // By a pointer, A keeps its TOC in the frame that a sibling call could damage.
      if (kind === "sibling") expect(run(way, kind, "a_pointer", "linked.o")).toEqual(truth("a_pointer"));
    });

  const refused = ALL.filter((kind) => way.refuses[kind] !== undefined);
  if (refused.length === 0) return;
  test.each(refused)("%s: refused, and forced it breaks", (kind) => {
    const no = lab.klplink(object(kind), ...argsOf(way), "--format", "json", "-o", "refused.o");
    expect(no.status).toBe(1);
    expect(no.text).toMatch(way.refuses[kind] ?? /^$/);
    if (way.name !== "nop") expect(no.text).toMatch(new RegExp(`"function":\\s*"p_${kind}"`));
    expect(lab.klplink(object(kind), ...argsOf(way), "--force", "-o", "forced.o").status).toBe(1);
    if (way.name === "nop") {
      // The loader refuses the module.
      expect(run(way, kind, "a_run", "forced.o")).toEqual({
        status: 2,
        text: expect.stringMatching(/Expected nop after call/),
      });
      const start = kind.startsWith("sibling") ? "a_pointer" : "a_run";
      // One sibling call is like another to A; a_pointer calls the plain one.
      const what = kind === "sibling_nine" ? "sibling" : kind;
      expect(run(way, what, start, "forced.o", "unchecked")).not.toEqual(truth(start));
      return;
    }
    const forced = run(way, kind, "a_run", "forced.o");
    if (way.lucky?.includes(kind)) expect(forced).toEqual(truth("a_run"));
    else expect(forced).not.toEqual(truth("a_run"));
  });
});

describe("without the strategy", () => {
  // What A -> P needs: the same module with islands alone, under an ftrace_caller that restores nothing.
  // A sibling call comes back with C's TOC, and that is A's here.
  const losing = ALL.filter((kind) => kind !== "sibling" && kind !== "sibling_nine");
  test.each(losing)("%s: A goes on with another TOC", (kind) => {
    expect(lab.klplink(object(kind), "-o", "islands.o").status).toBe(0);
    for (const handler of ["plain", "cr4"]) {
      const bare = { ...WAYS[0], handler } as Way;
      expect(run(bare, kind, "a_run", "islands.o")).not.toEqual(truth("a_run"));
    }
  });
});

describe("the back chain at C's deepest point", () => {
  const frames = (
    way: string,
    args: readonly string[],
    kind: "frames" | "sibling_frames",
    start: string,
    ...more: string[]
  ) => {
    const source = `${kind}-chain.o`;
    lab.object(source, "calls.c", "-mcmodel=large", "-gbtf", "-DPATCH", `-DREPLACE_ONE=p_${kind}`);
    const linked = args.includes("as-is") ? source : "chain.o";
    if (linked !== source) {
      const done = lab.klplink(source, ...args, "--force", "-o", linked);
      expect(done.text).toMatch(/bytes added/);
    }
    const patch = `patch=b_${kind}:p_${kind}`;
    const run = lab.run("kernel", `handler=${way}`, "argument=3", ...more, patch, start, "world.o", linked);
    return run.text.split("\n")[0];
  };
  const shadow = (): readonly string[] => ["--toc-restore", "shadow-stack", "--livepatch-stack", stack];

  test("nothing replaced", () => {
    const run = lab.run("kernel", "argument=3", "a_frames", "world.o");
    expect(run.text.split("\n")[0]).toBe("frames: c_frames b_frames a_frames ?");
  });

  test.each([
    ["island", "livepatch", [], "c_frames p_frames ?"],
    ["epilogue", "cr4", ["--toc-restore", "epilogue"], "c_frames p_frames a_frames ?"],
    // Two frames: the helper stands behind P and is charged to it.
    ["mini-frame", "plain", ["--toc-restore", "mini-frame"], "c_frames p_frames p_frames a_frames ?"],
    ["mini frame by ftrace_caller", "mini", [], "c_frames p_frames ? a_frames ?"],
  ] as const)("%s: P in sight", (_name, handler, args, expected) => {
    expect(frames(handler, args, "frames", "a_frames")).toBe(`frames: ${expected}`);
  });

  test("a klp_stub behind P keeps P in sight; one that the loader makes hides it", () => {
    expect(frames("livepatch", shadow(), "frames", "a_frames")).toBe("frames: c_frames p_frames ?");
    // P's frame names the stub, and the stub belongs to nobody.
    expect(frames("livepatch", ["as-is"], "frames", "a_frames", "klp-stubs")).toBe("frames: c_frames ?");
  });

  test("sibling calls: P has no frame, and its caller is in sight, but not behind a klp_stub", () => {
    const [kind, start] = ["sibling_frames", "a_sibling_frames"] as const;
    expect(frames("plain", [], kind, start)).toBe("frames: c_frames a_sibling_frames ?");
    expect(frames("plain", ["--siblings", "framed"], kind, start)).toBe(
      "frames: c_frames p_sibling_frames a_sibling_frames ?",
    );
    expect(frames("plain", shadow(), kind, start)).toBe("frames: c_frames p_sibling_frames ?");
  });
});
