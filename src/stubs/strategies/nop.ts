import type { Strategy } from "./strategy.ts";

export const nop: Strategy = {
  option: "nop",
  name: "the compiler's nops",
  fixes: "P to C",
  needs: "nothing",
  forbids: "calls without a nop, sibling calls: only a rebuild helps",
  bytes: "0",
  instructions: "0",
};
