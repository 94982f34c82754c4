// The public API.

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
export { ElfError } from "./elf/error.ts";
export { type ElfFile, readElf } from "./elf/reader.ts";
export { ElfEdits } from "./elf/writer/edits.ts";
export { writeElf } from "./elf/writer.ts";
export { explore } from "./ftrace/model/explore.ts";
export { checkProtocol, ProtocolError, parseProtocol } from "./ftrace/model/parse.ts";
export type { Protocol } from "./ftrace/model/protocol.ts";
export { findProtocol, protocols } from "./ftrace/model/protocols/index.ts";
export type { Verdict } from "./ftrace/model/state.ts";
export type { SiteReport } from "./ftrace/sites.ts";
export { type KernelFile, readKernelFile } from "./kernel/detect.ts";
export { Kernel, type KernelParts } from "./kernel/kernel.ts";
export { ModuleFile } from "./kernel/module/moduleFile.ts";
export type { KernelAddresses } from "./kernel/running/addresses.ts";
export type { Export } from "./kernel/symbols/exports.ts";
export { parseSymbols, SymbolListError } from "./kernel/symbols/parseSymbols.ts";
export type { SymbolList } from "./kernel/symbols/symbolList.ts";
export type { Producer } from "./klp/producers/producer.ts";
export { btfTypes, type KernelTypes } from "./load/structModule.ts";
export { type Analysis, analyse, type Options } from "./passes/analysis.ts";
export { type CheckResult, check } from "./passes/check.ts";
export { type Finished, type FinishOptions, finish, recogniseProducer } from "./passes/finish.ts";
export { type ImageOptions, type ImageResult, image, type ModuleImage } from "./passes/image/image.ts";
export { Unusable } from "./passes/input.ts";
export { type LinkOptions, type LinkResult, link } from "./passes/link.ts";
export { type Sites, sites } from "./passes/sites.ts";
