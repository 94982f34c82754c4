import type { Protocol } from "../protocol.ts";
import { ppc64le, profile, twoWords } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...profile,
  entries: { W0: "body" },
  places: twoWords,
  name: "P-H2",
  title: "patchable entry, mflr written together with bl at run time",
  about: "A task at the second word has no return address in r0. Hence mflr is written once, at load.",
  expect: ["O1"],
  memory: { W0: "nop", W1: "nop" },
  writer: [
    { write: { W0: "mflr" }, note: "W0 := mflr r0" },
    { write: { W1: "bl" }, note: "W1 := bl" },
  ],
} as const satisfies Protocol;
