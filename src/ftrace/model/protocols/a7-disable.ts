import type { Protocol } from "../protocol.ts";
import { A, arm64, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A7-disable",
  title: "form (a), A -> A' -> B' -> B with a wait for tasks",
  about: "With the branch in place, nobody comes in; once nobody is left, W1 to W3 may change.",
  expect: "holds",
  instructions,
  memory: A,
  places: fourWords,
  writer: [
    { write: { W0: "b" }, note: "A -> A': W0 := b prologue" },
    { quiesce: ["W1", "W2", "W3", "helper"], note: "waits until no task is left behind the branch (RCU tasks)" },
    { write: { W1: "nop" }, note: "A' -> B': W1 := nop" },
    { write: { W2: "nop" }, note: "A' -> B': W2 := nop" },
    { write: { W3: "nop" }, note: "A' -> B': W3 := nop" },
    { write: { W0: "nop" }, note: "B' -> B: W0 := nop" },
  ],
} as const satisfies Protocol;
