import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B1",
  title: "form (b), mov x9 and mov x30 stay; only nop <-> bl",
  about: "Holds if the helper keeps x9.",
  expect: "holds",
  instructions,
  memory: { W0: "mov x9", W1: "nop", W2: "mov lr" },
  places: arm64ThreeWords,
  writer: [
    { write: { W1: "bl" }, note: "W1 := bl" },
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W1: "bl" }, note: "W1 := bl" },
  ],
} as const satisfies Protocol;
