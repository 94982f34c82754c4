import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B3-first",
  title: "form (b), disable: bl and `mov x9,x30` become nops",
  about: "A new entry does not save its return address any more, but still takes it from x9.",
  expect: ["O1"],
  instructions,
  memory: { W0: "mov x9", W1: "bl", W2: "mov lr" },
  places: arm64ThreeWords,
  writer: [
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W0: "nop" }, note: "W0 := nop" },
  ],
} as const satisfies Protocol;
