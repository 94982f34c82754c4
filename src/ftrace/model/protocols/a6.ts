import type { Protocol } from "../protocol.ts";
import { A, arm64, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A6",
  title: "form (a), stp, mov and ldp stay; only bl <-> nop",
  about: "Consistent anywhere. The price is a frame pushed and popped at every entry.",
  expect: "holds",
  instructions,
  memory: { ...A, W2: "nop" },
  places: fourWords,
  writer: [
    { write: { W2: "bl" }, note: "W2 := bl" },
    { write: { W2: "nop" }, note: "W2 := nop" },
    { write: { W2: "bl" }, note: "W2 := bl" },
  ],
} as const satisfies Protocol;
