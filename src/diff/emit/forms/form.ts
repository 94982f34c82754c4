// The forms in which what is taken can be written: klplink's own, and those of the tools whose place klplink takes.

import type { NewObject, NewRelocation, NewSection, NewSymbol } from "../../../elf/writer/newObject.ts";
import type { KlpTarget } from "../../take/refer.ts";

/**
 * - `klplink`: ordinary relocations against names that say which livepatch symbol is meant.
 * - `kpatch`: what kpatch's create-diff-object writes (kpatch-build/kpatch-intermediate.h).
 * - `objtool`: what `objtool klp diff` writes (tools/objtool/include/objtool/klp.h, 7.2).
 */
export const DIFF_FORMS = ["klplink", "kpatch", "objtool"] as const;
export type DiffForm = (typeof DIFF_FORMS)[number];

/**
 * Tables that the kernel's objtool makes of all code of a module when that is linked (tools/objtool/check.c and orc_gen.c, 7.2): where
 * one is there already it makes none, or fails, and the module's other code would be without.
 */
const MADE_BY_OBJTOOL: ReadonlySet<string> = new Set([
  ".orc_unwind",
  ".orc_unwind_ip",
  ".return_sites",
  ".retpoline_sites",
  ".call_sites",
  ".cfi_sites",
  ".ibt_endbr_seal",
]);

/** Whether a table is left out, because a later step makes it. */
export const isMadeLater = (form: DiffForm, section: string): boolean =>
  form === "objtool" && MADE_BY_OBJTOOL.has(section);

/** A reference that the livepatch core resolves. */
export interface KlpReference {
  readonly section: NewSection;
  readonly relocation: NewRelocation;
  readonly target: KlpTarget;
}

/** All references to livepatch symbols, in the order of the sections and of the places in them. */
export function klpReferences(out: NewObject, targets: ReadonlyMap<NewSymbol, KlpTarget>): KlpReference[] {
  return out.sections.flatMap((section) =>
    [...section.relocations]
      .sort((a, b) => a.offset - b.offset)
      .flatMap((relocation) => {
        const target = relocation.symbol === null ? undefined : targets.get(relocation.symbol);
        return target === undefined ? [] : [{ section, relocation, target }];
      }),
  );
}
