// Reads the files that -k and -m name.

import { existsSync } from "node:fs";
import { append } from "../../base/lists.ts";
import { problem } from "../../diag/catalogue.ts";
import { ElfError } from "../../elf/error.ts";
import { readElf } from "../../elf/reader.ts";
import { readKernelFile } from "../../kernel/detect.ts";
import type { Vmlinux } from "../../kernel/image/vmlinux.ts";
import { Kernel } from "../../kernel/kernel.ts";
import { ModuleFile } from "../../kernel/module/moduleFile.ts";
import type { Export } from "../../kernel/symbols/exports.ts";
import { SymbolListError } from "../../kernel/symbols/parseSymbols.ts";
import type { SymbolList } from "../../kernel/symbols/symbolList.ts";
import { InputProblem, readUnpacked, type Standard, UsageError } from "./io.ts";

/** Everything that the files tell. @throws InputProblem, UsageError */
export async function loadKernel(
  kernels: readonly string[],
  modules: readonly string[],
  context: Standard,
): Promise<Kernel> {
  let list: SymbolList | undefined;
  let vmlinux: Vmlinux | undefined;
  const exports: Export[] = [];
  let symvers: string | undefined;
  for (const path of kernels) {
    const input = await readUnpacked(path, context);
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
    const { name, path } = parseModuleArgument(argument);
    const file = await loadModule(path, name, context);
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
  return { ...(name === undefined ? {} : { name }), path, sections: whole ? null : rest.slice(at + 1) };
}

/** One module. @param name in place of the one that the file tells. @throws InputProblem, UsageError */
export async function loadModule(path: string, name: string | undefined, context: Standard): Promise<ModuleFile> {
  const input = await readUnpacked(path, context);
  return guard(input.name, false, () => new ModuleFile(readElf(input.bytes), input.name, name));
}

/** Turns what is wrong with a file into the problem to report. */
function guard<T>(file: string, isKernel: boolean, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SymbolListError) {
      throw new InputProblem(problem("KLP109", { file, line: error.line }, { what: error.what }));
    }
    if (!(error instanceof ElfError)) throw error;
    const at = { file, fileOffset: error.offset };
    const code = isKernel ? "KLP109" : error.kind === "malformed" ? "KLP102" : "KLP101";
    throw new InputProblem(problem(code, at, { what: error.what }));
  }
}
