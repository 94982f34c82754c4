// What the kernel changes in a module between relocation and its init function, as far as the module tells: places are
// found through the module's own tables. What depends on the CPU, on boot parameters or on what else runs is listed as
// a range with its reason, never guessed.

import type { UnknownRange } from "../stubs/loader.ts";
import { runningData, setUpData } from "./data.ts";
import type { RewriteFacts } from "./facts.ts";
import { featureCode } from "./features.ts";
import { ftraceSites } from "./ftraceSites.ts";
import { jumpLabels } from "./jumpLabels.ts";
import { type ImageSection, LoadedMemory } from "./memory.ts";
import { parameters } from "./parameters.ts";
import { shadowCallStack } from "./shadowCalls.ts";
import { sortOrc } from "./x86/orc.ts";
import { x86Sites } from "./x86/sites.ts";
import { staticCalls } from "./x86/staticCalls.ts";

/**
 * Brings sections from "relocated" to "loaded", in place: module_finalize, ftrace_module_init and what the notifiers
 * of a coming module write, in the kernel's order.
 * @returns ranges whose bytes cannot be told
 */
export function rewriteLoaded(sections: readonly ImageSection[], facts: RewriteFacts): UnknownRange[] {
  const memory = new LoadedMemory(sections);
  if (facts.arch === "x86_64") x86Sites(memory, facts);
  featureCode(memory, facts);
  if (facts.arch === "arm64") shadowCallStack(memory);
  if (facts.arch === "x86_64") sortOrc(memory, facts);
  if (facts.hasFtrace) ftraceSites(memory, facts);
  jumpLabels(memory, facts);
  if (facts.arch === "x86_64") staticCalls(memory, facts);
  if (facts.running) runningData(memory, facts);
  else {
    setUpData(memory, facts);
    parameters(memory, facts);
  }
  return memory.unknown;
}
