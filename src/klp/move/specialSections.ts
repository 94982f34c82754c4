// Sections that the kernel reads as tables of its own while a module loads.

import { isPaddingTable } from "../../kernel/module/siteTables.ts";

/** A table of fixed-size entries. */
export interface SpecialSection {
  /** Bytes of one entry, by e_machine; absent: not known, or not fixed. */
  readonly entry?: Readonly<Record<number, number>>;
  /** Read before relocations that wait for a module are applied: they come too late. */
  readonly isReadEarly: boolean;
}

const EM_PPC64 = 21;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const all = (size: number): Readonly<Record<number, number>> => ({
  [EM_PPC64]: size,
  [EM_X86_64]: size,
  [EM_AARCH64]: size,
});

/** The table that the kernel reads from a section of this name on a machine (e_machine); null if it is not one. */
export const specialSection = (name: string, machine: number): SpecialSection | null =>
  isPaddingTable(name, machine) ? null : (specialSections.get(name) ?? null);

/** By name. Sizes: 5.x to 7.2, where they do not depend on the configuration. */
const specialSections: ReadonlyMap<string, SpecialSection> = new Map([
  // struct jump_entry with relative fields (asm/jump_label.h).
  ["__jump_table", { entry: all(16), isReadEarly: true }],
  // struct static_call_site {s32 addr, s32 key}.
  [".static_call_sites", { entry: all(8), isReadEarly: true }],
  ["__bug_table", { isReadEarly: true }],
  ["__ex_table", { entry: { [EM_PPC64]: 8, [EM_X86_64]: 12, [EM_AARCH64]: 12 }, isReadEarly: true }],
  // struct alt_instr: 14 bytes since 6.1 on x86_64.
  [".altinstructions", { entry: { [EM_AARCH64]: 12 }, isReadEarly: true }],
  [".parainstructions", { isReadEarly: true }],
  [".retpoline_sites", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".return_sites", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".call_sites", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".ibt_endbr_seal", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".smp_locks", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".orc_unwind_ip", { entry: { [EM_X86_64]: 4 }, isReadEarly: true }],
  [".orc_unwind", { entry: { [EM_X86_64]: 6 }, isReadEarly: true }],
  ["__mcount_loc", { entry: all(8), isReadEarly: true }],
  ["__patchable_function_entries", { entry: all(8), isReadEarly: true }],
  ["__tracepoints_ptrs", { isReadEarly: true }],
  ["__ftr_fixup", { entry: { [EM_PPC64]: 48 }, isReadEarly: true }],
  ["__mmu_ftr_fixup", { entry: { [EM_PPC64]: 48 }, isReadEarly: true }],
  ["__fw_ftr_fixup", { entry: { [EM_PPC64]: 48 }, isReadEarly: true }],
  ["__lwsync_fixup", { entry: { [EM_PPC64]: 8 }, isReadEarly: true }],
  ["__spec_barrier_fixup", { entry: { [EM_PPC64]: 8 }, isReadEarly: true }],
  ["__param", { entry: all(40), isReadEarly: true }],
]);
