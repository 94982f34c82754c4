import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C2",
  title: "today's words, but mov x9 written at run time",
  about:
    "A task at W1 has not executed `mov x9,x30`: ftrace_caller takes its return address from a stale x9. Hence W0 is written once, before the code can run.",
  expect: ["O1"],
  instructions,
  memory: { W0: "nop", W1: "nop", ops: "klp_ops" },
  places: arm64Today,
  writer: [
    { write: { W0: "mov x9" }, note: "W0 := mov x9,x30" },
    { write: { W1: "bl" }, note: "W1 := bl ftrace_caller" },
  ],
  callbacks,
} as const satisfies Protocol;
