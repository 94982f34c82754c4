import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C1-enable",
  title: "today's arm64: mov x9 stays; nop -> bl",
  about: "ftrace_make_call with CALL_OPS (6.12): the literal, then one word.",
  expect: "holds",
  instructions,
  memory: { W0: "mov x9", W1: "nop", ops: "nop_ops" },
  places: arm64Today,
  writer: [
    { write: { ops: "klp_ops" }, note: "literal := the ops" },
    { write: { W1: "bl" }, note: "W1 := bl ftrace_caller" },
  ],
  callbacks,
} as const satisfies Protocol;
