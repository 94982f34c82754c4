import type { Protocol } from "../protocol.ts";
import { A1, arm64, B, B1, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A3-enable",
  title: "form (a), B -> B' -> A' -> A under stop_machine",
  about:
    "Words W1 to W3 change at once while all CPUs stand still; a task that is preempted between them does not move.",
  expect: ["O1", "O2"],
  instructions,
  memory: B,
  places: fourWords,
  writer: [
    { write: B1, stopMachine: true, note: "B -> B'" },
    { write: A1, stopMachine: true, note: "B' -> A'" },
    { write: { W0: "stp" }, stopMachine: true, note: "A' -> A" },
  ],
} as const satisfies Protocol;
