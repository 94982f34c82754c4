import type { Protocol } from "../protocol.ts";
import { calls, int3Writer, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X1b-disable",
  title: "int3 handler skips the call; call -> nop",
  about: "Skipping equals the new behaviour of a site that becomes a nop: harmless.",
  expect: "holds",
  registers,
  memory: { first: "e8", tail: "A" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: int3Writer("1f440000", "0f"),
} as const satisfies Protocol;
