// ppc64le (ELFv2): each instruction is a word, each write one aligned store. The kernel changes the word of the `bl`;
// what saves LR before it stands there from build or load time on.

import type { PlaceSource, Protocol } from "../../protocol.ts";

export const ppc64le = {
  schema: "klplink-protocol/1",
  arch: "ppc64le",
} as const satisfies Partial<Protocol>;

/** -mprofile-kernel: mflr r0, [std r0,16(r1),] bl. The tracer gets the caller's LR in r0. */
export const profile = {
  registers: { lr: "caller", r0: "stale r0", pc: "?", slot: "unset" },
  atEnd: { O1: { lr: "caller" }, O2: { sp: 0 } },
  instructions: {
    nop: "",
    mflr: "r0 = lr",
    std: "slot = r0",
    bl: "lr = next; goto tracer",
  },
} as const;

const profileTracer: PlaceSource = {
  run: 'pc = lr; lr = r0; callback "ops"; jump pc',
  title: "ftrace_caller runs, restores LR from r0 and returns",
};

export const twoWords: Readonly<Record<string, PlaceSource>> = {
  W0: {},
  W1: { next: "body" },
  tracer: profileTracer,
};

export const ppcThreeWords: Readonly<Record<string, PlaceSource>> = {
  W0: {},
  W1: {},
  W2: { next: "body" },
  tracer: profileTracer,
};

/**
 * Plain -pg: bl _mcount and the word behind it, after the prologue. The stub of the call saves r2 in the frame's slot
 * and the tracer returns with the kernel's r2; `ld r2,24(r1)` brings the function's back. LR is in the frame already.
 */
export const mcount = {
  entries: { W0: "body" },
  registers: { lr: "saved", r2: "the function's TOC", slot: "unset slot" },
  atEnd: { O6: { r2: "the function's TOC" } },
  instructions: {
    nop: "",
    bl: 'slot = r2; r2 = "the kernel\'s TOC"; lr = next; goto tracer',
    "b +8": "goto body",
    "ld r2": "r2 = slot",
  },
  places: {
    W0: {},
    W1: { next: "body" },
    tracer: { run: 'callback "ops"; jump lr', title: "the tracer runs, then returns" },
  },
} as const;

/**
 * Out of line (PPC_FTRACE_OUT_OF_LINE, 7.2): one word at the entry branches to a stub: mflr r0, bl, mtlr r0, b back.
 * The tracer reads the ops pointer in front of the stub and returns to the stub.
 */
export const outOfLine = {
  entries: { site: "body" },
  registers: { lr: "caller", r0: "stale r0" },
  atEnd: { O1: { lr: "caller" }, O2: { sp: 0 } },
  instructions: {
    nop: "",
    "b stub": "goto stub0",
    mflr: "r0 = lr",
    "bl caller": "lr = next; goto tracer",
    "bl regs": "lr = next; goto tracer",
    mtlr: "lr = r0",
    "b back": "goto body",
  },
  callbacks: { nop_ops: { runs: false } },
  places: {
    site: { next: "body" },
    stub0: {},
    stub1: {},
    stub2: {},
    stub3: {},
    tracer: { run: "callback [ops]; jump lr", title: "the tracer calls the ops, then returns" },
  },
} as const;
