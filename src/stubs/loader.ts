// What an architecture's module loader does around the relocations: sections that it sizes itself, relocations that it
// sorts, code that it writes.

import type { LoaderFault } from "../diag/codes/relocations.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { HasFact } from "../kernel/versionFacts.ts";
import type { Feature, RelocTable } from "../reloc/def.ts";
import type { Finding, RelocMachine, Space } from "../reloc/engine.ts";

/** What the loader knows from the running kernel and its configuration. */
export interface LoaderFacts {
  readonly module: string;
  readonly version: KernelVersion | null;
  readonly has: HasFact;
  /** How the kernel is built. */
  readonly features: ReadonlySet<Feature>;
  /** CONFIG_SMP: per-CPU data has an area of its own. */
  readonly isSmp: boolean;
  /** Addresses of the functions that traced calls go to, null where the kernel has none (or they are not known). */
  readonly ftraceCaller: bigint | null;
  readonly ftraceRegsCaller: bigint | null;
  /** CONFIG_DYNAMIC_FTRACE, and _WITH_REGS: whether the loader makes room for them. */
  readonly hasFtrace: boolean;
  readonly hasFtraceRegs: boolean;
  /** ppc64le: the kernel's own TOC base, null if it is not known. */
  readonly kernelToc: bigint | null;
  /** ppc64le without a TOC: address of the kernel's first byte (_stext), null if it is not known. */
  readonly kernelBase: bigint | null;
  /** ppc64le: offset of kernel_toc, or kernelbase, in struct paca_struct (16 with CONFIG_PPC_PSERIES, else 8). */
  readonly pacaTocOffset: number;
  /** arm64: the booted CPUs have Cortex-A53 erratum 843419 and the kernel works round it. */
  readonly erratum843419: boolean;
}

/** A section header that the loader changes before it lays the module out. */
export interface SectionChange {
  readonly size?: number;
  readonly alignment?: number;
  /** The section becomes SHT_NOBITS: its bytes in the file are not used. */
  readonly nobits?: boolean;
  readonly flags?: number;
}

/** Before layout. */
export interface Preparation {
  /** Relocation section -> its rows in the order in which the loader leaves them. */
  readonly orders: ReadonlyMap<number, Uint32Array>;
  readonly changes: ReadonlyMap<number, SectionChange>;
  /** Why the loader does not go on. */
  readonly refusals: readonly LoaderFault[];
}

/** A piece of code that the loader wrote. */
export interface StubRow {
  /** Index of the section that it stands in, offset and size in bytes. */
  readonly section: number;
  readonly offset: number;
  readonly size: number;
  readonly target: bigint;
  /** The symbol that it was made for, or the name of the kernel function. */
  readonly symbol: number | string;
}

/** Bytes that cannot be known from the module and what was given about the kernel. */
export interface UnknownRange {
  readonly section: number;
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

/** ppc64le where ftrace is out of line: where the out-of-line halves of ftrace sites begin, and the stub that they call. */
export interface OutOfLine {
  readonly start: bigint;
  readonly tramp: bigint;
}

/** While relocations are applied. */
export interface ModuleLoader {
  readonly machine: RelocMachine;
  /** Known after `finish`; null: the architecture or the module has none. */
  readonly outOfLine?: OutOfLine | null;
  /** What module_finalize adds before anything else is rewritten (ftrace stubs). */
  finish(report: (finding: Finding) => void): void;
  readonly stubs: readonly StubRow[];
  readonly unknown: readonly UnknownRange[];
}

export interface ArchLoader {
  /** Undefined symbols lose a leading dot, and `TOC.` becomes absolute, with the TOC base as its value. */
  readonly dedots: boolean;
  /** An undefined symbol of this name stays at 0. */
  readonly ignoredSymbol: string | null;
  /**
   * The rows of a relocation section as this loader applies them: they are partitioned or sorted while the code that it adds is
   * counted. Null: as in the file.
   */
  order(file: ElfFile, symbols: SymbolTable, table: RelocationTable, version: KernelVersion | null): Uint32Array | null;
  prepare(file: ElfFile, symbols: SymbolTable, facts: LoaderFacts): Preparation;
  /** After layout and symbol resolution. `names` gives a symbol's name as the loader sees it. */
  begin(
    file: ElfFile,
    symbols: SymbolTable,
    relocs: RelocTable,
    space: Space,
    facts: LoaderFacts,
    preparation: Preparation,
  ): ModuleLoader;
}

/** Section by name as the loader looks for it: the last one of that name, 0 if there is none. */
export function lastByName(file: ElfFile, name: string): number {
  for (let i = file.sections.count - 1; i > 0; i--) if (file.sections.name(i) === name) return i;
  return 0;
}

/** Whether a section goes into memory that is freed, where its name alone decides (module_init_section). */
export function startsWithInit(name: string): boolean {
  return name.startsWith(".init");
}
