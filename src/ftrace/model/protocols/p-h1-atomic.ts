import type { Protocol } from "../protocol.ts";
import { mcount, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...mcount,
  name: "P-H1-atomic",
  title: "plain -pg, disable: both words at once under stop_machine",
  about:
    "Milton Miller's objection to two nops: a task in the tracer comes back to a nop and goes on with the kernel's TOC.",
  expect: ["O6"],
  memory: { W0: "bl", W1: "ld r2" },
  writer: [{ write: { W0: "nop", W1: "nop" }, stopMachine: true, note: "both words := nop" }],
} as const satisfies Protocol;
