import type { Protocol } from "../protocol.ts";
import { inner, innerCalls, innerPlaces, innerWriter } from "./base/x86-inner.ts";

export default {
  ...inner,
  name: "X1d",
  title: "int3 at the inner call is sent to ftrace_caller",
  about:
    "The first simplification proposed for the 2018 patch (push the address, jump to ftrace_caller). At the inner call ftrace_caller meets its own breakpoint again, without end; and the ip that it takes from the stack is its own.",
  expect: ["O4", "L", "ends"],
  places: innerPlaces,
  instructions: { ...innerCalls, int3: "push &inner+5; goto caller" },
  writer: innerWriter,
} as const satisfies Protocol;
