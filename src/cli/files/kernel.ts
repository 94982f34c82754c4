// Reads the files that -k and -m name.

import { existsSync } from "node:fs";
import { defined } from "../../base/defined.ts";
import { append } from "../../base/lists.ts";
import { problem } from "../../diag/catalogue.ts";
import { Lz4Error } from "../../elf/containers/lz4.ts";
import { PackedError } from "../../elf/containers/packed.ts";
import { ElfError } from "../../elf/error.ts";
import type { ElfExecutable } from "../../elf/executable.ts";
import { type ElfFile, readElf } from "../../elf/reader.ts";
import { readKernelFile } from "../../kernel/detect.ts";
import { unwrapKernel } from "../../kernel/image/unwrap.ts";
import type { Vmlinux } from "../../kernel/image/vmlinux.ts";
import { Kernel } from "../../kernel/kernel.ts";
import { ModuleFile } from "../../kernel/module/moduleFile.ts";
import type { Export } from "../../kernel/symbols/exports.ts";
import { SymbolListError } from "../../kernel/symbols/parseSymbols.ts";
import type { SymbolList } from "../../kernel/symbols/symbolList.ts";
import { findModuleFiles, isPath } from "./findModule.ts";
import { InputProblem, readUnpacked, type Standard, UsageError } from "./io.ts";
import { kernelPlaces } from "./kernelPlaces.ts";

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
): Promise<Kernel> {
  const { paths, folders } = expand(kernels, root);
  let list: SymbolList | undefined;
  let vmlinux: Vmlinux | undefined;
  const exports: Export[] = [];
  let symvers: string | undefined;
  for (const path of paths) {
    const input = await readKernelInput(path, context);
    const file = guard(input.name, true, () => readKernelFile(input.bytes, input.name));
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
    }
  }
  const files: ModuleFile[] = [];
  for (const argument of modules) {
    const { name, path: given } = parseModuleArgument(argument);
    const path = moduleFileOf(given, folders);
    const file = await loadModule(path, name, context, opened);
    if (files.some((f) => f.name === file.name)) throw new UsageError(`-m gives module ${file.name} twice`);
    files.push(file);
  }
  return new Kernel({
    list,
    vmlinux,
    modules: files,
    symvers: symvers === undefined ? undefined : { source: symvers, exports },
  });
}

/** Files in place of names of kernels, and where modules of these are. @throws InputProblem if nothing of a kernel is there */
function expand(kernels: readonly string[], root: string): { paths: string[]; folders: string[] } {
  const paths: string[] = [];
  const folders: string[] = [];
  for (const argument of kernels) {
    const places = kernelPlaces(argument, root);
    if (places === null) {
      paths.push(argument);
      continue;
    }
    const [forbidden] = places.forbidden;
    if (places.files.length === 0) {
      if (forbidden !== undefined)
        throw new InputProblem(problem("KLP104", { file: forbidden }, { why: "permission denied", code: "EACCES" }));
      const what = "no file of such a kernel was found: vmlinux, vmlinuz, System.map, Module.symvers";
      throw new InputProblem(problem("KLP109", { file: argument }, { what }));
    }
    append(paths, places.files);
    append(folders, places.modules);
  }
  return { paths, folders };
}

/** The file of a module that is named as the kernel names it, below the kernel's own folders; else what was given. */
function moduleFileOf(given: string, folders: readonly string[]): string {
  if (folders.length === 0 || isPath(given) || existsSync(given)) return given;
  return findModuleFiles(given, folders)[0] ?? given;
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
  const input = await readUnpacked(path, context);
  return guard(input.name, false, () => {
    const file = readElf(input.bytes);
    const module = new ModuleFile(file, input.name, name);
    opened(module.name, file, input.name);
    return module;
  });
}

/** A file for `-k`, out of what it is packed or wrapped in. @throws InputProblem, UsageError */
async function readKernelInput(path: string, context: Standard): Promise<{ name: string; bytes: Uint8Array }> {
  const { name, bytes } = await readUnpacked(path, context);
  try {
    return { name, bytes: (await unwrapKernel(bytes)).bytes };
  } catch (error) {
    throw asProblem(name, true, error);
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
  if (error instanceof SymbolListError)
    return new InputProblem(problem("KLP109", { file, line: error.line }, { what: error.what }));
  if (error instanceof PackedError || error instanceof Lz4Error)
    return new InputProblem(problem("KLP109", { file }, { what: error.message }));
  if (!(error instanceof ElfError)) return error;
  const at = { file, fileOffset: error.offset };
  const code = isKernel ? "KLP109" : error.kind === "malformed" ? "KLP102" : "KLP101";
  return new InputProblem(problem(code, at, { what: error.what }));
}
