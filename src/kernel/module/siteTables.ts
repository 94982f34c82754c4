// Which sections ftrace takes as tables of its patch sites: the one answer for all that read, check or sort them.

import { EM_AARCH64, EM_PPC64, EM_X86_64 } from "../../elf/consts.ts";

/** Sections in which compilers list places at function entries: profiling calls, nops in their place, or padding. */
export const entryTables = ["__mcount_loc", "__patchable_function_entries"] as const;
export type EntryTable = (typeof entryTables)[number];

/**
 * FTRACE_CALLSITE_SECTION (include/linux/ftrace.h, 6.1 to 7.2). arm64 and ppc64le have one or the other, as the kernel was configured. On
 * x86_64 -fpatchable-function-entry=16,16 makes padding in front of functions (CONFIG_CALL_PADDING, since 6.2): a function without a
 * profiling call has it too, and no part of the kernel reads its list.
 */
const rows: ReadonlyMap<number, readonly EntryTable[]> = new Map<number, readonly EntryTable[]>([
  [EM_X86_64, ["__mcount_loc"]],
  [EM_AARCH64, entryTables],
  [EM_PPC64, entryTables],
]);

/** Names of the sections that ftrace reads in a module of this e_machine; none if its sites are not known. */
export const siteTablesOf = (machine: number): readonly EntryTable[] => rows.get(machine) ?? [];

/** Whether a section lists places at function entries, but ftrace does not read it on this machine. */
export const isPaddingTable = (name: string, machine: number): boolean => {
  const table = entryTables.find((t) => t === name);
  return table !== undefined && rows.has(machine) && !siteTablesOf(machine).includes(table);
};
