// 64-bit PowerPC, little-endian, ELFv2 (arch/powerpc/kernel/module_64.c).

import { elfMachines } from "../elf/machine.ts";
import { ppc64leSites } from "../ftrace/ppc64le.ts";
import { kernelMachines } from "../kernel/machines.ts";
import { relocTable } from "../reloc/def.ts";
import { R_PPC64_ADDR64, R_PPC64_PCREL34, R_PPC64_REL24, R_PPC64_REL24_NOTOC } from "../reloc/numbers.ts";
import { ppc64leOtherNames, ppc64le as relocs } from "../reloc/ppc64le.ts";
import { decodeBranch } from "../stubs/insn.ts";
import { ppc64leTocLoader } from "../stubs/ppc64le.ts";
import { ppc64leFeatures } from "../stubs/ppc64leBuild.ts";
import { ppc64lePcrelLoader } from "../stubs/ppc64lePcrel.ts";
import type { Arch } from "./arch.ts";
import { ppc64leCode } from "./code/ppc64le.ts";
import { absolute, relative, specialSections, walked } from "./specialSections.ts";

export const ppc64le: Arch = {
  ...elfMachines.ppc64le,
  ...kernelMachines.ppc64le,
  name: "ppc64le",
  absolute: R_PPC64_ADDR64,
  relocs: relocTable(relocs, ppc64leOtherNames),
  unknownRelocation: (module, type) => `module_64: ${module}: Unknown ADD relocation: ${type}`,
  hasToc: true,
  instructionBytes: 4,
  features: ppc64leFeatures,
  loader: (features) => (features.has("pcrel") ? ppc64lePcrelLoader : ppc64leTocLoader),
  // patch_instruction for these, a store for the others (module_64.c); the oops: __bad_page_fault (mm/fault.c).
  lateWrites: {
    readOnlySince: "ppcReadOnlyModules",
    types: new Set([R_PPC64_REL24, R_PPC64_REL24_NOTOC, R_PPC64_PCREL34]),
    since: "ppcLateCalls",
    align: 1,
    oops: "BUG: Unable to handle kernel data access on write at 0xADDRESS",
  },
  objtool: null,
  moduleBase: 0xc008_0000_0000_0000n,
  beforeKernel: null,
  percpuBase: null,
  pageSize: 0x1_0000,
  pageSizes: [0x1000, 0x1_0000],
  specialSections: specialSections(
    {
      bugs: [absolute(16, [0]), absolute(24, [0, 8])],
      // struct exception_table_entry {s32 insn, s32 fixup}.
      extable: [relative(8, [0, 4])],
      // struct fixup_entry: mask, value, four distances (asm/feature-fixups.h); places of one word.
      more: [
        ...["__ftr_fixup", "__mmu_ftr_fixup", "__fw_ftr_fixup"].map(
          (name) => [name, walked([absolute(48, [16, 24, 32, 40])])] as const,
        ),
        ...["__lwsync_fixup", "__spec_barrier_fixup"].map((name) => [name, walked([absolute(8, [0])])] as const),
      ],
    },
    kernelMachines.ppc64le,
  ),
  wantsZeros: false,
  biased: new Set(),
  branches: {
    types: new Set([R_PPC64_REL24, R_PPC64_REL24_NOTOC]),
    is: (word) => {
      const branch = decodeBranch(word);
      return branch !== null && !branch.absolute && !branch.conditional;
    },
  },
  jumpLabel: { size: 4, short: [] },
  sites: ppc64leSites,
  extableEntry: 8,
  code: ppc64leCode,
};
