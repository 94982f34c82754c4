// Reads the files that -k and -m name.

import { existsSync } from "node:fs";
import { defined } from "../../../base/defined.ts";
import { append } from "../../../base/lists.ts";
import { problem } from "../../../diag/catalogue.ts";
import { ElfError } from "../../../elf/error.ts";
import type { ElfExecutable } from "../../../elf/executable.ts";
import { type ElfFile, readElf } from "../../../elf/reader.ts";
import { inParts } from "../../../elf/regularFile.ts";
import { readKernelFile } from "../../../kernel/detect.ts";
import type { Vmlinux } from "../../../kernel/image/vmlinux.ts";
import { Kernel, type KernelParts } from "../../../kernel/kernel.ts";
import { readExports } from "../../../kernel/module/exportTable.ts";
import { nameWithoutExports } from "../../../kernel/module/glance.ts";
import { readModInfo } from "../../../kernel/module/modinfo.ts";
import { ModuleFile, nameOfModule } from "../../../kernel/module/moduleFile.ts";
import type { Export } from "../../../kernel/symbols/exports.ts";
import type { SymbolList } from "../../../kernel/symbols/symbolList.ts";
import { InputProblem, readUnpacked, type Standard, UsageError } from "../io.ts";
import { isPath } from "./findModule.ts";
import {
  type FoundModule,
  type KernelSource,
  kernelProblem,
  type ModuleStore,
  openKernelSource,
} from "./kernelSources.ts";

/** Takes a file that was read: that of `vmlinux`, or of a module. @param source its name for messages */
export type Opened = (object: string, file: ElfFile | ElfExecutable, source: string) => void;

/**
 * Everything that the files tell.
 * @param opened is given each ELF file, which is not read again then
 * @throws InputProblem, UsageError
 */
export async function loadKernel(
  kernels: readonly string[],
  modules: readonly string[],
  context: Standard,
  opened: Opened = () => {},
  root = "/",
): Promise<LoadedKernel> {
  const sources: KernelSource[] = [];
  for (const argument of kernels) sources.push(await openKernelSource(argument, root, context));
  const parts = await readParts(sources, opened);
  const stores = sources.flatMap(({ modules: store }) => (store === null ? [] : [store]));
  const files = await loadModules(modules, stores, context, opened);
  return { kernel: new Kernel({ ...parts, modules: files }), sources, stores };
}

/** The modules that -m names. @throws InputProblem, UsageError */
export async function loadModules(
  modules: readonly string[],
  stores: readonly ModuleStore[],
  context: Standard,
  opened: Opened = () => {},
): Promise<ModuleFile[]> {
  const files: ModuleFile[] = [];
  for (const argument of modules) {
    const { name, path: given } = parseModuleArgument(argument);
    const file = await openModuleFile(given, name, stores, context, opened);
    if (files.some((f) => f.name === file.name)) throw new UsageError(`-m gives module ${file.name} twice`);
    files.push(file);
  }
  return files;
}

/** A kernel, where it was read from, and where more of its modules are. */
export interface LoadedKernel {
  readonly kernel: Kernel;
  readonly sources: readonly KernelSource[];
  readonly stores: readonly ModuleStore[];
}

/** What the files of a kernel tell. @throws InputProblem, UsageError if two tell the same */
export async function readParts(sources: readonly KernelSource[], opened: Opened = () => {}): Promise<KernelParts> {
  let list: SymbolList | undefined;
  let vmlinux: Vmlinux | undefined;
  let config: KernelParts["config"];
  const exports: Export[] = [];
  let symvers: string | undefined;
  for (const input of sources.flatMap(({ inputs }) => inputs)) {
    const bytes = await input.read();
    const file = guard(input.name, true, () => readKernelFile(bytes, input.name));
    const twice = (what: string): UsageError =>
      new UsageError(`-k gives ${what} twice: a module is linked for one kernel`);
    switch (file.kind) {
      case "symbols":
        if (list !== undefined) throw twice("a symbol list");
        list = file.list;
        break;
      case "vmlinux":
        if (vmlinux !== undefined) throw twice("vmlinux");
        vmlinux = file.vmlinux;
        // A kernel without a symbol table has no functions to look at.
        if (file.file !== null && file.file.symbols !== null) opened("vmlinux", file.file, input.name);
        break;
      case "symvers":
        // Modules built out of tree have files of their own.
        append(exports, file.exports);
        symvers ??= input.name;
        break;
      case "config":
        config ??= { source: input.name, options: file.config };
        break;
    }
  }
  return {
    running: sources.find(({ running }) => running !== undefined)?.running,
    list,
    vmlinux,
    symvers: symvers === undefined ? undefined : { source: symvers, exports },
    config,
  };
}

/** A module that is named as the kernel names it, among the kernel's own; else the file that was given. */
async function openModuleFile(
  given: string,
  name: string | undefined,
  stores: readonly ModuleStore[],
  context: Standard,
  opened: Opened,
): Promise<ModuleFile> {
  const found = await namedModule(given, stores);
  if (found === null) return loadModule(given, name, context, opened);
  return readModule({ name: found.name, bytes: await found.read() }, name, opened);
}

/**
 * The file of a module that is named as the kernel names it; null if the argument is a path, or no kernel was named.
 * @throws InputProblem KLP120 if the kernel has none of that name
 */
export async function namedModule(given: string, stores: readonly ModuleStore[]): Promise<FoundModule | null> {
  if (stores.length === 0 || isPath(given) || existsSync(given)) return null;
  const found = await findModule(given, stores);
  if (found === null) throw new InputProblem(problem("KLP120", { file: given }, {}));
  return found;
}

/** The file of a module among those of a kernel; null if none of that name is there. @throws InputProblem */
export async function findModule(name: string, stores: readonly ModuleStore[]): Promise<FoundModule | null> {
  for (const store of stores) {
    const found = await store.find(name);
    if (found !== null) return found;
  }
  return null;
}

/** @param name in place of the one that the file tells. @throws InputProblem */
export function readModule(
  input: { readonly name: string; readonly bytes: Uint8Array },
  name?: string,
  opened: Opened = () => {},
): ModuleFile {
  return guard(input.name, false, () => {
    const file = readElf(input.bytes);
    const module = new ModuleFile(file, input.name, name);
    opened(module.name, file, input.name);
    return module;
  });
}

/** `[NAME=]FILE[@SECTIONS]`: SECTIONS says where the module is loaded. A file whose name has an `@` is taken as it is. */
export function parseModuleArgument(argument: string): {
  readonly name?: string;
  readonly path: string;
  readonly sections: string | null;
} {
  const [, name, rest = argument] = /^([\w-]+)=(.+)$/.exec(argument) ?? [];
  const at = rest.lastIndexOf("@");
  const whole = at <= 0 || existsSync(rest);
  const path = whole ? rest : rest.slice(0, at);
  return { ...defined({ name }), path, sections: whole ? null : rest.slice(at + 1) };
}

/** One module. @param name in place of the one that the file tells. @throws InputProblem, UsageError */
export async function loadModule(
  path: string,
  name: string | undefined,
  context: Standard,
  opened: Opened = () => {},
): Promise<ModuleFile> {
  return readModule(await readUnpacked(path, context), name, opened);
}

/**
 * The name of a module and the names of what it exports, without all else. Of a file that exports nothing, no more is read than tells so: it may
 * be malformed beyond that.
 * @throws InputProblem, UsageError
 */
export async function loadExports(
  path: string,
  context: Standard,
): Promise<{ readonly name: string; readonly exports: readonly string[] }> {
  const glanced = glance(path);
  if (glanced !== null) return { name: glanced, exports: [] };
  const input = await readUnpacked(path, context);
  return guard(input.name, false, () => {
    const file = readElf(input.bytes);
    const name = nameOfModule(file, readModInfo(file), input.name);
    return { name, exports: [...readExports(file, name).keys()] };
  });
}

/** {@link nameWithoutExports} of a file; null also where that cannot be read, which reading all of it will say. */
function glance(path: string): string | null {
  try {
    return inParts(path, nameWithoutExports);
  } catch {
    return null;
  }
}

/** Turns what is wrong with a file into the problem to report. */
function guard<T>(file: string, isKernel: boolean, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asProblem(file, isKernel, error);
  }
}

function asProblem(file: string, isKernel: boolean, error: unknown): unknown {
  if (isKernel || !(error instanceof ElfError)) return kernelProblem(file, error);
  const at = { file, fileOffset: error.offset };
  return new InputProblem(problem(error.kind === "malformed" ? "KLP102" : "KLP101", at, { what: error.what }));
}
