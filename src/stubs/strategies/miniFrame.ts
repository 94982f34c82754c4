import type { Strategy } from "./strategy.ts";

export const miniFrame: Strategy = {
  option: null,
  name: "klp_return_helper and a 32-byte frame (solution 2)",
  mends: "A to P",
  needs: "an ftrace_caller that opens the frame; no released kernel does",
  forbids: "stack-passed and variable arguments: P looks for them 32 bytes too near",
  bytes: "0",
  instructions: "16 a call",
};
