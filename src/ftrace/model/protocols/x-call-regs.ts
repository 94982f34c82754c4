import type { Protocol } from "../protocol.ts";
import { calls, int3Writer, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X-call-regs",
  title: "int3 handler emulates a call to ftrace_regs_caller; call A -> call B",
  about: "The interim fix of 2019: the most general caller is right whatever the old and the new call are.",
  expect: "holds",
  patchedThroughout: true,
  registers,
  memory: { first: "e8", tail: "A" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: 'ops = "list"; push &site+5; goto tracer' },
  writer: int3Writer("B", "e8"),
} as const satisfies Protocol;
