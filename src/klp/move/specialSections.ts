// Sections that the kernel reads as tables of its own while a module loads.

import { EM_AARCH64, EM_PPC64, EM_X86_64 } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { isPaddingTable } from "../../kernel/module/siteTables.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { hasFact, type VersionFact } from "../../kernel/versionFacts.ts";
import type { RelocTable } from "../../reloc/def.ts";

/** One form of a table's entries. */
interface EntryForm {
  /** Bytes. */
  readonly entry: number;
  /** Offsets of the fields that relocations fill, bytes; each entry has one at the first of them. */
  readonly fields: readonly number[];
  /** Bytes that the relocation of the first field writes: 8 for addresses, 4 for distances. */
  readonly pointer: 4 | 8;
  readonly machines: readonly number[];
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

const ALL = [EM_PPC64, EM_X86_64, EM_AARCH64] as const;
const relative = (entry: number, fields: readonly number[], machines: readonly number[] = ALL): EntryForm => ({
  entry,
  fields,
  pointer: 4,
  machines,
});
const absolute = (entry: number, fields: readonly number[], machines: readonly number[] = ALL): EntryForm => ({
  ...relative(entry, fields, machines),
  pointer: 8,
});
const X86 = [EM_X86_64] as const;
const ARM64 = [EM_AARCH64] as const;
const PPC64 = [EM_PPC64] as const;

const divided = (...forms: EntryForm[]): SpecialSection => ({ forms, counted: "divided", isReadEarly: true });
const walked = (...forms: EntryForm[]): SpecialSection => ({ forms, counted: "walked", isReadEarly: true });
/** Places in code, each a distance. */
const SITES = walked(relative(4, [0], X86));
/** struct fixup_entry: mask, value, four distances (asm/feature-fixups.h). */
const FEATURES = walked(absolute(48, [16, 24, 32, 40], PPC64));
const WORDS = walked(absolute(8, [0], PPC64));

/** The table that the kernel reads from a section of this name on a machine (e_machine); null if it is not one. */
export const specialSection = (name: string, machine: number): SpecialSection | null =>
  isPaddingTable(name, machine) ? null : (specialSections.get(name) ?? null);

/** By name; 4.15 to 7.2. */
const specialSections: ReadonlyMap<string, SpecialSection> = new Map<string, SpecialSection>([
  // struct jump_entry (linux/jump_label.h): three addresses, or code and target as distances and a longer one to the key.
  ["__jump_table", divided(relative(16, [0, 4, 8]), absolute(24, [0, 8, 16]))],
  // struct static_call_site {s32 addr, s32 key}.
  [".static_call_sites", divided(relative(8, [0, 4]))],
  // struct bug_entry (asm-generic/bug.h), without and with CONFIG_DEBUG_BUGVERBOSE; x86_64 has a format besides since 6.19.
  [
    "__bug_table",
    divided(
      relative(8, [0]),
      relative(12, [0, 4]),
      { ...relative(16, [0, 4, 8], X86), since: "x86BugFormat" },
      absolute(16, [0], PPC64),
      absolute(24, [0, 8], PPC64),
    ),
  ],
  // struct exception_table_entry {s32 insn, s32 fixup}; x86_64 has a handler or a type besides, arm64 a type since 5.16.
  [
    "__ex_table",
    divided(
      relative(8, [0, 4], PPC64),
      relative(12, [0, 4, 8], X86),
      { ...relative(8, [0, 4], ARM64), until: "arm64ExtableType" },
      { ...relative(12, [0, 4], ARM64), since: "arm64ExtableType" },
    ),
  ],
  // struct alt_instr, packed: on x86_64 a byte for padding was dropped in 5.13, and two for flags were added in 6.3.
  [
    ".altinstructions",
    walked(
      relative(12, [0, 4], ARM64),
      { ...relative(13, [0, 4], X86), until: "x86AltUnpadded" },
      { ...relative(12, [0, 4], X86), since: "x86AltUnpadded", until: "x86AltFlags" },
      { ...relative(14, [0, 4], X86), since: "x86AltFlags" },
    ),
  ],
  [".parainstructions", { isReadEarly: true }],
  [".retpoline_sites", SITES],
  [".return_sites", SITES],
  [".call_sites", SITES],
  [".ibt_endbr_seal", SITES],
  [".cfi_sites", SITES],
  [".smp_locks", SITES],
  [".orc_unwind_ip", divided(relative(4, [0], X86))],
  [".orc_unwind", divided(relative(6, [], X86))],
  ["__mcount_loc", divided(absolute(8, [0]))],
  ["__patchable_function_entries", divided(absolute(8, [0]))],
  ["__tracepoints_ptrs", divided(relative(4, [0]), absolute(8, [0]))],
  ["__ftr_fixup", FEATURES],
  ["__mmu_ftr_fixup", FEATURES],
  ["__fw_ftr_fixup", FEATURES],
  ["__lwsync_fixup", WORDS],
  ["__spec_barrier_fixup", WORDS],
  // struct kernel_param (linux/moduleparam.h).
  ["__param", divided(absolute(40, [0, 8, 16, 32]))],
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
  relocs: RelocTable,
  version: KernelVersion | null,
): readonly number[] {
  const { sections, header } = file;
  const forms = specialSection(sections.name(section), header.machine)?.forms ?? [];
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
  let possible = forms.filter((f) => f.machines.includes(header.machine));
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
