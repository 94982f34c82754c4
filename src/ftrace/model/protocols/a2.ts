import type { Protocol } from "../protocol.ts";
import { A, arm64, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A2",
  title: "form (a), A -> A' -> B' -> B, word by word",
  about: "A task that has pushed its frame, or is in the helper, comes back to nops: the frame is never taken off.",
  expect: ["O1", "O2"],
  instructions,
  memory: A,
  places: fourWords,
  writer: [
    { write: { W0: "b" }, note: "A -> A': W0 := b prologue" },
    { write: { W1: "nop" }, note: "A' -> B': W1 := nop" },
    { write: { W2: "nop" }, note: "A' -> B': W2 := nop" },
    { write: { W3: "nop" }, note: "A' -> B': W3 := nop" },
    { write: { W0: "nop" }, note: "B' -> B: W0 := nop" },
  ],
} as const satisfies Protocol;
