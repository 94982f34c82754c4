import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C3",
  title: "today's words, disable: bl -> nop, then mov x9 -> nop",
  about:
    "x9 is dead then, so no task is harmed; but the architecture does not allow `mov` to be replaced while it is executed.",
  expect: "holds",
  instructions,
  memory: { W0: "mov x9", W1: "bl", ops: "klp_ops" },
  places: arm64Today,
  writer: [
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W0: "nop" }, note: "W0 := nop" },
  ],
  callbacks,
} as const satisfies Protocol;
