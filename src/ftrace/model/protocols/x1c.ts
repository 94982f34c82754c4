import type { Protocol } from "../protocol.ts";
import { inner, innerCalls, innerPlaces, innerWriter } from "./base/x86-inner.ts";

export default {
  ...inner,
  name: "X1c",
  title: "int3 handler skips; the inner call of ftrace_caller changes",
  about:
    "Any traced function that is entered meanwhile reaches the inner call and skips it: no callback at all, and every livepatched function behind this caller reverts.",
  expect: ["O4", "L"],
  places: innerPlaces,
  instructions: { ...innerCalls, int3: "goto inner+5" },
  writer: innerWriter,
} as const satisfies Protocol;
