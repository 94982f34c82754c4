import type { Protocol } from "../protocol.ts";
import { A, arm64, B, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A4-enable",
  title: "form (a), B -> A at once under stop_machine",
  about: "All four words in one step: the same parked tasks, the same end.",
  expect: ["O1", "O2"],
  instructions,
  memory: B,
  places: fourWords,
  writer: [{ write: A, stopMachine: true, note: "B -> A" }],
} as const satisfies Protocol;
