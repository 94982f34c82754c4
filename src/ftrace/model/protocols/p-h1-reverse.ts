import type { Protocol } from "../protocol.ts";
import { mcount, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...mcount,
  name: "P-H1-reverse",
  title: "plain -pg, disable: ld r2 -> nop, bl -> nop",
  about:
    "Milton Miller's objection to two nops: a task in the tracer comes back to a nop and goes on with the kernel's TOC. In this order new entries do so too.",
  expect: ["O6"],
  memory: { W0: "bl", W1: "ld r2" },
  writer: [
    { write: { W1: "nop" }, note: "W1 := nop" },
    { write: { W0: "nop" }, note: "W0 := nop" },
  ],
} as const satisfies Protocol;
