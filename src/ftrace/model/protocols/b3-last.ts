import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B3",
  title: "form (b), disable: bl and `mov x30,x9` become nops",
  about: "A task in the helper comes back to a nop: its return address stays W2.",
  expect: ["O1"],
  instructions,
  memory: { W0: "mov x9", W1: "bl", W2: "mov lr" },
  places: arm64ThreeWords,
  writer: [
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W2: "nop" }, note: "W2 := nop" },
  ],
} as const satisfies Protocol;
