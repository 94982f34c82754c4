// The public API.

export { type Analysis, analyse, type Options } from "./analysis.ts";
export { type CheckResult, check } from "./check.ts";
export {
  type Code,
  catalogue,
  firstRefusal,
  helpOf,
  kernelOf,
  levelOf,
  type Problem,
  titleOf,
  whyOf,
} from "./diag/catalogue.ts";
export type { Place } from "./diag/define.ts";
export { ElfEdits } from "./elf/edits.ts";
export { ElfError } from "./elf/error.ts";
export { type ElfFile, readElf } from "./elf/reader.ts";
export { writeElf } from "./elf/writer.ts";
export { type Finished, type FinishOptions, finish, recogniseProducer } from "./finish.ts";
export { explore } from "./ftrace/model/explore.ts";
export { checkProtocol, ProtocolError, parseProtocol } from "./ftrace/model/parse.ts";
export type { Protocol } from "./ftrace/model/protocol.ts";
export { findProtocol, protocols } from "./ftrace/model/protocols/index.ts";
export type { Verdict } from "./ftrace/model/state.ts";
export type { SiteReport } from "./ftrace/sites.ts";
export { Unusable } from "./input.ts";
export { type KernelFile, readKernelFile } from "./kernel/detect.ts";
export type { Export } from "./kernel/exports.ts";
export { Kernel, type KernelParts } from "./kernel/kernel.ts";
export { ModuleFile } from "./kernel/moduleFile.ts";
export { parseSymbols, SymbolListError } from "./kernel/parseSymbols.ts";
export type { SymbolList } from "./kernel/symbolList.ts";
export type { Producer } from "./klp/producer.ts";
export { type LinkOptions, type LinkResult, link } from "./link.ts";
export { type Sites, sites } from "./sites.ts";
