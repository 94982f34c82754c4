// What a rule may ask.

import type { Arch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import type { Place } from "../../diag/define.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { RelocTable } from "../../reloc/def.ts";
import type { FunctionIndex } from "../functions.ts";
import type { LoadOrder } from "./loadOrder.ts";

export interface RuleContext {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly functions: FunctionIndex;
  readonly arch: Arch;
  readonly relocs: RelocTable;
  readonly loadOrder: LoadOrder;
  readonly module: string;
  readonly version: KernelVersion | null;
  readonly kernel: Kernel | null;
  /** Objects that the module patches; null if that is not known. */
  readonly objects: ReadonlySet<string> | null;
  /** Name of the file for messages. */
  readonly path: string;
}

/** A place in a section for a diagnostic: in code with the function that it is in. */
export function placeIn({ file, functions, path }: RuleContext, section: number, offset: number): Place {
  const { sections } = file;
  const at = { file: path, section: printable(sections.name(section)), offset };
  const owner = sections.hasFlags(section, SHF_EXECINSTR) ? functions.at(section, offset) : null;
  return owner === null ? at : { ...at, function: { name: printable(owner.name), offset: offset - owner.start } };
}
