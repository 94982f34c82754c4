import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C1-modify",
  title: "today's arm64: the literal changes, bl stays",
  about: "ftrace_modify_call with CALL_OPS (6.12): livepatch ops -> list ops. Both call the livepatch's callback.",
  expect: "holds",
  instructions,
  memory: { W0: "mov x9", W1: "bl", ops: "klp_ops" },
  places: arm64Today,
  writer: [
    { write: { ops: "list_ops" }, note: "literal := list ops" },
    { write: { W1: "bl" }, note: "W1 := bl ftrace_caller, the same word" },
  ],
  callbacks,
  patchedThroughout: true,
} as const satisfies Protocol;
