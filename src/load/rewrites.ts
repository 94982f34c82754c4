// What the kernel changes in a module between relocation and its init function, as far as the module tells: places are
// found through the module's own tables. What depends on the CPU, on boot parameters or on what else runs is listed as
// a range with its reason, never guessed.

import type { ArchName } from "../base/archName.ts";
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

type Step = (memory: LoadedMemory, facts: RewriteFacts) => void;

/** What kernels of each architecture do of their own: in module_finalize, and for a coming module behind its jump labels. */
const steps: Readonly<Record<ArchName, { readonly finalize: readonly Step[]; readonly coming: readonly Step[] }>> = {
  ppc64le: { finalize: [featureCode], coming: [] },
  arm64: { finalize: [featureCode, shadowCallStack], coming: [] },
  x86_64: { finalize: [x86Sites, featureCode, sortOrc], coming: [staticCalls] },
};

/**
 * Brings sections from "relocated" to "loaded", in place: module_finalize, ftrace_module_init and what the notifiers
 * of a coming module write, in the kernel's order.
 * @returns ranges whose bytes cannot be known
 */
export function rewriteLoaded(sections: readonly ImageSection[], facts: RewriteFacts): UnknownRange[] {
  const memory = new LoadedMemory(sections, facts.file.littleEndian);
  const { finalize, coming } = steps[facts.arch.name];
  for (const step of finalize) step(memory, facts);
  if (facts.hasFtrace) ftraceSites(memory, facts);
  jumpLabels(memory, facts);
  for (const step of coming) step(memory, facts);
  if (facts.running) runningData(memory, facts);
  else {
    setUpData(memory, facts);
    parameters(memory, facts);
  }
  return memory.unknown;
}
