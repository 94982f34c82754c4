import type { Protocol } from "../protocol.ts";
import { arm64, B, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A7-enable",
  title: "form (a), B -> B' -> A' -> A with a wait for tasks",
  about: "With the branch in place, nobody comes in; once nobody is left, W1 to W3 may change.",
  expect: "holds",
  instructions,
  memory: B,
  places: fourWords,
  writer: [
    { write: { W0: "b" }, note: "B -> B': W0 := b prologue" },
    { quiesce: ["W1", "W2", "W3", "helper"], note: "waits until no task is left behind the branch (RCU tasks)" },
    { write: { W1: "mov fp" }, note: "B' -> A': W1 := mov x29,sp" },
    { write: { W2: "bl" }, note: "B' -> A': W2 := bl" },
    { write: { W3: "ldp" }, note: "B' -> A': W3 := ldp" },
    { write: { W0: "stp" }, note: "A' -> A: W0 := stp" },
  ],
} as const satisfies Protocol;
