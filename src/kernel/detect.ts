// Which kind of file was given for the kernel, by its content.

import { ET_REL } from "../elf/consts.ts";
import { fileKindOf, isText } from "../elf/containers/recognise.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfExecutable, elfType, readExecutable } from "../elf/executable.ts";
import { isConfig, type KernelConfig, parseConfig } from "./config.ts";
import { readArm64Image } from "./image/stripped.ts";
import { type Vmlinux, vmlinuxOf } from "./image/vmlinux.ts";
import { isArm64Image } from "./image/wrapping/unwrap.ts";
import type { Export } from "./symbols/exports.ts";
import { parseSymbols, SymbolListError } from "./symbols/parseSymbols.ts";
import type { SymbolList } from "./symbols/symbolList.ts";
import { isSymvers, parseSymvers } from "./symbols/symvers.ts";

export type KernelFile =
  | { readonly kind: "symbols"; readonly list: SymbolList }
  | { readonly kind: "vmlinux"; readonly vmlinux: Vmlinux; readonly file: ElfExecutable | null }
  | { readonly kind: "symvers"; readonly exports: readonly Export[] }
  | { readonly kind: "config"; readonly config: KernelConfig };

/**
 * Reads a file about the kernel, out of all its wrappings (`unwrapKernel`): System.map, nm output, kallsyms text, vmlinux with or
 * without its symbol table, an arm64 Image, Module.symvers, a configuration.
 * @throws ElfError, SymbolListError
 */
export function readKernelFile(bytes: Uint8Array, source: string): KernelFile {
  const type = elfType(bytes);
  if (type === ET_REL) throw new ElfError("unsupported", 16, "a module or object file: give it with -m");
  if (type !== null) {
    const file = readExecutable(bytes);
    return { kind: "vmlinux", vmlinux: vmlinuxOf(file, source), file };
  }
  if (isArm64Image(bytes)) return { kind: "vmlinux", vmlinux: readArm64Image(bytes, source), file: null };
  if (isSymvers(bytes)) return { kind: "symvers", exports: parseSymvers(bytes) };
  if (isConfig(bytes)) return { kind: "config", config: parseConfig(bytes) };
  try {
    return { kind: "symbols", list: parseSymbols(bytes, source) };
  } catch (error) {
    const known = isText(bytes) ? null : fileKindOf(bytes);
    if (!(error instanceof SymbolListError) || error.line !== 1 || known === null) throw error;
    throw new ElfError("unsupported", 0, known);
  }
}
