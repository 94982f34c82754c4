// 64-bit PowerPC, little-endian, ELFv2 (arch/powerpc/kernel/module_64.c).

import { EM_PPC64 } from "../elf/consts.ts";
import { relocTable } from "../reloc/def.ts";
import { R_PPC64_ADDR64 } from "../reloc/numbers.ts";
import { ppc64leOtherNames, ppc64le as relocs } from "../reloc/ppc64le.ts";
import { ppc64leTocLoader } from "../stubs/ppc64le.ts";
import { ppc64leFeatures } from "../stubs/ppc64leBuild.ts";
import { ppc64lePcrelLoader } from "../stubs/ppc64lePcrel.ts";
import type { Arch } from "./arch.ts";

export const ppc64le: Arch = {
  machine: EM_PPC64,
  name: "ppc64le",
  absolute: R_PPC64_ADDR64,
  relocs: relocTable(relocs, ppc64leOtherNames),
  unknownRelocation: (module, type) => `module_64: ${module}: Unknown ADD relocation: ${type}`,
  hasToc: true,
  instructionBytes: 4,
  features: ppc64leFeatures,
  loader: (features) => (features.has("pcrel") ? ppc64lePcrelLoader : ppc64leTocLoader),
  moduleBase: 0xc008_0000_0000_0000n,
  beforeKernel: null,
  percpuBase: null,
  pageSize: 0x1_0000,
  pageSizes: [0x1000, 0x1_0000],
  relativeExports: false,
  extableEntry: 8,
};
