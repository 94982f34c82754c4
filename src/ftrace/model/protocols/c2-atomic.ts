import type { Protocol } from "../protocol.ts";
import { arm64, arm64Today, callbacks, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "C2-atomic",
  title: "today's words, both written at once under stop_machine",
  about: "A task at W1 has not executed `mov x9,x30`: ftrace_caller takes its return address from a stale x9.",
  expect: ["O1"],
  instructions,
  memory: { W0: "nop", W1: "nop", ops: "klp_ops" },
  places: arm64Today,
  writer: [{ write: { W0: "mov x9", W1: "bl" }, stopMachine: true, note: "both words" }],
  callbacks,
} as const satisfies Protocol;
