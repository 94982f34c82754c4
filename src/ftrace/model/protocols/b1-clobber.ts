import type { Protocol } from "../protocol.ts";
import { arm64, arm64ThreeWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "B1-clobber",
  title: "form (b) as B1, but the helper does not keep x9",
  about: "x9 is call-clobbered: an ordinary function as helper may change it.",
  expect: ["O1"],
  instructions,
  memory: { W0: "mov x9", W1: "nop", W2: "mov lr" },
  places: {
    ...arm64ThreeWords,
    helper: { run: 'callback "ops"; x9 = "helper\'s x9"; jump x30', title: "the helper runs, changes x9, and returns" },
  },
  writer: [{ write: { W1: "bl" }, note: "W1 := bl" }],
} as const satisfies Protocol;
