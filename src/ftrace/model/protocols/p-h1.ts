import type { Protocol } from "../protocol.ts";
import { mcount, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...mcount,
  name: "P-H1",
  title: "plain -pg, disable: bl -> nop, ld r2 -> nop",
  about:
    "Milton Miller's objection to two nops: a task in the tracer comes back to a nop and goes on with the kernel's TOC. Between the two writes there is a shorter failure, that of P-H1b; P-H1-atomic shows the race alone.",
  expect: ["O6"],
  memory: { W0: "bl", W1: "ld r2" },
  writer: [
    { write: { W0: "nop" }, note: "W0 := nop" },
    { write: { W1: "nop" }, note: "W1 := nop" },
  ],
} as const satisfies Protocol;
