import type { Protocol } from "../protocol.ts";
import { outOfLine, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...outOfLine,
  name: "P-H4-disable",
  title: "today's ppc64le, out of line, disable: ops, stub, site",
  about: "7.2, PPC_FTRACE_OUT_OF_LINE. In between the tracer calls the nop ops.",
  expect: "holds",
  memory: { site: "b stub", stub0: "mflr", stub1: "bl regs", stub2: "mtlr", stub3: "b back", ops: "klp_ops" },
  writer: [
    { write: { ops: "nop_ops" }, note: "ops pointer := nop ops" },
    { write: { stub1: "bl caller" }, note: "stub: bl ftrace_caller" },
    { write: { site: "nop" }, note: "site := nop" },
  ],
} as const satisfies Protocol;
