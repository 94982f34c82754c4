// What a rule may ask.

import type { Arch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import type { Place } from "../../diag/define.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { Feature } from "../../reloc/def.ts";
import type { SymbolizedFile } from "../functions.ts";
import { LoadOrder } from "./loadOrder.ts";

/** What is known of a module and its kernel, whatever stands in the file. */
export interface RuleFacts {
  readonly arch: Arch;
  /** How the kernel is built. */
  readonly features: ReadonlySet<Feature>;
  /** As the loader calls it. */
  readonly module: string;
  /** Null: the newest. */
  readonly version: KernelVersion | null;
  /** The kernel that the module is for; null if nothing was given. */
  readonly kernel: Kernel | null;
  /** Name of the file for messages. */
  readonly path: string;
}

export interface RuleContext extends SymbolizedFile, RuleFacts {
  readonly loadOrder: LoadOrder;
  /** Objects that the module patches; null if that is not known. */
  readonly objects: ReadonlySet<string> | null;
}

/** What rules may ask of one file of a module. */
export function ruleContext(
  { file, symbols, functions }: SymbolizedFile,
  { arch, features, module, version, kernel, path }: RuleFacts,
  objects: ReadonlySet<string> | null,
): RuleContext {
  const loadOrder = new LoadOrder(file, arch.relocs, arch.loader(features), version);
  return { file, symbols, functions, arch, features, module, version, kernel, path, loadOrder, objects };
}

/** What a diagnostic needs to tell of a place. */
export type Placer = Pick<RuleContext, "file" | "functions" | "path">;

/** A place in a section for a diagnostic: in code with the function that it is in. */
export function placeIn(placer: Placer, section: number, offset: number): Place {
  const { sections } = placer.file;
  if (sections.hasFlags(section, SHF_EXECINSTR)) return namedPlaceIn(placer, section, offset);
  return { file: placer.path, section: printable(sections.name(section)), offset };
}

/** As {@link placeIn}, in data with the symbol that it is in, too. */
export function namedPlaceIn({ file, functions, path }: Placer, section: number, offset: number): Place {
  const at = { file: path, section: printable(file.sections.name(section)), offset };
  const owner = functions.at(section, offset);
  return owner === null ? at : { ...at, function: { name: printable(owner.name), offset: offset - owner.start } };
}
