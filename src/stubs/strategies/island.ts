import type { Strategy } from "./strategy.ts";

export const island: Strategy = {
  option: "island",
  name: "return islands",
  fixes: "P to C",
  needs: "nothing: any kernel with REL24 to livepatch symbols (4.16)",
  forbids: "what the rules of docs/islands.md refuse",
  bytes: "12 a call; 16 a sibling or local call, 36 a framed sibling call",
  instructions: "2 a call",
};
