import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { latin1 } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import { append } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { levelOf, problem } from "../../diag/catalogue.ts";
import { elfMachine } from "../../elf/executable.ts";
import { isSameFile, OutputError } from "../../elf/output.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { readRegular } from "../../elf/regularFile.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Placement } from "../../kernel/loader/layout.ts";
import { findPercpu } from "../../kernel/loader/percpu.ts";
import { checkPlaced, PlacementError, parseAddress, parseBases, parseSections } from "../../kernel/loader/placement.ts";
import { type LoadedModule, withModules } from "../../kernel/module/loadedModules.ts";
import { readModInfo } from "../../kernel/module/modinfo.ts";
import { findModuleName } from "../../kernel/module/moduleFile.ts";
import type { SymbolSource } from "../../kernel/running/addresses.ts";
import { addressesOf } from "../../kernel/running/addresses.ts";
import type { GivenParameter, PatchedName } from "../../load/facts.ts";
import { btfTypes, type KernelTypes, STRUCTS } from "../../load/structModule.ts";
import { type ImageResult, imageOf, type ModuleImage } from "../../passes/image/image.ts";
import { imageDebug, imagePieces, mapText, rawFiles } from "../../passes/image/output.ts";
import { refuseOtherMachine } from "../../passes/input.ts";
import { openFile, openModule, tryRead } from "../../passes/open.ts";
import { patchedNames } from "../../passes/patchedBy.ts";
import type { Context } from "../context.ts";
import { InputProblem, readUnpacked, UsageError, unreadable, write, writePieces } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import { type PartlyReadModule, readModulePartly } from "../files/partlyRead.ts";
import { type NamedFile, writeSet } from "../files/writeSet.ts";
import type { imageRows } from "../optionRows.ts";
import { type KernelOptions, linkCommand, readKernel, refuseOverwriting } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { Reporter } from "../report.ts";

export type ImageCommandOptions = ValuesOf<typeof imageRows>;

/** `klplink image <module>`: returns the exit status. */
export async function runImage(module: string, options: ImageCommandOptions, context: Context): Promise<number> {
  const output = outputPath(module, options);
  refuseContradictions(output, options, context);
  await refuseOverwriting(output, options, [options.sections, ...(options.patchedBy ?? [])]);
  if (typeof options.map === "string") await refuseOverwriting(options.map, options, [options.sections, module]);
  const kernel = await readKernel(options, context);
  const input = await readModulePartly(module, context);
  try {
    return await runOf(input, module, kernel, options, { context, output });
  } finally {
    input.close();
  }
}

/** Where the run writes to. */
interface Surroundings {
  readonly context: Context;
  readonly output: string | null;
}

async function runOf(
  input: PartlyReadModule,
  module: string,
  kernel: Kernel | null,
  options: ImageCommandOptions,
  { context, output }: Surroundings,
): Promise<number> {
  const list = kernel?.list ?? null;
  const machine = elfMachine(input.bytes);
  if (machine !== null) refuseOtherMachine(input.name, machine, kernel?.machines ?? []);
  const elf = tryRead(input.bytes, input.apart);
  const placement = placementOf(options, elf, list);
  const subject = elf === null ? openModule(input.bytes, input.name) : openFile(elf, input.name);
  const result = imageOf(subject, {
    file: input.name,
    kernel: withModules(list === null ? null : addressesOf(list), await loadedModules(kernel, options)),
    placement,
    stage: options.stage,
    command: linkCommand(module, options),
    ...defined({ kernelVersion: options.kernelVersion }),
    ...(options.kernelToc === undefined ? {} : { kernelToc: addressOption("--kernel-toc", options.kernelToc) }),
    ...(options.pacaTocOffset === undefined
      ? {}
      : { pacaTocOffset: Number(addressOption("--paca-toc-offset", options.pacaTocOffset)) & 0xfffc }),
    erratum843419: options.erratum843419 === true,
    ...defined({ x86: options.x86 }),
    late: options.late?.split(",") ?? [],
    parameters: givenParameters(options.param),
    patched: await patchedFunctions(options.patchedBy, elf, input.name, context),
    types: await kernelTypes(kernel, elf),
  });
  checkAddresses(result, placement);
  const failed = result.problems.some((p) => levelOf(p) === "error");
  const made = !failed || options.force === true ? result.image : null;
  const reporter = new Reporter(options, context);
  const outcome = {
    arch: result.arch,
    module: result.module,
    output: made === null ? null : output,
    ...counts(result),
  };
  await reporter.add(input.name, subject, result.problems, outcome);
  if (made !== null) await writeImage(made, output, options, context);
  const messages = output === "-" || (options.map === true && reporter.isText) ? context.stderr : context.stdout;
  await reporter.finish(messages);
  if (reporter.isText && options.quiet !== true) {
    const name = made === null ? null : (output ?? options.raw ?? input.name);
    await write(messages, `${summary(result, name, input.name)}\n`);
  }
  return failed ? 1 : 0;
}

/** @throws UsageError for options that cannot go together */
function refuseContradictions(output: string | null, options: ImageCommandOptions, context: Context): void {
  if (output === "-" && context.stdout.isTTY) {
    throw new UsageError("the image is a binary file and standard output a terminal: give -o FILE, or pipe it");
  }
  if (output === "-" && options.map === true)
    throw new UsageError("--map and the image cannot both go to standard output");
  if (options.late !== undefined && options.stage !== "loaded")
    throw new UsageError("--late is what comes after the module is loaded: give --stage loaded, too");
  for (const name of ["param", "patchedBy"] as const) {
    if (options[name] === undefined || options.stage === "loaded") continue;
    throw new UsageError(
      `--${name === "param" ? "param" : "patched-by"} is about what comes until init: give --stage loaded, too`,
    );
  }
}

/** The image in the forms that were asked for. */
async function writeImage(
  made: ModuleImage,
  output: string | null,
  options: ImageCommandOptions,
  context: Context,
): Promise<void> {
  if (output !== null) {
    const elf = imagePieces(made, await imageDebug(made));
    if (output === "-") await writePieces(context.stdout, elf);
    else writeOutput(output, elf, 0o644);
  }
  if (options.raw !== undefined) {
    writeFolder(options.raw, rawFiles(made));
  }
  if (typeof options.map === "string") writeOutput(options.map, Buffer.from(mapText(made)), 0o644);
  else if (options.map === true && options.format === "text") await write(context.stdout, mapText(made));
}

/** Of `--param NAME=VALUE`; null: it was not given. */
function givenParameters(given: readonly string[] | undefined): GivenParameter[] | null {
  if (given === undefined) return null;
  return given
    .filter((text) => text !== NONE)
    .map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? { name: text, value: null } : { name: text.slice(0, at), value: text.slice(at + 1) };
    });
}

/** In place of a parameter or a livepatch: there was none. */
const NONE = "none";

/** Of `--patched-by LIVEPATCH.ko`; null: it was not given. @throws InputProblem, Unusable, UsageError */
export async function patchedFunctions(
  given: readonly string[] | undefined,
  elf: ElfFile | null,
  name: string,
  context: Context,
): Promise<PatchedName[] | null> {
  if (given === undefined || elf === null) return null;
  const module = findModuleName(elf, readModInfo(elf), name);
  const found: PatchedName[] = [];
  for (const path of given) {
    if (path === NONE) continue;
    const livepatch = await readUnpacked(path, context);
    const functions = patchedNames(livepatch.bytes, livepatch.name, module);
    if (functions.length === 0) throw new UsageError(`${fileText(path)} patches no function of ${module}`);
    append(found, functions);
  }
  return found;
}

/** The kernel's types: from vmlinux's BTF or debug information, or from the module's own. Null: no file tells. */
async function kernelTypes(kernel: Kernel | null, elf: ElfFile | null): Promise<KernelTypes | null> {
  const btf = kernel?.btf ?? null;
  if (btf?.structLayout("module") != null) return btfTypes(btf);
  const { findStructs } = await import("../../elf/dwarf/types/members.ts");
  for (const file of [elf, kernel?.debug ?? null]) {
    if (file === null) continue;
    const found = await findStructs(file, STRUCTS);
    if (found.has("module")) return (name) => found.get(name) ?? null;
  }
  return null;
}

/** Modules given with -m, and where they are loaded if that was said. */
async function loadedModules(kernel: Kernel | null, { module = [] }: KernelOptions): Promise<LoadedModule[]> {
  if (kernel === null || module.length === 0) return [];
  const { parseModuleArgument } = await import("../files/kernel/kernel.ts");
  return [...kernel.modules.values()].map((file, i) => {
    const { sections } = parseModuleArgument(module[i] ?? "");
    return { file, sections: sections === null ? null : readSections(sections) };
  });
}

function counts({ image: made }: ImageResult): Record<string, unknown> {
  if (made === null) return {};
  const hex = (v: bigint): string => `0x${v.toString(16)}`;
  return {
    relocations: made.applied,
    sections: made.sections.map((s) => ({ name: s.name, address: hex(s.address), size: s.bytes.length })),
    stubs: made.stubs.length,
    unknown: made.unknown.map((u) => ({ ...u, section: made.sections.find((s) => s.index === u.section)?.name ?? "" })),
  };
}

function summary(result: ImageResult, output: string | null, input: string): string {
  const made = result.image;
  if (made === null || output === null) return `${fileText(input)}: no image, nothing written`;
  const bytes = made.sections.reduce((sum, s) => sum + s.bytes.length, 0);
  const unknown = made.unknown.reduce((sum, u) => sum + u.end - u.start, 0);
  const parts = [`${made.sections.length} sections`, `${bytes} bytes`, `${made.applied} relocations`];
  if (made.stubs.length > 0) parts.push(`${made.stubs.length} stub${made.stubs.length === 1 ? "" : "s"}`);
  parts.push(`${unknown} bytes not known`);
  return `${fileText(output === "-" ? input : output)}: ${parts.join(", ")}`;
}

/** Where the ELF file goes; null if only another form was asked for. */
function outputPath(module: string, { output, raw, map }: ImageCommandOptions): string | null {
  if (output !== undefined) {
    if (output !== "-" && module !== "-" && isSameFile(output, module)) {
      throw new UsageError(`${fileText(output)} is the input; give another output with -o`);
    }
    return output;
  }
  if (raw !== undefined || map !== undefined) return null;
  if (module === "-") return "-";
  return join(dirname(module), `${basename(module).replace(/\.k?o$/, "")}.image.elf`);
}

function placementOf(options: ImageCommandOptions, elf: ElfFile | null, list: SymbolSource | null): Placement {
  try {
    const at = options.at === undefined ? { bases: new Map(), percpu: null } : parseBases(options.at);
    const sections = options.sections === undefined ? new Map<string, bigint>() : readSections(options.sections);
    return {
      bases: at.bases,
      sections,
      percpu: at.percpu ?? (list === null || elf === null ? null : percpuFrom(elf, list)),
    };
  } catch (error) {
    if (error instanceof PlacementError) throw new UsageError(error.message);
    throw error;
  }
}

/** @throws UsageError */
function checkAddresses({ image: made }: ImageResult, { bases }: Placement): void {
  try {
    if (made !== null) checkPlaced(made, bases);
  } catch (error) {
    if (error instanceof PlacementError) throw new UsageError(error.message);
    throw error;
  }
}

/** A file with a table, or a folder like /sys/module/NAME/sections: a file a section, with its address. */
export function readSections(path: string): Map<string, bigint> {
  try {
    if (!statSync(path).isDirectory()) return parseSections(readRegular(path).bytes);
    return new Map(
      readdirSync(path, { withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => [entry.name, parseAddress(latin1(readRegular(join(path, entry.name)).bytes))]),
    );
  } catch (error) {
    if (error instanceof PlacementError) throw new UsageError(`${fileText(path)}: ${error.message}`);
    throw unreadable(path, error);
  }
}

/** The per-CPU area, from a listing of a kernel that has the module loaded. */
const percpuFrom = (elf: ElfFile, list: SymbolSource): bigint | null =>
  findPercpu(elf, findModuleName(elf, readModInfo(elf), ""), list);

function addressOption(name: string, text: string): bigint {
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof PlacementError) throw new UsageError(`${name}: ${error.message}`);
    throw error;
  }
}

function writeFolder(folder: string, files: readonly NamedFile[]): void {
  try {
    writeSet(folder, files);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new InputProblem(problem("KLP105", { file: folder }, { why: error.message, isFolder: true }));
  }
}
