// What debug information tells a link of parameters and of the livepatch stack.

import { ElfError } from "../elf/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type ModuleFacts, NO_FACTS, readModuleFacts, unzstdFor } from "../kernel/module/moduleFacts.ts";
import { tocStrategy } from "../klp/toc/strategies.ts";
import type { TocRestore } from "../stubs/strategies/strategy.ts";
import { keeper, type Subject } from "./open.ts";

const kept = keeper<Promise<ModuleFacts>>();

/** Read once for a module and a kernel. @param wantsStack as in {@link readModuleFacts} */
export const moduleFacts = (subject: Subject, kernel: Kernel | null, wantsStack: boolean): Promise<ModuleFacts> =>
  kept(subject, [kernel, wantsStack], () => readModuleFacts(subject.file, kernel, wantsStack));

/** What a link needs to know for one way to restore the TOC; null if it needs nothing, or the file cannot be read on. */
export async function linkFacts(
  subject: Subject,
  tocRestore: TocRestore,
  kernel: Kernel | null,
): Promise<ModuleFacts | null> {
  const { reads, needsStack } = tocStrategy(tocRestore);
  if (reads === "nothing" || !subject.arch.hasToc) return null;
  try {
    if (reads === "moves") return { ...NO_FACTS, unzstd: await unzstdFor(subject.file) };
    return await moduleFacts(subject, kernel, needsStack);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return null;
  }
}
