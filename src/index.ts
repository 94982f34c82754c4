// The public API. What docs/api.md lists keeps its meaning within a major version; all else is there to be looked at.

export {
  firstRefusal,
  helpOf,
  kernelOf,
  levelOf,
  type Problem,
  titleOf,
  whyOf,
} from "./diag/catalogue.ts";
export type { Place } from "./diag/define.ts";
export { type Code, catalogue } from "./diag/definitions.ts";
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
export {
  type AboutKernel,
  checkModuleFile as check,
  diffModules as diff,
  type ExplainedLine,
  explainLog as explain,
  type ImageAsked,
  imageModule as image,
  type LinkAsked,
  linkModule as link,
  type ModuleInput,
  type NamedBytes,
  openBytes as openModule,
  openKernel,
  sitesOfFile as sites,
  summarise as summary,
  type VerifyAsked,
  verifyModule as verify,
} from "./library/library.ts";
export { btfTypes, type KernelTypes } from "./load/structModule.ts";
export { type Analysis, analyse, type Options } from "./passes/analysis.ts";
export type { CheckResult } from "./passes/check.ts";
export type { DiffResult } from "./passes/diff/diff.ts";
export type { Explanation } from "./passes/explain/explain.ts";
export { type Finished, type FinishOptions, finish, recogniseProducer } from "./passes/finish.ts";
export type { ImageOptions, ImageResult, ModuleImage } from "./passes/image/image.ts";
export type { VerifyResult } from "./passes/image/verify.ts";
export { Unusable } from "./passes/input.ts";
export type { LinkOptions, LinkResult } from "./passes/link.ts";
export type { Subject } from "./passes/open.ts";
export type { Sites } from "./passes/sites.ts";
export type { Summary } from "./passes/summary.ts";
