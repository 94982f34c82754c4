// Licences as the loader takes them, and what a module inherits from those whose exports it uses (kernel/module/main.c).

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Kernel } from "../kernel.ts";
import type { Export } from "../symbols/exports.ts";
import type { KernelVersion } from "../version.ts";
import { hasFact } from "../versionFacts.ts";

/** Licences that the kernel takes as compatible with the GPL (license_is_gpl_compatible, include/linux/license.h). */
const GPL = new Set(["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"]);

export const isGplCompatible = (license: string): boolean => GPL.has(license);

/** What {@link InheritedTaint} needs to know. */
interface TaintContext {
  readonly kernel: Kernel | null;
  readonly module: string;
  readonly version: KernelVersion | null;
  /** Name of the file for messages. */
  readonly path: string;
}

/** What inherit_taint makes of a module that uses exports of proprietary modules; asked in the order of the symbol table. */
export class InheritedTaint {
  readonly #context: TaintContext;
  readonly #isOn: boolean;
  /** The first export of a proprietary module that is used, and the first one for GPL-compatible modules only. */
  #proprietary: { readonly symbol: string; readonly owner: string; readonly license: string } | null = null;
  #gplOnly: string | null = null;

  constructor(context: TaintContext, isGpl: boolean) {
    this.#context = context;
    // A module that is proprietary of itself is shown no such symbol, and says so otherwise.
    this.#isOn = isGpl && hasFact(context.version, "inheritsTaint");
  }

  /** Null: nothing against this one. Empty: the loader does not find it, but it may be missing. */
  meet(exported: Export, mayMiss: boolean, loadOrder: readonly number[]): Problem[] | null {
    if (!this.#isOn) return null;
    const { kernel, module, path } = this.#context;
    const symbol = printable(exported.name);
    const owner = kernel?.modules.get(exported.owner)?.modInfo ?? null;
    const license = owner === null ? null : (owner.get("license") ?? "unspecified");
    const isProprietary = license !== null && !isGplCompatible(license);
    const refuse = (data: Parameters<typeof problem<"KLP465">>[2]): Problem[] =>
      mayMiss ? [] : [problem("KLP465", { file: path }, data, { loadOrder })];
    if (exported.gplOnly === true) {
      if (this.#proprietary !== null)
        return refuse({ module, ...this.#proprietary, gplOnly: symbol, first: "proprietary" });
      this.#gplOnly ??= symbol;
    }
    if (!isProprietary) return null;
    const used = { symbol, owner: printable(exported.owner), license: printable(license) };
    if (this.#gplOnly !== null) return refuse({ module, ...used, gplOnly: this.#gplOnly, first: "gplOnly" });
    this.#proprietary ??= used;
    return null;
  }
}
