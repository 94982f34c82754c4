// Sections that the kernel reads as tables of its own while a module loads: what they are made of, and those of all
// architectures. What only one of them has stands in its row.

import type { ElfFile } from "../elf/reader.ts";
import type { KernelVersion } from "../kernel/version.ts";
import { hasFact, type VersionFact } from "../kernel/versionFacts.ts";
import type { RelocTable } from "../reloc/def.ts";

/** One form of a table's entries. */
export interface EntryForm {
  /** Bytes. */
  readonly entry: number;
  /** Offsets of the fields that relocations fill, bytes; each entry has one at the first of them. */
  readonly fields: readonly number[];
  /** Bytes that the relocation of the first field writes: 8 for addresses, 4 for distances. */
  readonly pointer: 4 | 8;
  /** What kernels with it have, and what those do not have that still know it; absent: all do. */
  readonly since?: VersionFact;
  readonly until?: VersionFact;
}

/** A table of entries. */
export interface SpecialSection {
  /** Forms of its entries; absent: not known, or not of one size. */
  readonly forms?: readonly EntryForm[];
  /** How the kernel finds the table's end: it divides the size by an entry's, or goes on while an entry begins before the end. */
  readonly counted?: "divided" | "walked";
  /** Read before relocations that wait for a module are applied: they come too late. */
  readonly isReadEarly: boolean;
}

/** By name. */
export type SpecialSections = ReadonlyMap<string, SpecialSection>;

/** An entry of distances. @param more the versions that have it */
export const relative = (
  entry: number,
  fields: readonly number[],
  more: Pick<EntryForm, "since" | "until"> = {},
): EntryForm => ({ entry, fields, pointer: 4, ...more });
/** An entry of addresses. */
export const absolute = (entry: number, fields: readonly number[]): EntryForm => ({ entry, fields, pointer: 8 });

export const divided = (forms: readonly EntryForm[]): SpecialSection => ({
  forms,
  counted: "divided",
  isReadEarly: true,
});
export const walked = (forms: readonly EntryForm[]): SpecialSection => ({
  forms,
  counted: "walked",
  isReadEarly: true,
});

/** What one architecture has in its own form. */
export interface OwnSections {
  /** struct bug_entry (asm-generic/bug.h), beside the forms with distances, without and with CONFIG_DEBUG_BUGVERBOSE. */
  readonly bugs: readonly EntryForm[];
  /** struct exception_table_entry (asm/extable.h). */
  readonly extable: readonly EntryForm[];
  /** Tables that no other architecture has, by name. */
  readonly more: readonly (readonly [string, SpecialSection])[];
}

/** The tables of an architecture; 4.15 to 7.2. @param siteTables those that ftrace reads */
export const specialSections = (
  { bugs, extable, more }: OwnSections,
  { siteTables }: { readonly siteTables: readonly string[] },
): SpecialSections =>
  new Map<string, SpecialSection>([
    // struct jump_entry (linux/jump_label.h): three addresses, or code and target as distances and a longer one to the key.
    ["__jump_table", divided([relative(16, [0, 4, 8]), absolute(24, [0, 8, 16])])],
    // struct static_call_site {s32 addr, s32 key}.
    [".static_call_sites", divided([relative(8, [0, 4])])],
    ["__bug_table", divided([relative(8, [0]), relative(12, [0, 4]), ...bugs])],
    ["__ex_table", divided(extable)],
    ...siteTables.map((name) => [name, divided([absolute(8, [0])])] as const),
    ["__tracepoints_ptrs", divided([relative(4, [0]), absolute(8, [0])])],
    // struct kernel_param (linux/moduleparam.h).
    ["__param", divided([absolute(40, [0, 8, 16, 32])])],
    ...more,
  ]);

const isIn = ({ since, until }: EntryForm, version: KernelVersion): boolean =>
  (since === undefined || hasFact(version, since)) && (until === undefined || !hasFact(version, until));

/**
 * Bytes of an entry of a special section, as its relocations tell, and where they do not, the kernel's version.
 * @returns every size that is possible; empty if nothing is known of it
 */
export function entrySizes(
  file: ElfFile,
  section: number,
  { relocs, specialSections }: { readonly relocs: RelocTable; readonly specialSections: SpecialSections },
  version: KernelVersion | null,
): readonly number[] {
  const { sections } = file;
  const forms = specialSections.get(sections.name(section))?.forms ?? [];
  const size = sections.size(section);
  /** By offset: bytes that a relocation writes there. */
  const written = new Map<number, number>();
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const bytes = relocs.defs.get(table.type(row))?.bytes ?? 0;
      if (bytes > 0) written.set(table.offset(row), bytes);
    }
  }
  const fits = ({ entry, fields, pointer }: EntryForm): boolean => {
    const owner = fields[0];
    if (owner === undefined) return true;
    for (let at = owner; at + entry - owner <= size; at += entry) if (written.get(at) !== pointer) return false;
    return [...written.keys()].every((at) => fields.includes(at % entry));
  };
  let possible = forms;
  const narrow = (keeps: (form: EntryForm) => boolean): void => {
    const kept = possible.filter(keeps);
    if (kept.length > 0) possible = kept;
  };
  if (written.size > 0) {
    // Of a spoiled table, at least whether it holds addresses or distances.
    narrow(
      (f) =>
        f.fields.length === 0 ||
        [...written].some(([at, bytes]) => at % f.entry === f.fields[0] && bytes === f.pointer),
    );
    narrow(fits);
  }
  if (version !== null) narrow((f) => isIn(f, version));
  return [...new Set(possible.map((f) => f.entry))];
}
