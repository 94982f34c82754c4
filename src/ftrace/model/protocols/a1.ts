import type { Protocol } from "../protocol.ts";
import { arm64, B, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A1",
  title: "form (a), B -> B' -> A' -> A, word by word",
  about:
    "Li Bin's objection: a task that executed only nops of state B finds the new bl, without the stp before it. Its return address is lost, and ldp would take the caller's frame.",
  expect: ["O1", "O2"],
  instructions,
  memory: B,
  places: fourWords,
  writer: [
    { write: { W0: "b" }, note: "B -> B': W0 := b prologue" },
    { write: { W1: "mov fp" }, note: "B' -> A': W1 := mov x29,sp" },
    { write: { W2: "bl" }, note: "B' -> A': W2 := bl" },
    { write: { W3: "ldp" }, note: "B' -> A': W3 := ldp" },
    { write: { W0: "stp" }, note: "A' -> A: W0 := stp" },
  ],
} as const satisfies Protocol;
