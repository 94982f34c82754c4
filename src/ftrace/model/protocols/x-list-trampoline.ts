import type { Protocol } from "../protocol.ts";
import { inner, innerCalls, innerPlaces, innerWriter } from "./base/x86-inner.ts";

export default {
  ...inner,
  name: "X-list",
  title: "int3 at the inner call is sent to the list function",
  about:
    "The second trampoline of the 2018 discussion: ftrace_int3_tramp_list_func pushes the address and jumps to the list function.",
  expect: "holds",
  places: innerPlaces,
  instructions: { ...innerCalls, int3: 'ops = "list"; push &inner+5; goto function' },
  writer: innerWriter,
} as const satisfies Protocol;
