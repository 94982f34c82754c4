// Every answer of the documents to "how does r2 come back", for comparison.

import { epilogue } from "./epilogue.ts";
import { island } from "./island.ts";
import { miniFrame } from "./miniFrame.ts";
import { nop } from "./nop.ts";
import { shadowStack } from "./shadowStack.ts";
import type { Strategy, TocRestore } from "./strategy.ts";

export const strategies: Readonly<Record<TocRestore, Strategy>> = {
  island,
  nop,
  epilogue,
  "mini-frame": miniFrame,
  "shadow-stack": shadowStack,
};
