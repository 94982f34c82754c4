import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B2-atomic",
  title: "form (b), three nops -> (b) at once under stop_machine",
  about: "A task at W1 has not executed `mov x9,x30`; its return address becomes whatever was in x9.",
  expect: ["O1"],
  instructions,
  memory: { W0: "nop", W1: "nop", W2: "nop" },
  places: arm64ThreeWords,
  writer: [{ write: { W0: "mov x9", W1: "bl", W2: "mov lr" }, stopMachine: true, note: "all three words" }],
} as const satisfies Protocol;
