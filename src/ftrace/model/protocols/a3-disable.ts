import type { Protocol } from "../protocol.ts";
import { A, A1, arm64, B, B1, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A3-disable",
  title: "form (a), A -> A' -> B' -> B under stop_machine",
  about:
    "Words W1 to W3 change at once while all CPUs stand still; a task that is preempted between them does not move.",
  expect: ["O1", "O2"],
  instructions,
  memory: A,
  places: fourWords,
  writer: [
    { write: A1, stopMachine: true, note: "A -> A'" },
    { write: B1, stopMachine: true, note: "A' -> B'" },
    { write: B, stopMachine: true, note: "B' -> B" },
  ],
} as const satisfies Protocol;
