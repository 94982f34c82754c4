// x86-64: a 5-byte site as two cells, the first byte and the four behind it, because they are written apart.
// Calls: `call A` and `call B` go to different trampolines; both serve the livepatch.

import type { Protocol, WriterStep } from "../../protocol.ts";

export const x86 = {
  schema: "klplink-protocol/1",
  arch: "x86_64",
  fetch: "stale",
  tasks: 2,
  nmi: 1,
  entries: { site: "site+5" },
  encodings: {
    int3: ["cc"],
    nop5: ["0f", "1f440000"],
    "call A": ["e8", "A"],
    "call B": ["e8", "B"],
  },
  // The return address is on top of the stack again exactly if the stack pointer is.
  atEnd: { O2: { sp: 0 } },
} as const satisfies Partial<Protocol>;

/** The tracer: any callback it calls, then back to the return address. */
export const tracer = {
  tracer: { run: "callback ops; pop ret; jump ret", title: "the callback runs, then returns" },
} as const;

export const registers = { ret: "?", ops: "?" } as const;

export const calls = {
  nop5: "",
  "call A": 'ops = "A"; push &site+5; goto tracer',
  "call B": 'ops = "B"; push &site+5; goto tracer',
} as const;

/** Old and new content of the site -> the five writes and syncs of today's kernels. */
export function int3Writer(tail: string, first: string): readonly WriterStep[] {
  return [
    { write: { first: "cc" }, note: "writes cc over byte 0" },
    { sync: true, note: "syncs all CPUs" },
    { write: { tail }, note: "writes bytes 1 to 4 of the new instruction" },
    { sync: true, note: "syncs all CPUs" },
    { write: { first }, note: "writes byte 0 of the new instruction" },
    { sync: true, note: "syncs all CPUs" },
  ];
}

/**
 * Today's handler: takes a reference to the vector of pending updates, emulates the new instruction, drops it.
 * Interrupts are off in it. (arch/x86/kernel/alternative.c, since about 5.8)
 */
const emulateNew = {
  handler: {
    run: "if [refs] == 0: fault die(int3): no owner for the breakpoint; [refs] = [refs] + 1; goto handler:emulate",
    irqsOff: true,
    title: "#BP handler takes a reference",
  },
  "handler:emulate": {
    run: "[refs] = [refs] - 1; exec [vector] at trap",
    irqsOff: true,
    title: "#BP handler emulates the new instruction",
  },
} as const;

/** A protocol of today's kernels: from `old` to `next` contents. */
export function x86Today(
  next: string,
  tail: string,
  first: string,
): Pick<Protocol, "places" | "instructions" | "writer"> {
  return {
    places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer, ...emulateNew },
    instructions: { ...calls, int3: "trap = here; goto handler" },
    writer: [
      { write: { refs: 1, vector: next }, note: "publishes the vector, refs = 1" },
      ...int3Writer(tail, first),
      { add: { refs: -1 }, note: "drops its reference" },
      { until: { refs: 0 }, note: "waits until no handler holds one" },
      { write: { vector: "" }, note: "empties the vector" },
    ],
  };
}
