import type { Protocol } from "../protocol.ts";
import { outOfLine, ppc64le } from "./base/ppc64le.ts";

export default {
  ...ppc64le,
  ...outOfLine,
  name: "P-H4-enable",
  title: "today's ppc64le, out of line, enable: ops, stub, site",
  about: "7.2, PPC_FTRACE_OUT_OF_LINE.",
  expect: "holds",
  memory: { site: "nop", stub0: "mflr", stub1: "bl caller", stub2: "mtlr", stub3: "b back", ops: "nop_ops" },
  writer: [
    { write: { ops: "klp_ops" }, note: "ops pointer := the ops" },
    { write: { stub1: "bl regs" }, note: "stub: bl ftrace_regs_caller" },
    { write: { site: "b stub" }, note: "site := b stub" },
  ],
} as const satisfies Protocol;
