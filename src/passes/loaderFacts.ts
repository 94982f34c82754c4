// What the loader knows from the kernel that runs it: one answer for the check and the image pass.

import { hasFact } from "../kernel/versionFacts.ts";
import type { LoaderFacts } from "../stubs/loader.ts";

/** What was given, beside the symbols. */
type Given = Pick<LoaderFacts, "module" | "version" | "features" | "isSmp"> &
  Partial<Pick<LoaderFacts, "kernelToc" | "pacaTocOffset" | "erratum843419">>;

/** Symbols of the kernel. */
interface Known {
  readonly has: (name: string) => boolean;
  /** Null: it is not known. */
  readonly addressOf: (name: string) => bigint | null;
}

/** @param known null: nothing is known of the kernel's symbols, so it is taken to be as distributions configure it */
export function loaderFacts(given: Given, known: Known | null): LoaderFacts {
  const { version } = given;
  const find = (name: string): bigint | null => known?.addressOf(name) ?? null;
  return {
    module: given.module,
    version,
    features: given.features,
    isSmp: given.isSmp,
    has: (fact) => hasFact(version, fact),
    ftraceCaller: find("ftrace_caller"),
    ftraceRegsCaller: find("ftrace_regs_caller"),
    hasFtrace: known === null || known.has("ftrace_caller"),
    hasFtraceRegs: known === null || known.has("ftrace_regs_caller"),
    kernelToc: given.kernelToc ?? find(".TOC."),
    kernelBase: find("_stext"),
    pacaTocOffset: given.pacaTocOffset ?? 16,
    erratum843419: given.erratum843419 === true,
  };
}
