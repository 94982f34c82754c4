import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B2",
  title: "form (b), three nops -> (b), last word first",
  about: "A task at W1 has not executed `mov x9,x30`; its return address becomes whatever was in x9.",
  expect: ["O1"],
  instructions,
  memory: { W0: "nop", W1: "nop", W2: "nop" },
  places: arm64ThreeWords,
  writer: [
    { write: { W2: "mov lr" }, note: "W2 := mov x30,x9" },
    { write: { W0: "mov x9" }, note: "W0 := mov x9,x30" },
    { write: { W1: "bl" }, note: "W1 := bl" },
  ],
} as const satisfies Protocol;
