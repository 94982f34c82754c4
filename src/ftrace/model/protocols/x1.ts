import type { Protocol } from "../protocol.ts";
import { calls, int3Writer, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X1",
  title: "int3 handler skips the call; call A -> call B",
  about:
    "ftrace's handler until about 5.1, the subject of the 2018 patch by Nicolai Stange: when a user starts to trace a livepatched function, its site goes from the livepatch's trampoline to the list function. A CPU that meets the breakpoint meanwhile skips the call.",
  expect: ["O4", "L"],
  patchedThroughout: true,
  registers,
  memory: { first: "e8", tail: "A" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: int3Writer("B", "e8"),
} as const satisfies Protocol;
