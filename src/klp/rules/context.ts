// What a rule may ask.

import type { Arch } from "../../arch/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { Feature } from "../../reloc/def.ts";
import type { SymbolizedFile } from "../functions.ts";
import { RowSieve } from "../sieve/sieve.ts";
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
  /** The relocations that a rule has to look at. */
  readonly rows: RowSieve;
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
  const rows = new RowSieve({ file, symbols, functions, arch, features, version });
  return { file, symbols, functions, arch, features, module, version, kernel, path, loadOrder, rows, objects };
}
