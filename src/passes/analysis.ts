// What the link and check passes share: read, resolve, audit, plan.

import { type Arch, findArch } from "../arch/index.ts";
import { append } from "../base/lists.ts";
import { type Problem, problem } from "../diag/catalogue.ts";
import { machineNames, SHF_RELA_LIVEPATCH, SHT_SYMTAB } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { LivepatchStack } from "../kernel/image/livepatchStack.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isFinishedModule } from "../kernel/module/formRules.ts";
import { ModInfo, readModInfo } from "../kernel/module/modinfo.ts";
import { type ModuleFacts, NO_FACTS } from "../kernel/module/moduleFacts.ts";
import { findModuleName, type ModuleFile } from "../kernel/module/moduleFile.ts";
import { checkModule } from "../kernel/module/moduleRules.ts";
import type { SymbolList } from "../kernel/symbols/symbolList.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import { FunctionIndex } from "../klp/functions.ts";
import { objectsOf, type Patch, readPatches } from "../klp/patch/tables.ts";
import { resolveUndefined, type Undefined } from "../klp/producers/convert.ts";
import { BEFORE_RELOCATIONS, LoadOrder } from "../klp/rules/loadOrder.ts";
import { checkPatches } from "../klp/rules/patches.ts";
import { checkSharedPlaces, checkZeroPlaces } from "../klp/rules/places.ts";
import { checkWreckage } from "../klp/rules/relinked.ts";
import { checkRelocations } from "../klp/rules/relocations.ts";
import { checkLivepatchSections, type RuleContext } from "../klp/rules/sections.ts";
import { livepatchSymbolProblems, positionProblems, symbolProblems } from "../klp/rules/symbols.ts";
import { checkProfilingPlaces, checkTableSizes, checkTargets } from "../klp/rules/tables.ts";
import { SymbolUses } from "../klp/symbols/uses.ts";
import { auditCalls, type Call } from "../klp/toc/calls.ts";
import { NO_EPILOGUES, planEpilogues } from "../klp/toc/epilogues.ts";
import { missingHelpers } from "../klp/toc/helpers.ts";
import { type IslandChoice, type IslandPlan, planIslands } from "../klp/toc/islands.ts";
import { NO_FRAMES, planMiniFrames } from "../klp/toc/miniFrames.ts";
import type { Feature } from "../reloc/def.ts";
import { noGot } from "../stubs/ppc64lePcrel.ts";
import { isReachable } from "../stubs/strategies/shadowStack.ts";
import type { TocRestore } from "../stubs/strategies/strategy.ts";
import { kernelOf, read, refuseOtherMachine, Unusable } from "./input.ts";
import { finishedProblems } from "./problems/loader.ts";

export interface Options {
  /** Name of the input for messages. */
  readonly file: string;
  /** Symbols of the kernel; without them undefined symbols are left as they are. */
  readonly symbols?: SymbolList;
  /** All that is known of the kernel and its modules; takes the place of `symbols`. */
  readonly kernel?: Kernel;
  /** Positions for names that occur several times in vmlinux. */
  readonly positions?: ReadonlyMap<string, number>;
  /**
   * `island`: calls that need it get an island. `epilogue`: replacement functions restore their caller's TOC at each
   * return, too. `mini-frame`: they return by way of a helper that does. `shadow-stack`: calls go through stubs that
   * use the livepatch stack. `nop`: calls are audited, never rewritten.
   */
  readonly tocRestore?: TocRestore;
  /** `framed`: sibling calls get a frame wherever the parameters allow it, not only where nothing else will do. */
  readonly siblings?: "auto" | "framed";
  /** What debug information tells of types; without it no parameters are known. */
  readonly facts?: ModuleFacts;
  /** Where the livepatch stack is, as given: it goes before what files tell. */
  readonly livepatchStack?: LivepatchStack;
  /** Carries out what is refused for lack of knowledge, too. */
  readonly force?: boolean;
  /** Whether functions whose arguments are not shown to be in registers get a mini frame, too; as `force` if absent. */
  readonly frameAll?: boolean;
  /** The kernel's version, where vermagic does not tell. */
  readonly kernelVersion?: KernelVersion;
  /** A module built for the target kernel: struct module is compared with its. */
  readonly reference?: ModuleFile;
  /** Command that mends the file, for help texts. */
  readonly command?: string;
}

/** Everything known about a file before anything is changed. */
export interface Analysis {
  readonly file: ElfFile;
  readonly arch: Arch;
  /** How the kernel is built. */
  readonly features: ReadonlySet<Feature>;
  readonly symbols: SymbolTable;
  readonly functions: FunctionIndex;
  readonly module: string;
  readonly modInfo: ModInfo | null;
  readonly version: KernelVersion | null;
  /** The kernel that the module is for; null if nothing was given. */
  readonly kernel: Kernel | null;
  readonly patches: readonly Patch[];
  readonly undefineds: readonly Undefined[];
  readonly uses: SymbolUses;
  readonly calls: readonly Call[];
  readonly plan: IslandPlan | null;
  /** The livepatch stack, where it is needed and known. */
  readonly stack: LivepatchStack | null;
  readonly loadOrder: LoadOrder;
  /** Problems that stand in the way of both linking and loading. */
  readonly problems: readonly Problem[];
}

/** @throws Unusable if the file cannot be read or is not of a kind that can be linked. */
export function analyse(bytes: Uint8Array, options: Options): Analysis {
  return analyseFile(read(bytes, options.file), options);
}

/** As {@link analyse}, of a file that is read already. */
export function analyseFile(file: ElfFile, options: Options): Analysis {
  const arch = findArch(file.header.machine);
  if (arch === null || !file.littleEndian) {
    const name = machineNames.get(file.header.machine) ?? `number ${file.header.machine}`;
    throw new Unusable(
      problem(
        "KLP106",
        { file: options.file, fileOffset: 18 },
        { machine: file.littleEndian ? name : `${name}, big-endian` },
      ),
    );
  }
  // To the loader a module without .modinfo is one whose .modinfo is empty.
  const modInfo = readModInfo(file) ?? (isFinishedModule(file, options.file) ? new ModInfo(new Uint8Array(0)) : null);
  const module = findModuleName(file, modInfo, options.file);
  const symbols = file.symbols;
  if (symbols === null) {
    const tables = [...file.symbolTables.keys()].filter((s) => file.sections.type(s) === SHT_SYMTAB);
    throw new Unusable(problem("KLP107", { file: options.file }, { several: tables.length > 1, module }));
  }
  const kernel = kernelOf(options);
  refuseOtherMachine(options.file, arch.machine, [
    ...(kernel?.machines ?? []),
    ...(options.reference === undefined ? [] : [options.reference]),
  ]);
  const functions = new FunctionIndex(file, symbols);
  const version = options.kernelVersion ?? parseKernelVersion(modInfo?.get("vermagic") ?? "");
  const loadOrder = new LoadOrder(file, arch.relocs, version);
  const problems: Problem[] = [];
  const patches = readPatches(file, symbols, arch.absolute);
  const patched = new Set(patches.flatMap((p) => p.objects.map((o) => o.name)));
  const positions = options.positions ?? new Map<string, number>();
  const uses = new SymbolUses(file, functions, options.file);
  // A list that does not tell exported symbols from others tells nothing about any symbol of the module.
  const tellsNothing = kernel?.hasSymbols === true && !kernel.hasExports;
  const helpers = new Set(arch.hasToc ? missingHelpers(symbols) : []);
  const undefineds =
    kernel === null || tellsNothing
      ? []
      : resolveUndefined(symbols, kernel, { positions, patched, module }).filter((u) => !helpers.has(u.symbol));
  if (kernel !== null && tellsNothing) {
    problems.push(problem("KLP404", { file: options.file }, { source: kernel.source }));
  } else if (kernel !== null) {
    append(
      problems,
      symbolProblems(undefineds, kernel, uses, module, version, { depends: modInfo?.depends ?? [], patched }),
    );
  }
  if (kernel !== null && !tellsNothing)
    append(problems, positionProblems(symbols, undefineds, positions, options.file));
  const features = arch.features(file, kernel?.hasSymbols === true ? (name) => kernel.find(name).length > 0 : null);
  const { dedots } = arch.loader(features);
  append(problems, livepatchSymbolProblems(file, symbols, uses, module, dedots));
  const context = {
    file,
    symbols,
    functions,
    relocs: arch.relocs,
    loadOrder,
    module,
    version,
    kernel,
    objects: objectsOf(patches),
    path: options.file,
  };
  append(problems, checkLivepatch(context, patches, modInfo, options));
  if (features.has("pcrel") && !isFinishedModule(file, options.file) && !arch.features(file, null).has("pcrel")) {
    problems.push(problem("KLP206", { file: options.file }, noGot(module), { loadOrder: [BEFORE_RELOCATIONS, -1] }));
  }
  const loader = { ...arch, features };
  append(problems, checkRelocations(file, symbols, functions, loader, options.file, module, loadOrder, version));
  append(problems, finishedProblems({ file, symbols, arch, features, module, version, kernel, path: options.file }));
  const calls = arch.hasToc ? auditCalls(file, symbols, functions, features.has("pcrel")) : [];
  const restored = features.has("toc") ? options.tocRestore : undefined;
  const stack = restored === "shadow-stack" ? findStack(options, problems) : null;
  const plan = arch.hasToc
    ? planIslands(file, symbols, functions, calls, choice(file, symbols, functions, options, restored))
    : null;
  const hasKlp =
    undefineds.some((u) => u.resolution.kind === "convert") ||
    calls.some((c) => c.klpObject !== null) ||
    file.relocations.some((t) => file.sections.name(t.section).startsWith(".klp.rela."));
  if (modInfo !== null && modInfo.get("livepatch") === null) {
    const at = { file: options.file, section: ".modinfo", offset: 0 };
    if (enablesPatch(symbols)) problems.push(problem("KLP510", at, { module }, { loadOrder: [2, -1] }));
    else if (hasKlp) problems.push(problem("KLP501", at, { module }));
  }
  return {
    file,
    arch,
    features,
    symbols,
    functions,
    module,
    modInfo,
    version,
    kernel,
    patches,
    undefineds,
    uses,
    calls,
    plan,
    stack,
    loadOrder,
    problems,
  };
}

/** @param how how r2 is to come back; undefined: as usual, or there is none */
function choice(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  options: Options,
  how: Options["tocRestore"],
): IslandChoice {
  const { prototypes, unzstd = null } = options.facts ?? NO_FACTS;
  return {
    stubs: how === "shadow-stack",
    preferFramed: options.siblings === "framed",
    prototypes,
    unzstd,
    epilogues: how === "epilogue" ? planEpilogues(file, symbols, functions) : NO_EPILOGUES,
    frames:
      how === "mini-frame"
        ? planMiniFrames(file, symbols, functions, prototypes, options.frameAll ?? options.force === true)
        : NO_FRAMES,
  };
}

/** Where the livepatch stack is: as given, or as all files agree. Null, and a problem, if that is not certain. */
function findStack(options: Options, problems: Problem[]): LivepatchStack | null {
  const given = options.livepatchStack;
  const told = given === undefined ? (options.facts ?? NO_FACTS).stacks : [{ ...given, source: "--livepatch-stack" }];
  const first = told[0];
  const isCertain =
    first !== undefined &&
    told.every((t) => t.threadInfo === first.threadInfo && t.stackPointer === first.stackPointer) &&
    isReachable(first.threadInfo) &&
    isReachable(first.stackPointer);
  if (isCertain) return first;
  problems.push(problem("KLP314", { file: options.file }, { told }));
  return null;
}

/** Whether the module's code calls klp_enable_patch: it then is a livepatch, whatever else it holds. */
function enablesPatch(symbols: SymbolTable): boolean {
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.isUndefined(i) && symbols.name(i) === "klp_enable_patch") return true;
  }
  return false;
}

/** Everything that the livepatch core and the loader say about sections, tables and metadata. */
function checkLivepatch(
  context: RuleContext,
  patches: readonly Patch[],
  modInfo: ModInfo | null,
  options: Options,
): Problem[] {
  const { file } = context;
  const problems = [
    ...checkLivepatchSections(context),
    ...checkWreckage(context),
    ...checkZeroPlaces(context),
    ...checkPatches(context, patches),
  ];
  const isLivepatch =
    patches.length > 0 || file.relocations.some((t) => file.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH));
  if (isLivepatch) {
    append(problems, [
      ...checkSharedPlaces(context),
      ...checkTableSizes(context),
      ...checkProfilingPlaces(context),
      ...checkTargets(context),
    ]);
  }
  if (modInfo !== null) {
    const { symbols, module, kernel, version, path } = context;
    append(
      problems,
      checkModule({
        file,
        symbols,
        modInfo,
        module,
        kernel,
        version,
        path,
        reference: options.reference ?? null,
      }),
    );
  }
  return problems;
}
