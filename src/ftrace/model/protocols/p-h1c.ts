import type { Protocol } from "../protocol.ts";
import { mcount, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...mcount,
  name: "P-H1c",
  title: "plain -pg: bl <-> b +8 over ld r2",
  about: "The answer: tasks that return still reload r2, new entries jump over the load.",
  expect: "holds",
  memory: { W0: "bl", W1: "ld r2" },
  writer: [
    { write: { W0: "b +8" }, note: "W0 := b +8" },
    { write: { W0: "bl" }, note: "W0 := bl" },
    { write: { W0: "b +8" }, note: "W0 := b +8" },
  ],
} as const satisfies Protocol;
