import type { Protocol } from "../protocol.ts";
import { A1, arm64, fourWords, instructions } from "./base/arm64.ts";

export default {
  ...arm64,
  name: "A5",
  title: "form (a), only A <-> A' after boot",
  about:
    "W1 to W3 never change again, so every way through them is consistent. The price is a taken branch at every entry of an untraced function.",
  expect: "holds",
  instructions,
  memory: A1,
  places: fourWords,
  writer: [
    { write: { W0: "stp" }, note: "A' -> A: W0 := stp" },
    { write: { W0: "b" }, note: "A -> A': W0 := b prologue" },
    { write: { W0: "stp" }, note: "A' -> A: W0 := stp" },
  ],
} as const satisfies Protocol;
