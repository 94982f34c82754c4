import type { Protocol } from "../protocol.ts";
import { ppc64le, ppcThreeWords, profile } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...profile,
  entries: { W0: "body" },
  places: ppcThreeWords,
  name: "P-H3-three",
  title: "today's ppc64le, -mprofile-kernel, three instructions: nop <-> bl",
  about: "gcc 5's form. One word changes; mflr and std stay.",
  expect: "holds",
  memory: { W0: "mflr", W1: "std", W2: "nop" },
  writer: [
    { write: { W2: "bl" }, note: "W2 := bl" },
    { write: { W2: "nop" }, note: "W2 := nop" },
    { write: { W2: "bl" }, note: "W2 := bl" },
  ],
} as const satisfies Protocol;
