import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C1-disable",
  title: "today's arm64: mov x9 stays; bl -> nop",
  about:
    "ftrace_make_nop with CALL_OPS (6.12): the literal, then one word. In between ftrace_caller calls the nop ops.",
  expect: "holds",
  instructions,
  memory: { W0: "mov x9", W1: "bl", ops: "klp_ops" },
  places: arm64Today,
  writer: [
    { write: { ops: "nop_ops" }, note: "literal := nop ops" },
    { write: { W1: "nop" }, note: "W1 := nop" },
  ],
  callbacks,
} as const satisfies Protocol;
