import type { Protocol } from "../protocol.ts";
import { outOfLine, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...outOfLine,
  name: "P-H4-modify",
  title: "today's ppc64le, out of line, modify: ops, stub",
  about: "7.2, PPC_FTRACE_OUT_OF_LINE. Livepatch ops -> list ops: both call the livepatch's callback.",
  expect: "holds",
  memory: { site: "b stub", stub0: "mflr", stub1: "bl regs", stub2: "mtlr", stub3: "b back", ops: "klp_ops" },
  writer: [
    { write: { ops: "list_ops" }, note: "ops pointer := list ops" },
    { write: { stub1: "bl caller" }, note: "stub: bl ftrace_caller" },
  ],
  patchedThroughout: true,
} as const satisfies Protocol;
