import type { Strategy } from "./strategy.ts";

export const shadowStack: Strategy = {
  option: null,
  name: "the livepatch stack (solution 3)",
  mends: "A to P",
  needs: "livepatch_handler, in every kernel with livepatch (4.7)",
  forbids: "nothing; used for P to C (a klp_stub) it hides P from the stack check",
  bytes: "0",
  instructions: "about 25 a call",
};
