import type { Protocol } from "../protocol.ts";
import { A, arm64, B, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A4-disable",
  title: "form (a), A -> B at once under stop_machine",
  about: "All four words in one step: the same parked tasks, the same end.",
  expect: ["O1", "O2"],
  instructions,
  memory: A,
  places: fourWords,
  writer: [{ write: B, stopMachine: true, note: "A -> B" }],
} as const satisfies Protocol;
