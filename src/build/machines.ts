// How the kernel's makefiles name each architecture, and what they are called with.

import type { ArchName } from "../base/archName.ts";
import { kernelMachines } from "../kernel/machines.ts";

export interface MakeMachine {
  /** ARCH, and its folder below arch/. */
  readonly arch: string;
  readonly folder: string;
  /** The option of configurations for it. */
  readonly option: string;
  /** Prefix of Debian's cross compilers, and of most others. */
  readonly cross: string;
  /** Node's name of it (process.arch): on such a host no prefix is needed. */
  readonly host: string;
  /** Folders of other architectures whose files it takes. */
  readonly borrows: readonly string[];
  /** Whether the kernel's build runs objtool, which is compiled with libelf: x86 in all versions, powerpc since 6.2 (--mcount). */
  readonly hasObjtool: boolean;
  /** What modules are linked with beside what modules_prepare makes. */
  readonly extra: readonly string[];
  /** Whether modules of kernels with link-time optimisation are compared as a whole: so far where a kernel was seen to run the result. */
  readonly hasLinkedModules: boolean;
  /** Flags beside the common ones, unless an option that is named is set. */
  readonly flags: readonly { readonly flag: string; readonly unless: string }[];
}

export const makeMachines: Readonly<Record<ArchName, MakeMachine>> = {
  ppc64le: {
    arch: "powerpc",
    folder: "powerpc",
    option: kernelMachines.ppc64le.option,
    cross: "powerpc64le-linux-gnu-",
    host: "ppc64",
    borrows: [],
    hasObjtool: true,
    extra: ["arch/powerpc/lib/crtsavres.o"],
    hasLinkedModules: false,
    // The kernel's own data is out of reach of 32-bit distances to the TOC in a module. Modules are compiled so anyway.
    flags: [{ flag: "-mcmodel=large", unless: "CONFIG_PPC_KERNEL_PCREL" }],
  },
  arm64: {
    arch: "arm64",
    folder: "arm64",
    option: kernelMachines.arm64.option,
    cross: "aarch64-linux-gnu-",
    host: "arm64",
    borrows: ["arm"],
    hasObjtool: false,
    extra: [],
    hasLinkedModules: false,
    flags: [],
  },
  x86_64: {
    arch: "x86_64",
    folder: "x86",
    option: kernelMachines.x86_64.option,
    cross: "x86_64-linux-gnu-",
    host: "x64",
    borrows: ["um"],
    hasObjtool: true,
    extra: [],
    hasLinkedModules: true,
    flags: [],
  },
};

/** A section for each function and variable: a change stays in its own. Debug information tells lines and layouts, and is not kept. */
export const COMMON_FLAGS = ["-ffunction-sections", "-fdata-sections", "-g"] as const;

/** Folders below arch/, in any kernel since 4.15: what is not needed of them is not copied. */
export const ARCH_FOLDERS = (
  "alpha arc arm arm64 blackfin c6x cris csky frv h8300 hexagon ia64 loongarch m32r m68k metag microblaze mips mn10300 nds32 nios2 " +
  "openrisc parisc powerpc riscv s390 score sh sparc tile um unicore32 x86 xtensa"
).split(" ");
