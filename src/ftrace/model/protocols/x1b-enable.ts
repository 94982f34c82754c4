import type { Protocol } from "../protocol.ts";
import { calls, int3Writer, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X1b-enable",
  title: "int3 handler skips the call; nop -> call",
  about: "Skipping equals the old behaviour of a site that is a nop: harmless.",
  expect: "holds",
  registers,
  memory: { first: "0f", tail: "1f440000" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: int3Writer("A", "e8"),
} as const satisfies Protocol;
