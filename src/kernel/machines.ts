// What kernels of each architecture have of their own, as far as files about a kernel and modules are read by it.

import type { ArchName } from "../base/archName.ts";
import { archNameOf, elfMachines } from "../elf/machine.ts";
import type { KernelConfig } from "./config.ts";
import type { SymbolList } from "./symbols/symbolList.ts";

/** A file of the kernel or of one of its modules, and its e_machine. */
export interface MachineOf {
  readonly source: string;
  readonly machine: number;
}

/** Sections in which compilers list places at function entries: profiling calls, nops in their place, or padding. */
export const entryTables = ["__mcount_loc", "__patchable_function_entries"] as const;
export type EntryTable = (typeof entryTables)[number];

export interface KernelMachine {
  /** The option that its configurations have set. */
  readonly option: string;
  /** Where a kernel's text is linked and runs: [from, to). */
  readonly text: { readonly from: bigint; readonly to: bigint };
  /** Whether a module's sections called `.init…` are freed after init: module_init_section, constantly false on powerpc. */
  readonly freesInit: boolean;
  /** Whether entries of the export table hold 32-bit distances (HAVE_ARCH_PREL32_RELOCATIONS), not pointers. */
  readonly relativeExports: boolean;
  /** The sections that ftrace takes as tables of its patch sites: FTRACE_CALLSITE_SECTION (include/linux/ftrace.h, 6.1 to 7.2). */
  readonly siteTables: readonly EntryTable[];
  /** Bytes that a record of ftrace covers when one is looked up: MCOUNT_INSN_SIZE. */
  readonly siteSize: 4 | 5;
  /** Bytes of a page, and of struct dyn_ftrace in it, in all its builds. */
  readonly sitePages: readonly { readonly page: number; readonly record: number }[];
  /** Whether an entry of a site table may name nops in front of its function (DYNAMIC_FTRACE_WITH_CALL_OPS). */
  readonly listsBeforeFunctions: boolean;
  /** Whether its livepatch core has a stack of its own (livepatch_handler). */
  readonly hasLivepatchStack: boolean;
  /** A symbol of kernels with landing pads (CONFIG_X86_KERNEL_IBT) alone; null: none have them. */
  readonly landingPadMark: string | null;
  /** Whether there may be bytes in front of functions, marked by `__pfx_NAME` (CONFIG_CALL_PADDING). */
  readonly padsFunctions: boolean;
  /** Symbols of kernels with a TOC, and of those without; null: none have one. */
  readonly tocMarks: { readonly toc: readonly string[]; readonly pcrel: readonly string[] } | null;
}

export const kernelMachines: Readonly<Record<ArchName, KernelMachine>> = {
  ppc64le: {
    option: "CONFIG_PPC64",
    // PAGE_OFFSET, the linear mapping.
    text: { from: 0xc000_0000_0000_0000n, to: 0xd000_0000_0000_0000n },
    freesInit: false,
    relativeExports: false,
    siteTables: entryTables,
    siteSize: 4,
    // With a pointer to the module until 6.13.
    sitePages: [4096, 65536].flatMap((page) => [16, 24].map((record) => ({ page, record }))),
    listsBeforeFunctions: false,
    hasLivepatchStack: true,
    landingPadMark: null,
    padsFunctions: false,
    tocMarks: { toc: [".TOC.", "p_toc"], pcrel: ["relative_toc"] },
  },
  arm64: {
    option: "CONFIG_ARM64",
    // KIMAGE_VADDR with 36 to 52 bits of virtual addresses.
    text: { from: 0xfff0_0000_0000_0000n, to: 0xffff_ffff_8000_0000n },
    freesInit: true,
    relativeExports: true,
    siteTables: entryTables,
    siteSize: 4,
    sitePages: [4096, 16384, 65536].map((page) => ({ page, record: 16 })),
    listsBeforeFunctions: true,
    hasLivepatchStack: false,
    landingPadMark: null,
    padsFunctions: false,
    tocMarks: null,
  },
  x86_64: {
    option: "CONFIG_X86_64",
    // __START_KERNEL_map and the 1 GiB that a kernel at a random address stays in (Documentation/arch/x86/x86_64/mm.rst).
    text: { from: 0xffff_ffff_8000_0000n, to: 0xffff_ffff_c000_0000n },
    freesInit: true,
    relativeExports: true,
    // -fpatchable-function-entry=16,16 makes padding in front of functions (CONFIG_CALL_PADDING, since 6.2): a function
    // without a profiling call has it too, and no part of the kernel reads its list.
    siteTables: ["__mcount_loc"],
    siteSize: 5,
    sitePages: [{ page: 4096, record: 16 }],
    listsBeforeFunctions: false,
    hasLivepatchStack: false,
    landingPadMark: "ibt_save",
    padsFunctions: true,
    tocMarks: null,
  },
};

/** The row of an e_machine; null if klplink knows no kernel of it. */
export function findKernelMachine(machine: number): KernelMachine | null {
  const name = archNameOf(machine);
  return name === null ? null : kernelMachines[name];
}

/** e_machine of the kernel that a symbol list is of, by the address of its text; null if that does not tell. */
export function machineOfList(list: SymbolList): number | null {
  const start = (list.find("_stext")[0] ?? list.find("_text")[0])?.address ?? 0n;
  const row = (Object.keys(kernelMachines) as ArchName[]).find(
    (name) => start >= kernelMachines[name].text.from && start < kernelMachines[name].text.to,
  );
  return row === undefined ? null : elfMachines[row].machine;
}

/** e_machine of the kernel that a configuration is of; null if that is none that is known here, or big-endian. */
export function machineOfConfig(options: KernelConfig): number | null {
  if (options.has("CONFIG_CPU_BIG_ENDIAN")) return null;
  const names = (Object.keys(kernelMachines) as ArchName[]).filter((name) => options.has(kernelMachines[name].option));
  const [only] = names;
  return only === undefined || names.length > 1 ? null : elfMachines[only].machine;
}

/** Names of the sections that ftrace reads in a module of this e_machine; none if its sites are not known. */
export const siteTablesOf = (machine: number): readonly EntryTable[] => findKernelMachine(machine)?.siteTables ?? [];

/** Whether memory of a section of this name is freed after init, in a module of this e_machine. */
export const isFreedInit = (name: string, machine: number): boolean =>
  name.startsWith(".init") && findKernelMachine(machine)?.freesInit !== false;
