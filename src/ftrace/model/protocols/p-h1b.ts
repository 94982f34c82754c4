import type { Protocol } from "../protocol.ts";
import { mcount, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...mcount,
  name: "P-H1b",
  title: "plain -pg, disable: only bl -> nop, ld r2 stays",
  about: "A new entry loads r2 from a slot that nobody has set.",
  expect: ["O6"],
  memory: { W0: "bl", W1: "ld r2" },
  writer: [{ write: { W0: "nop" }, note: "W0 := nop" }],
} as const satisfies Protocol;
