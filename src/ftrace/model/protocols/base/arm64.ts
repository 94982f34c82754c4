// arm64: each instruction is a word, each write one aligned store; a CPU executes the old or the new word. The prologue
// stands behind the last word. x9 is dead at entry (AAPCS64), so it begins with anything.

import type { PlaceSource, Protocol } from "../../protocol.ts";

/** Arm ARM, "Concurrent modification and execution of instructions": these may replace each other while executed. */
const patchable = ["nop", "bl", "b"] as const;

export const arm64 = {
  schema: "klplink-protocol/1",
  arch: "arm64",
  entries: { W0: "prologue" },
  registers: { x29: "caller.fp", x30: "caller", x9: "stale x9", pc: "?" },
  atEnd: { O1: { x30: "caller" }, O2: { sp: 0, x29: "caller.fp" } },
  patchable,
} as const satisfies Partial<Protocol>;

export const instructions = {
  nop: "",
  stp: "push x29, x30",
  "mov fp": "x29 = sp",
  bl: "x30 = next; goto helper",
  ldp: "pop x29, x30",
  b: "goto prologue",
  "mov x9": "x9 = x30",
  "mov lr": "x30 = x9",
} as const;

/** The profiling helper of the 2016 discussion: returns to the link register, keeps all others. */
const plain: PlaceSource = { run: 'callback "ops"; jump x30', title: "the helper runs, then returns" };

/** Candidate (a): stp, mov, bl, ldp, in four words. */
export const fourWords: Readonly<Record<string, PlaceSource>> = {
  W0: {},
  W1: {},
  W2: {},
  W3: { next: "prologue" },
  helper: plain,
};

/** Candidate (b): mov x9, bl, mov x30, in three words. */
export const arm64ThreeWords: Readonly<Record<string, PlaceSource>> = {
  W0: {},
  W1: {},
  W2: { next: "prologue" },
  helper: plain,
};

/** Today's form: mov x9, bl. ftrace_caller restores the link register from x9 and returns to where it was called from. */
export const arm64Today: Readonly<Record<string, PlaceSource>> = {
  W0: {},
  W1: { next: "prologue" },
  helper: {
    run: "pc = x30; x30 = x9; callback [ops]; jump pc",
    title: "ftrace_caller calls the ops at the literal, then returns",
  },
};

/** Today's literal: the ops that ftrace_caller calls. */
export const callbacks = { nop_ops: { runs: false } } as const;

/** The states of document 001's candidate (a), word by word. */
export const A = { W0: "stp", W1: "mov fp", W2: "bl", W3: "ldp" } as const;
export const A1 = { ...A, W0: "b" } as const;
export const B = { W0: "nop", W1: "nop", W2: "nop", W3: "nop" } as const;
export const B1 = { ...B, W0: "b" } as const;
