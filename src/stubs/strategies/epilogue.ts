// Solution 1 of March 2016: each replacement function restores its caller's TOC before each return, from the word
// at CR+4 of the caller's frame, where ftrace_caller put r2 - LR.
//
// As printed in the mail it loads through r0 (`lwa r2,12(r0)`), which as a base register means the number zero
// (Power ISA, D-form loads), so it would read address 12. And it assumes an open frame, which leaf functions do
// not have. At the return itself every function is in the same state: r1 is the caller's frame, LR the way back.
// So one sequence serves all returns of all functions.

import type { Strategy } from "./strategy.ts";

export const epilogue: Strategy = {
  option: "epilogue",
  name: "epilogue in each replacement function (solution 1)",
  fixes: "both",
  needs: "an ftrace_caller that stores r2 - LR at 12(r1); no released kernel does (harmless on those that do not)",
  forbids: "sibling calls, cold parts, functions also called inside the module",
  bytes: "16 a function, and islands for its calls",
  instructions: "4 a return",
};

/** mflr r0; lwa r2,12(r1); add r2,r2,r0; blr: for the state at a return. */
export const RESTORE_AND_RETURN: readonly number[] = [0x7c08_02a6, 0xe841_000e, 0x7c42_0214, 0x4e80_0020];
