import { existsSync, statSync } from "node:fs";
import { defined } from "../../base/defined.ts";
import { visible } from "../../base/visible.ts";
import { levelOf, type Problem, problem } from "../../diag/catalogue.ts";
import { ElfError } from "../../elf/error.ts";
import { type ElfFile, readElf } from "../../elf/reader.ts";
import { findPercpu, percpuFromStruct } from "../../kernel/loader/percpu.ts";
import { type LoadedModule, withModules } from "../../kernel/module/loadedModules.ts";
import { normalModuleName, readModInfo } from "../../kernel/module/modinfo.ts";
import { findModuleName, ModuleFile } from "../../kernel/module/moduleFile.ts";
import { addressesOf, type KernelAddresses, type SymbolSource } from "../../kernel/running/addresses.ts";
import type { KernelMemory } from "../../kernel/running/memory.ts";
import { filledUp, ShiftError } from "../../kernel/running/shifted.ts";
import type { SymbolList } from "../../kernel/symbols/symbolList.ts";
import { parseKernelVersion } from "../../kernel/version.ts";
import { btfTypes, type KernelTypes } from "../../load/structModule.ts";
import { type VerifyResult, verifyOf } from "../../passes/image/verify.ts";
import { openFile, openModule, type Subject, tryRead } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { type Input, InputProblem, readUnpacked, UsageError, write } from "../files/io.ts";
import { findModuleFiles, isPath, moduleFolders } from "../files/kernel/findModule.ts";
import { RunningMachine } from "../files/machine.ts";
import type { verifyRows } from "../optionRows.ts";
import { problemOf } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { Reporter } from "../report.ts";
import { patchedFunctions, readSections } from "./image.ts";

export type VerifyCommandOptions = ValuesOf<typeof verifyRows>;

/** What is the same for all modules of a run; read when first needed. */
interface Running {
  readonly machine: RunningMachine;
  readonly list: SymbolList;
  readonly symbols: SymbolSource;
  /** Whether symbols other than functions are known. */
  readonly hasData: boolean;
  readonly memory: KernelMemory;
  readonly given: readonly LoadedModule[];
  readonly close: () => void;
  readonly context: Context;
}

/** `klplink verify <module...>`: returns the exit status. */
export async function runVerify(
  modules: readonly string[],
  options: VerifyCommandOptions,
  context: Context,
): Promise<number> {
  const machine = new RunningMachine(options.root ?? null);
  if (modules.length > 1 && !machine.isLive)
    throw new UsageError("--root holds the copy of one module: give one module");
  const reporter = new Reporter(options, context);
  let running: Running | null = null;
  let status = 0;
  try {
    for (const argument of modules) {
      let input: Input | null = null;
      let subject: Subject | null = null;
      let problems: readonly Problem[];
      let result: VerifyResult | null = null;
      try {
        input = await readModule(argument, machine, context);
        const elf = tryRead(input.bytes);
        const name = elf === null ? null : moduleName(elf, input.name);
        const sections = name === null ? new Map<string, bigint>() : machine.sections(name);
        running ??= await open(machine, options, context);
        subject = elf === null ? openModule(input.bytes, input.name) : openFile(elf, input.name);
        result = await compare(subject, sections, running, options);
        const unread = machine.unreadProblems(result.module, result.unread);
        problems = [...result.problems, ...unread];
        if (result.problems.some((p) => levelOf(p) === "error")) status = Math.max(status, 1);
        else if (unread.length > 0) status = 3;
        else if (result.sections.length === 0) status = Math.max(status, 1);
      } catch (error) {
        const found = problemOf(error);
        if (found === null || (modules.length === 1 && input === null)) throw error;
        problems = [found];
        status = 3;
      }
      const outcome =
        result === null
          ? {}
          : {
              arch: result.arch,
              module: result.module,
              sections: result.sections.map(toJson),
              left: result.left,
              unread: result.unread.map(({ name, reason }) => ({ name, reason })),
            };
      await reporter.add(input?.name ?? argument, subject, problems, outcome);
      if (reporter.isText && result !== null && result.sections.length + result.unread.length > 0)
        await write(context.stdout, report(result, options.verbose === true, options.quiet === true));
    }
  } finally {
    running?.close();
  }
  await reporter.finish();
  return status;
}

/** A file, or that of a module which is named as the kernel names it. @throws InputProblem, UsageError */
async function readModule(argument: string, machine: RunningMachine, context: Context): Promise<Input> {
  if (isPath(argument) || isFile(argument)) return readUnpacked(argument, context);
  const { release } = machine;
  // A module that is not loaded has no file to look for.
  if (machine.isLive) machine.sections(normalModuleName(argument));
  const folders = release === null ? [] : moduleFolders(release);
  const files = findModuleFiles(argument, folders);
  const [only, second] = files;
  if (only === undefined || second !== undefined) {
    const there = folders.filter((f) => existsSync(f));
    const where = only !== undefined ? files : there.length > 0 ? there : [folders[0] ?? "/lib/modules"];
    const fault = only === undefined ? "no file" : "several files";
    throw new InputProblem(
      problem("KLP221", { file: argument }, { fault, module: argument, where, obstacle: "no file" }),
    );
  }
  return readUnpacked(only, context);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const moduleName = (elf: ElfFile, path: string): string => findModuleName(elf, readModInfo(elf), path);

async function open(machine: RunningMachine, options: VerifyCommandOptions, context: Context): Promise<Running> {
  const list = machine.symbols();
  const given = await readGiven(options, machine, context);
  const file = given.list ?? (list.hasData ? null : machine.systemMap());
  let symbols: SymbolSource = list;
  try {
    if (file !== null) symbols = filledUp(list, file);
  } catch (error) {
    if (!(error instanceof ShiftError)) throw error;
    throw new InputProblem(problem("KLP223", { file: file?.source ?? "" }, error.fault));
  }
  const { read, close } = machine.memory();
  return {
    machine,
    list,
    symbols,
    hasData: file !== null || list.hasData,
    memory: read,
    given: given.modules,
    close,
    context,
  };
}

/** What -k and -m name. @throws InputProblem, UsageError */
async function readGiven(
  options: VerifyCommandOptions,
  machine: RunningMachine,
  context: Context,
): Promise<{ readonly list: SymbolList | null; readonly modules: readonly LoadedModule[] }> {
  const { kernel = [], module = [] } = options;
  if (kernel.length === 0 && module.length === 0) return { list: null, modules: [] };
  const { loadKernel, parseModuleArgument } = await import("../files/kernel/kernel.ts");
  const { kernel: read } = await loadKernel(kernel, module, context);
  const modules = [...read.modules.values()].map((file, i) => {
    const { sections } = parseModuleArgument(module[i] ?? "");
    return { file, sections: sections === null ? machine.sectionsBeside(file.name) : readSections(sections) };
  });
  return { list: read.list, modules };
}

async function compare(
  subject: Subject,
  sections: ReadonlyMap<string, bigint>,
  running: Running,
  options: VerifyCommandOptions,
): Promise<VerifyResult> {
  const { machine, list, symbols, memory } = running;
  const { file: elf, module } = subject;
  const release = parseKernelVersion(machine.release ?? "");
  const percpu =
    findPercpu(elf, module, symbols) ??
    percpuFromStruct(sections.get(".gnu.linkonce.this_module") ?? null, () => machine.btf(), memory, elf);
  return verifyOf(subject, {
    file: subject.path,
    kernel: await kernelAddresses(elf, running),
    placement: { bases: new Map(), sections, percpu },
    memory,
    listsData: running.hasData,
    isLoaded: (object) => list.hasModule(object),
    erratum843419: options.erratum843419 === true,
    types: typesOf(machine),
    patched: await patchedFunctions(options.patchedBy, subject.file, subject.path, running.context),
    ...defined({ x86: options.x86 }),
    ...(release === null ? {} : { kernelVersion: release }),
  });
}

/** The running kernel's types, read once; null: it does not tell them. */
function typesOf(machine: RunningMachine): KernelTypes | null {
  let types = knownTypes.get(machine);
  if (types === undefined) {
    const btf = machine.btf();
    types = btf === null ? null : btfTypes(btf);
    knownTypes.set(machine, types);
  }
  return types;
}
const knownTypes = new WeakMap<RunningMachine, KernelTypes | null>();

/** With the data of other modules, where the kernel does not list it: their files and section addresses tell. */
async function kernelAddresses(elf: ElfFile, running: Running): Promise<KernelAddresses> {
  const { machine, list, given } = running;
  const kernel = addressesOf(running.symbols);
  const modules = [...given];
  if (machine.isLive && !list.hasData) {
    for (const needed of (readModInfo(elf)?.get("depends") ?? "").split(",")) {
      const name = normalModuleName(needed);
      if (name === "" || modules.some((m) => m.file.name === name)) continue;
      const other = await loadedNow(name, machine, running.context);
      if (other !== null) modules.push(other);
    }
  }
  return withModules(kernel, modules) ?? kernel;
}

/** Null: its file or its addresses are not to be had, so its symbols are not known. */
async function loadedNow(name: string, machine: RunningMachine, context: Context): Promise<LoadedModule | null> {
  try {
    const { bytes, name: source } = await readModule(name, machine, context);
    return { file: new ModuleFile(readElf(bytes), source, name), sections: machine.sectionsBeside(name) };
  } catch (error) {
    if (error instanceof ElfError || problemOf(error) !== null) return null;
    throw error;
  }
}

const toJson = (s: VerifyResult["sections"][number]): Record<string, unknown> => ({
  name: s.name,
  address: `0x${s.address.toString(16)}`,
  size: s.size,
  equal: s.equal,
  explained: Object.fromEntries(s.explained),
  different: s.different,
});

function report(result: VerifyResult, verbose: boolean, quiet: boolean): string {
  const lines: string[] = [];
  const total = { size: 0, equal: 0, explained: 0, different: 0 };
  const reasons = new Map<string, number>();
  for (const s of result.sections) {
    const explained = [...s.explained.values()].reduce((sum, n) => sum + n, 0);
    total.size += s.size;
    total.equal += s.equal;
    total.explained += explained;
    total.different += s.different;
    for (const [reason, n] of s.explained) reasons.set(reason, (reasons.get(reason) ?? 0) + n);
    if (verbose)
      lines.push(`  ${s.name}: ${s.size} bytes, ${s.equal} equal, ${explained} explained, ${s.different} different`);
  }
  if (!quiet) for (const [reason, n] of reasons) lines.push(`  ${n} bytes explained: ${reason}`);
  const shown = quiet ? [] : verbose ? [...result.left, ...result.unread] : result.unread;
  for (const { name, reason } of shown) lines.push(`  ${name}: not compared: ${reason}`);
  const compared = `${result.sections.length} sections, ${total.size} bytes`;
  const unread = result.unread.length === 0 ? "" : `; ${result.unread.length} not compared`;
  if (!quiet) {
    lines.unshift(
      `${result.module}: ${compared}: ${total.equal} equal, ${total.explained} explained, ${total.different} different${unread}`,
    );
  }
  return lines.length === 0 ? "" : `${lines.map(visible).join("\n")}\n`;
}
