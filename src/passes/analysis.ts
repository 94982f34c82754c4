// What the link and check passes share: read, resolve, audit, plan.

import { printable } from "../base/bytes.ts";
import { append } from "../base/lists.ts";
import { LOADING } from "../base/loadOrder.ts";
import { type Problem, problem } from "../diag/catalogue.ts";
import { SHF_RELA_LIVEPATCH } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { LivepatchStack } from "../kernel/image/livepatchStack.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isFinishedModule } from "../kernel/module/formRules.ts";
import type { ModInfo } from "../kernel/module/modinfo.ts";
import { type ModuleFacts, NO_FACTS } from "../kernel/module/moduleFacts.ts";
import type { ModuleFile } from "../kernel/module/moduleFile.ts";
import { checkModule } from "../kernel/module/moduleRules.ts";
import { checkObjectForm } from "../kernel/module/objectForm.ts";
import type { SymbolList } from "../kernel/symbols/symbolList.ts";
import type { KernelVersion } from "../kernel/version.ts";
import { objectsOf, type Patch, readPatches } from "../klp/patch/tables.ts";
import { resolveUndefined, type Undefined } from "../klp/producers/convert.ts";
import { type RuleContext, ruleContext } from "../klp/rules/context.ts";
import { checkFields } from "../klp/rules/fields.ts";
import { checkGlue } from "../klp/rules/glue.ts";
import { checkJumpLabels } from "../klp/rules/jumpLabels.ts";
import { checkLandingPads } from "../klp/rules/landingPads.ts";
import { checkPatches } from "../klp/rules/patches.ts";
import { checkSharedPlaces, checkWrittenTwice, checkZeroPlaces } from "../klp/rules/places.ts";
import { checkRelinked } from "../klp/rules/relinked.ts";
import { checkRelocations } from "../klp/rules/relocations.ts";
import { checkReturnThunks } from "../klp/rules/returnThunks.ts";
import { checkLivepatchSections } from "../klp/rules/sections.ts";
import { livepatchSymbolProblems, statedPositionProblems, symbolProblems } from "../klp/rules/symbols.ts";
import { checkProfilingPlaces, checkTableSizes, checkTargets } from "../klp/rules/tables.ts";
import { SymbolUses } from "../klp/symbols/uses.ts";
import { auditCalls, type Call } from "../klp/toc/calls.ts";
import { missingHelpers } from "../klp/toc/helpers.ts";
import { DEFAULT_CHOICE, type IslandChoice, type IslandPlan, planIslands } from "../klp/toc/islands.ts";
import { type TocStrategy, tocStrategy } from "../klp/toc/strategies.ts";
import { isReachable } from "../stubs/strategies/shadowStack.ts";
import type { TocRestore } from "../stubs/strategies/strategy.ts";
import { givenKernel, refuseOtherMachine } from "./input.ts";
import { keeper, openModule, type Subject } from "./open.ts";
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
  /** Command that fixes the file, for help texts. */
  readonly command?: string;
}

/** What is known of a file whatever way r2 is to come back. */
export interface Survey extends RuleContext {
  readonly modInfo: ModInfo | null;
  readonly patches: readonly Patch[];
  readonly undefineds: readonly Undefined[];
  readonly uses: SymbolUses;
  readonly calls: readonly Call[];
  /** Problems that stand in the way of both linking and loading. */
  readonly problems: readonly Problem[];
}

/** Everything known about a file before anything is changed. */
export interface Analysis extends Survey {
  readonly plan: IslandPlan | null;
  /** The livepatch stack, where it is needed and known. */
  readonly stack: LivepatchStack | null;
}

/** @throws Unusable if the file cannot be read or is not of a kind that can be linked. */
export function analyse(bytes: Uint8Array, options: Options): Analysis {
  return analyseSubject(openModule(bytes, options.file), options);
}

const keptSurvey = keeper<Survey>();

/**
 * Everything but the plan for calls, found out once for a subject and a kernel.
 * @throws Unusable KLP111 if the kernel is of another architecture
 */
export function survey(subject: Subject, options: Options): Survey {
  const { kernel, symbols, positions, kernelVersion, reference } = options;
  return keptSurvey(subject, [kernel, symbols, positions, kernelVersion, reference], () => look(subject, options));
}

const keptPlan = keeper<IslandPlan | null>();

/** The survey of a subject, and a plan for its calls. @throws Unusable KLP111 if the kernel is of another architecture */
export function analyseSubject(subject: Subject, options: Options): Analysis {
  const found = survey(subject, options);
  // Where there is no TOC, calls are what they are in any case.
  const strategy = tocStrategy(found.features.has("toc") ? options.tocRestore : undefined);
  const frameAll = options.frameAll ?? options.force === true;
  const plan = keptPlan(subject, [found, strategy, options.siblings, options.facts, frameAll], () =>
    found.arch.hasToc
      ? planIslands(found.file, found.symbols, found.functions, found.calls, choice(found, options, strategy, frameAll))
      : null,
  );
  const problems = [...found.problems];
  const stack = strategy.needsStack ? findStack(options, problems) : null;
  append(problems, unsupportedProblems(found));
  append(problems, unmarkedProblems(found));
  return { ...found, plan, stack, problems };
}

function look(subject: Subject, options: Options): Survey {
  const { file, arch, symbols, functions, module, modInfo, path } = subject;
  const kernel = givenKernel(options);
  refuseOtherMachine(path, arch.machine, [
    ...(kernel?.machines ?? []),
    ...(options.reference === undefined ? [] : [options.reference]),
  ]);
  const version = options.kernelVersion ?? subject.version;
  const features = arch.features(file, kernel?.hasSymbols === true ? (name) => kernel.find(name).length > 0 : null);
  const patches = readPatches(file, symbols, arch.absolute);
  const facts = { arch, features, module, version, kernel, path };
  const context = ruleContext({ file, symbols, functions }, facts, objectsOf(patches));
  const uses = new SymbolUses({ file, functions, path });
  const problems: Problem[] = checkObjectForm(file, symbols, options.file, arch.hasToc);
  const undefineds = lookUpSymbols(subject, { options, patches, kernel, uses, version }, problems);
  append(problems, livepatchSymbolProblems(file, symbols, uses, module, arch.loader(features).dedots));
  append(problems, checkLivepatch(context, patches, modInfo, options));
  append(problems, checkFields(context));
  append(problems, checkLandingPads(context, patches));
  append(problems, checkJumpLabels(context));
  append(problems, checkReturnThunks(context));
  if (features.has("pcrel") && !isFinishedModule(file, path) && !arch.features(file, null).has("pcrel")) {
    const more = { loadOrder: LOADING.globalOffsetTable };
    problems.push(problem("KLP206", { file: path }, { fault: "no .mygot", module }, more));
  }
  append(problems, checkRelocations(context));
  append(problems, finishedProblems(context));
  const calls = arch.hasToc ? auditCalls(file, symbols, functions, features.has("pcrel")) : [];
  dropSaid(problems, calls, file);
  return { ...context, modInfo, patches, undefineds, uses, calls, problems };
}

/** What undefined symbols are looked up with. */
interface LookUp {
  readonly options: Options;
  readonly patches: readonly Patch[];
  readonly kernel: Kernel | null;
  readonly uses: SymbolUses;
  readonly version: KernelVersion | null;
}

/** The undefined symbols of a module, as its kernel will resolve them; none if no kernel was given that tells. */
function lookUpSymbols(
  { arch, symbols, module, modInfo, path }: Subject,
  { options, patches, kernel, uses, version }: LookUp,
  problems: Problem[],
): readonly Undefined[] {
  if (kernel === null) return [];
  // A list that does not tell exported symbols from others tells nothing about any symbol of the module.
  if (kernel.hasSymbols && !kernel.hasExports) {
    problems.push(problem("KLP404", { file: path }, { source: kernel.source }));
    return [];
  }
  const patched = new Set(patches.flatMap((p) => p.objects.map((o) => o.name)));
  const positions = options.positions ?? new Map<string, number>();
  const helpers = new Set(arch.hasToc ? missingHelpers(symbols) : []);
  const undefineds = resolveUndefined(symbols, kernel, { positions, patched, module }).filter(
    (u) => !helpers.has(u.symbol),
  );
  const needs = { depends: modInfo?.depends ?? [], patched };
  append(problems, symbolProblems(undefineds, { kernel, uses, module, version, needs }));
  append(problems, statedPositionProblems(symbols, undefineds, positions, path));
  return undefineds;
}

/** A module with the parts of a livepatch that does not say in .modinfo that it is one. */
function unmarkedProblems(found: Survey): Problem[] {
  const { symbols, modInfo, module, path } = found;
  if (modInfo === null || modInfo.get("livepatch") !== null) return [];
  const at = { file: path, section: ".modinfo", offset: 0 };
  if (enablesPatch(symbols)) return [problem("KLP510", at, { module }, { loadOrder: LOADING.unmarked })];
  return hasKlp(found) ? [problem("KLP501", at, { module })] : [];
}

/** Whether the module has livepatch relocations, or will have when its imports are livepatch symbols. */
const hasKlp = ({ file, undefineds, calls }: Survey): boolean =>
  undefineds.some((u) => u.resolution.kind === "convert") ||
  calls.some((c) => c.klpObject !== null) ||
  file.relocations.some((t) => file.sections.name(t.section).startsWith(".klp.rela."));

/** Livepatch relocations for a kernel without livepatching. Of a finished module that says what it is, KLP512 says it. */
function unsupportedProblems(found: Survey): Problem[] {
  const { kernel, path, problems } = found;
  if (kernel?.hasLivepatch !== false || !hasKlp(found) || problems.some((p) => p.code === "KLP512")) return [];
  return [problem("KLP456", { file: path }, { source: kernel.source })];
}

/** Calls that stand beside their branch are reported by the audit of calls, and where the branch is near, by KLP434. */
function dropSaid(problems: Problem[], calls: readonly Call[], { sections }: ElfFile): void {
  const key = (section: string | undefined, offset: number | undefined): string => `${section}+${offset}`;
  const said = new Set(problems.filter((p) => p.code === "KLP434").map((p) => key(p.at.section, p.at.offset)));
  for (const call of calls) {
    if (call.verdict === "not-a-call") said.add(key(printable(sections.name(call.section)), call.offset));
  }
  const isLeft = (p: Problem): boolean => p.code !== "KLP234" || !said.has(key(p.at.section, p.at.offset));
  const isSaid = problems.some((p) => p.code === "KLP234" && !isLeft(p));
  // Where those that are listed were said, so were those that are only counted.
  const left = problems.filter((p) => isLeft(p) && !(isSaid && p.code === "KLP117" && p.data.code === "KLP234"));
  problems.splice(0, problems.length);
  append(problems, left);
}

function choice(found: Survey, options: Options, strategy: TocStrategy, frameAll: boolean): IslandChoice {
  const { file, symbols, functions } = found;
  const { prototypes, unzstd = null } = options.facts ?? NO_FACTS;
  return {
    ...DEFAULT_CHOICE,
    preferFramed: options.siblings === "framed",
    prototypes,
    unzstd,
    ...strategy.plan({ file, symbols, functions, prototypes, frameAll }),
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
  return symbols.called("klp_enable_patch").some((i) => symbols.isUndefined(i));
}

/**
 * What is wrong with sections and relocations, and, if the file is a livepatch, with the tables that the kernel reads from it.
 * @param patches whether the file has tables of patched functions; livepatch relocations make it a livepatch, too
 */
export function livepatchRules(context: RuleContext, patches: boolean): Problem[] {
  const { file } = context;
  const problems = [...checkLivepatchSections(context), ...checkRelinked(context), ...checkZeroPlaces(context)];
  if (!patches && !file.relocations.some((t) => file.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH))) return problems;
  append(problems, checkSharedPlaces(context));
  append(problems, checkWrittenTwice(context));
  append(problems, checkTableSizes(context));
  append(problems, checkProfilingPlaces(context));
  append(problems, checkTargets(context));
  return problems;
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
    ...livepatchRules(context, patches.length > 0),
    ...checkPatches(context, patches),
    ...checkGlue(context, patches),
  ];
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
        isVersionGiven: options.kernelVersion !== undefined,
        path,
        reference: options.reference ?? null,
      }),
    );
  }
  return problems;
}
