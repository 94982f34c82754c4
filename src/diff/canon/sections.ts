// What kind of content a section of a kernel object has, as far as comparing and extracting go.

import type { CodeTraits } from "../../arch/code/code.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_NOTE, SHT_PROGBITS } from "../../elf/consts.ts";
import type { SectionTable } from "../../elf/views/sections.ts";

const SHF_MERGE = 0x10;
const SHF_STRINGS = 0x20;

/**
 * - `ignored`: never compared: rebuilt by tools, or without effect in a livepatch.
 * - `strings`, `constants`: the linker merges equal content, so only content counts.
 * - `table`: entries belong to functions.
 * - `pieces`: code that tables refer to, without names.
 * - `toc`: ppc64le's addresses, looked through.
 */
export type SectionKind = "ignored" | "strings" | "constants" | "text" | "data" | "table" | "pieces" | "toc";

/** Sections with content that is loaded and still says nothing of what the code does. */
const WITHOUT_EFFECT =
  /^(?:\.discard\b|\.llvm|\.modinfo$|\.comment$|\.note|\.gnu\.|\.orc_|\.eh_frame|\.sframe|\.debug|\.BTF|___?ksymtab|__ksymtab|___?kstrtab|__kcrctab|___?kcrctab|__kflagstab|\.export_symbol|\.no_trim_symbol|__mcount_loc$|__patchable_function_entries$|\.initcall|\.exitcall|\.printk_index$|\.klplink|\.kpatch|\.ARM\.|__versions$|\.ctors|\.init_array|\.fini_array|\.stack|__param$)/;

/** Code of table entries: x86_64's and arm64's alternatives, ppc64le's feature fix-ups, old fix-up code. */
const PIECES = /^(?:\.altinstr_replacement|\.altinstr_aux|\.fixup|__ftr_alt_\w+)$/;

/** What a section lists that names places where the kernel writes a constant into its code; null: it lists none. */
export function runtimeSection(name: string): { readonly isPointer: boolean; readonly variable: string } | null {
  const [, kind, variable] = /^runtime_(ptr|shift|mask)_(.+)$/.exec(name) ?? [];
  return variable === undefined ? null : { isPointer: kind === "ptr", variable };
}

/** More than any section of an object is aligned to, bytes. */
const MOST_ALIGNMENT = 0x1_0000;

/** What a section is aligned to, bytes; 1 where it states what nothing is aligned to. */
export function alignmentOf(sections: SectionTable, index: number): number {
  const stated = sections.addralign(index);
  return stated > 1 && stated <= MOST_ALIGNMENT && Number.isInteger(Math.log2(stated)) ? stated : 1;
}

/** The kinds of all sections, by index. */
export function sectionKinds(sections: SectionTable, traits: CodeTraits): readonly SectionKind[] {
  const tables = new Set(
    traits.tables.flatMap((t) => [t.section, ...(t.beside === undefined ? [] : [t.beside.section])]),
  );
  const kinds: SectionKind[] = [];
  for (let i = 0; i < sections.count; i++) kinds.push(kindOf(sections, i, tables, traits));
  return kinds;
}

function kindOf(sections: SectionTable, i: number, tables: ReadonlySet<string>, traits: CodeTraits): SectionKind {
  const name = sections.name(i);
  const type = sections.type(i);
  if (
    type === SHT_NOTE ||
    !sections.hasFlags(i, SHF_ALLOC) ||
    WITHOUT_EFFECT.test(name) ||
    runtimeSection(name) !== null
  ) {
    // ppc64le marks the code of fix-ups as not executable, but it is loaded.
    return "ignored";
  }
  if (type !== SHT_PROGBITS && type !== SHT_NOBITS && type !== 0x7000_0001) return "ignored";
  if (traits.tocTypes.size > 0 && name === ".toc") return "toc";
  if (tables.has(name)) return "table";
  if (PIECES.test(name)) return "pieces";
  if (sections.hasFlags(i, SHF_MERGE)) return sections.hasFlags(i, SHF_STRINGS) ? "strings" : "constants";
  return sections.hasFlags(i, SHF_EXECINSTR) ? "text" : "data";
}

/** Code or data that is gone once the kernel, or the module, has started, or that is never there. */
export const isInitSection = (name: string): boolean => /^\.(?:init|exit|meminit|memexit)\b/.test(name);

/**
 * The name of what a section of `-ffunction-sections` and `-fdata-sections` holds; null for one that several share.
 * Sections with two dots, as `.data..read_mostly`, are shared.
 */
export function bundledName(section: string): string | null {
  const match =
    /^\.(?:text\.unlikely|text\.hot|text\.startup|text\.exit|text|data\.rel\.ro\.local|data\.rel\.local|data\.rel\.ro|data\.rel|data|rodata|bss|sdata|sbss)\.(?!\.)(.+)$/.exec(
      section,
    );
  return match?.[1] ?? null;
}
