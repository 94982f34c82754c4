import type { Protocol } from "../protocol.ts";
import { ppc64le, profile, twoWords } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...profile,
  entries: { W0: "body" },
  places: twoWords,
  name: "P-H3",
  title: "today's ppc64le, -mprofile-kernel, two instructions: nop <-> bl",
  about: "One word changes; mflr stays.",
  expect: "holds",
  memory: { W0: "mflr", W1: "nop" },
  writer: [
    { write: { W1: "bl" }, note: "W1 := bl" },
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W1: "bl" }, note: "W1 := bl" },
  ],
} as const satisfies Protocol;
