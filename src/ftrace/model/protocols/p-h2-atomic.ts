import type { Protocol } from "../protocol.ts";
import { ppc64le, profile, twoWords } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...profile,
  entries: { W0: "body" },
  places: twoWords,
  name: "P-H2-atomic",
  title: "patchable entry, mflr and bl written at once under stop_machine",
  about: "A task at the second word has no return address in r0.",
  expect: ["O1"],
  memory: { W0: "nop", W1: "nop" },
  writer: [{ write: { W0: "mflr", W1: "bl" }, stopMachine: true, note: "both words" }],
} as const satisfies Protocol;
