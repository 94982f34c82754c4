import { EM_AARCH64, EM_PPC64, EM_X86_64 } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { arm64, arm64OtherNames, arm64Prefix } from "../reloc/arm64.ts";
import { type Fault, type Feature, NO_FEATURES, type RelocTable, relocTable } from "../reloc/def.ts";
import { ppc64le, ppc64leOtherNames } from "../reloc/ppc64le.ts";
import { x86_64, x86_64OtherNames } from "../reloc/x86_64.ts";
import { arm64Loader } from "../stubs/arm64.ts";
import type { ArchLoader } from "../stubs/loader.ts";
import { ppc64leTocLoader } from "../stubs/ppc64le.ts";
import { ppc64leFeatures } from "../stubs/ppc64leBuild.ts";
import { ppc64lePcrelLoader } from "../stubs/ppc64lePcrel.ts";
import { x86_64Loader } from "../stubs/x86_64.ts";

/** One architecture, as the passes need it. A new one is a row here and a table in reloc/. */
export interface Arch {
  readonly machine: number;
  readonly name: string;
  readonly relocs: RelocTable;
  /** What the loader prints for a relocation type that it does not know. */
  readonly unknownRelocation: (module: string, type: number, since?: Fault["since"]) => string;
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
  /** Where modules lie when nothing else is said: the start of the kernel's module area. */
  readonly moduleBase: bigint;
  /** Bytes before the kernel's `_text` where modules lie, if they follow a kernel at a random address; null: they do not. */
  readonly beforeKernel: bigint | null;
  /** Where per-CPU addresses lie when the kernel's symbols do not tell; null: near the module. */
  readonly percpuBase: bigint | null;
  /** Bytes; the usual page size. */
  readonly pageSize: number;
  /** Whether entries of the export table hold distances, not addresses. */
  readonly relativeExports: boolean;
  /** Bytes of an exception table entry. */
  readonly extableEntry: 8 | 12;
}

const rows: readonly Arch[] = [
  {
    machine: EM_PPC64,
    name: "ppc64le",
    absolute: 38,
    relocs: relocTable(ppc64le, ppc64leOtherNames),
    unknownRelocation: (module, type) => `module_64: ${module}: Unknown ADD relocation: ${type}`,
    hasToc: true,
    instructionBytes: 4,
    features: ppc64leFeatures,
    loader: (features) => (features.has("pcrel") ? ppc64lePcrelLoader : ppc64leTocLoader),
    moduleBase: 0xc008_0000_0000_0000n,
    beforeKernel: null,
    percpuBase: null,
    pageSize: 0x1_0000,
    relativeExports: false,
    extableEntry: 8,
  },
  {
    machine: EM_AARCH64,
    name: "arm64",
    absolute: 257,
    relocs: relocTable(arm64, arm64OtherNames),
    unknownRelocation: (module, type, since = () => true) =>
      `${arm64Prefix(since)}module ${module}: unsupported RELA relocation: ${type}`,
    hasToc: false,
    instructionBytes: 4,
    features: () => NO_FEATURES,
    loader: () => arm64Loader,
    moduleBase: 0xffff_8000_7800_0000n,
    beforeKernel: 0x400_0000n,
    percpuBase: null,
    pageSize: 0x1000,
    relativeExports: true,
    extableEntry: 12,
  },
  {
    machine: EM_X86_64,
    name: "x86_64",
    absolute: 1,
    relocs: relocTable(x86_64, x86_64OtherNames),
    unknownRelocation: (module, type) => `module: ${module}: Unknown rela relocation: ${type}`,
    hasToc: false,
    instructionBytes: null,
    features: () => NO_FEATURES,
    loader: () => x86_64Loader,
    moduleBase: 0xffff_ffff_c000_0000n,
    beforeKernel: null,
    percpuBase: 0x4_0000n,
    pageSize: 0x1000,
    relativeExports: true,
    extableEntry: 12,
  },
];

/** The row of an e_machine; null if klplink does not link it. */
export function findArch(machine: number): Arch | null {
  return rows.find((row) => row.machine === machine) ?? null;
}

/** The row of an architecture's name; null if there is none. */
export function findArchByName(name: string): Arch | null {
  return rows.find((row) => row.name === name) ?? null;
}
