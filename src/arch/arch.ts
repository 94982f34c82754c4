// What depends on the machine, as one row an architecture: a question without an answer does not compile.

import type { ArchName } from "../base/archName.ts";
import type { ElfMachine } from "../elf/machine.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SiteRules } from "../ftrace/forms.ts";
import type { KernelMachine } from "../kernel/machines.ts";
import type { HasFact, VersionFact } from "../kernel/versionFacts.ts";
import type { Feature, RelocTable } from "../reloc/def.ts";
import type { ArchLoader } from "../stubs/loader.ts";
import type { CodeTraits } from "./code/code.ts";
import type { SpecialSections } from "./specialSections.ts";

/** What a loader makes of relocations that are applied when the module's code and constants are read-only already. */
export interface LateWrites {
  /** Since when they are; null: in all kernels from 5.8 on, which apply relocations late without making memory writable for it. */
  readonly readOnlySince: VersionFact | null;
  /** Types that it writes through another mapping; null: all. */
  readonly types: ReadonlySet<number> | null;
  /** Since when it does. */
  readonly since: VersionFact;
  /** Bytes; at other addresses nothing is written, without a word. */
  readonly align: 1 | 4;
  /** What the kernel prints for a store into read-only memory. */
  readonly oops: string;
}

/** What objtool does to a module's code and tables before it is linked. */
export interface ObjtoolWork {
  /** First bytes of a function that indirect branches may reach, and symbols of kernels in which the CPU enforces them. */
  readonly landingPad: { readonly bytes: Uint8Array; readonly kernelSymbols: readonly string[] };
  /** What a function jumps to in place of a return. */
  readonly returnThunk: string;
  /** Bit of a jump label's key: the jump at the label is to become a nop. */
  readonly nopHint: number;
}

/** One architecture, as the passes need it. Each has a file here with its row; index.ts is the table. */
export interface Arch extends ElfMachine, KernelMachine {
  readonly name: ArchName;
  readonly relocs: RelocTable;
  /** What the loader prints for a relocation type that it does not know. */
  readonly unknownRelocation: (module: string, type: number, has?: HasFact) => string;
  /** Whether calls are audited for the word behind them (ELFv2: r2 is lost in an external call). */
  readonly hasToc: boolean;
  /** The 64-bit absolute relocation type: a pointer. */
  readonly absolute: number;
  /** Bytes of an instruction where all have the same size, for showing words; null otherwise. */
  readonly instructionBytes: 4 | null;
  /**
   * How the kernel is built that a module is for, as far as its loader depends on that.
   * @param has whether the kernel has a symbol of that name; null: nothing is known of the kernel
   */
  readonly features: (file: ElfFile, has: ((name: string) => boolean) | null) => ReadonlySet<Feature>;
  /** What the loader of such a kernel does around the relocations. */
  readonly loader: (features: ReadonlySet<Feature>) => ArchLoader;
  /** Null: all late relocations are written, in all kernels. */
  readonly lateWrites: LateWrites | null;
  /** Null: code of modules does not depend on objtool. */
  readonly objtool: ObjtoolWork | null;
  /** Where modules lie when nothing else is said: the start of the kernel's module area. */
  readonly moduleBase: bigint;
  /** Bytes before the kernel's `_text` where modules lie, if they follow a kernel at a random address; null: they do not. */
  readonly beforeKernel: bigint | null;
  /** Where per-CPU addresses lie when the kernel's symbols do not tell; null: near the module. */
  readonly percpuBase: bigint | null;
  /** Bytes; the usual page size. */
  readonly pageSize: number;
  /** Bytes; the smallest and the largest page size that its kernels are built with. */
  readonly pageSizes: readonly number[];
  /** Bytes of a jump label's instruction, and how its forms of two bytes begin. */
  readonly jumpLabel: { readonly size: 4 | 5; readonly short: readonly (readonly number[])[] };
  /** The sections that its kernels read as tables while a module loads. */
  readonly specialSections: SpecialSections;
  /** Whether the loader refuses a relocation whose place is not zero: it takes that for relocated already. */
  readonly wantsZeros: boolean;
  /** Types whose field ends an instruction or is followed by up to 4 bytes of it, so that the addend is 4 to 8 too low. */
  readonly biased: ReadonlySet<number>;
  /** Branches whose relocation stands at the branch itself; null: they are not told by a word. */
  readonly branches: { readonly types: ReadonlySet<number>; readonly is: (word: number) => boolean } | null;
  /** How its functions begin, and where ftrace finds its sites. */
  readonly sites: SiteRules;
  /** Bytes of an exception table entry. */
  readonly extableEntry: 8 | 12;
  /** What comparing and extracting code needs. */
  readonly code: CodeTraits;
}
