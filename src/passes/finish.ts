// The first pass of a link: what kpatch, klp-convert or objtool left in the file becomes livepatch symbols and sections.

import { findArch } from "../arch/index.ts";
import { levelOf, type Problem, problem } from "../diag/catalogue.ts";
import type { ElfFile } from "../elf/reader.ts";
import { ElfEdits } from "../elf/writer/edits.ts";
import { writeElf } from "../elf/writer.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { readModInfo } from "../kernel/module/modinfo.ts";
import type { SymbolList } from "../kernel/symbols/symbolList.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import { Finish } from "../klp/producers/intermediate.ts";
import type { Producer, Trace } from "../klp/producers/producer.ts";
import { findTraces, finisherOf } from "../klp/producers/table.ts";
import { givenKernel } from "./input.ts";

export interface FinishOptions {
  /** Name of the input for messages. */
  readonly file: string;
  /** The tool that the file comes from; found out from its content if absent. */
  readonly from?: Producer;
  /** Keeps the intermediate sections that are of no use to the kernel. */
  readonly keep?: boolean;
  readonly kernelVersion?: KernelVersion;
  /** kpatch: whether tables of patched modules go to `.klp.arch` sections; the kernel's version decides if absent. */
  readonly hasKlpArch?: boolean;
  /** What is known of the kernel, or its symbols alone: where a producer's names can be read in two ways, they decide. */
  readonly kernel?: Kernel;
  readonly symbols?: SymbolList;
}

export interface Finished {
  readonly producer: Producer;
  /** The finished file; null if there was nothing to finish, or if that failed. */
  readonly output: Uint8Array | null;
  readonly problems: readonly Problem[];
  /** Livepatch symbols made, relocations put into livepatch sections. */
  readonly symbols: number;
  readonly relocations: number;
}

/** What a file holds of each producer, and the one that it comes from; the producer is null for a mixture. */
export function recogniseProducer(file: ElfFile): { readonly producer: Producer | null; readonly traces: Trace[] } {
  const traces = file.symbols === null ? [] : findTraces(file, file.symbols);
  const [first, second] = traces;
  return { producer: second !== undefined ? null : (first?.producer ?? "plain"), traces };
}

/**
 * Finishes a producer's file. Deterministic; a finished file is not finished again.
 * @throws ElfError of kind `edit` or `removed` if the file cannot be rewritten without guessing.
 */
export function finish(file: ElfFile, options: FinishOptions): Finished {
  const { producer: found, traces } = recogniseProducer(file);
  const nothing = { output: null, problems: [], symbols: 0, relocations: 0 };
  const producer = options.from ?? found;
  if (producer === null) {
    const at = { file: options.file };
    return { ...nothing, producer: "plain", problems: [problem("KLP421", at, { traces })] };
  }
  const arch = findArch(file.header.machine);
  const finishFile = finisherOf(producer);
  if (finishFile === null || arch === null || file.symbols === null) {
    return { ...nothing, producer };
  }
  const version = options.kernelVersion ?? parseKernelVersion(readModInfo(file)?.get("vermagic") ?? "");
  const edits = new ElfEdits(file);
  const work = new Finish(edits, producer, {
    path: options.file,
    absolute: arch.absolute,
    version,
    kernel: givenKernel(options),
    hasKlpArch: options.hasKlpArch ?? null,
  });
  finishFile(work, options.keep === true, options.file);
  work.dropMarked();
  const { problems, symbolCount } = work;
  const failed = problems.some((p) => levelOf(p) === "error");
  const output = failed || edits.isEmpty ? null : writeElf(edits);
  return { producer, output, problems, symbols: symbolCount, relocations: work.router.livepatchCount };
}
