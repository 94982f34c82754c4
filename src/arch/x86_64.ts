// x86-64 (arch/x86/kernel/module.c).

import { EM_X86_64 } from "../elf/consts.ts";
import { NO_FEATURES, relocTable } from "../reloc/def.ts";
import { R_X86_64_64 } from "../reloc/numbers.ts";
import { x86_64 as relocs, x86_64OtherNames } from "../reloc/x86_64.ts";
import { x86_64Loader } from "../stubs/x86_64.ts";
import type { Arch } from "./arch.ts";

export const x86_64: Arch = {
  machine: EM_X86_64,
  name: "x86_64",
  absolute: R_X86_64_64,
  relocs: relocTable(relocs, x86_64OtherNames),
  unknownRelocation: (module, type) => `module: ${module}: Unknown rela relocation: ${type}`,
  hasToc: false,
  instructionBytes: null,
  features: () => NO_FEATURES,
  loader: () => x86_64Loader,
  // text_poke since 5.8 (88fc078a7a8f); before, the module's memory was made writable for that time.
  lateWrites: null,
  moduleBase: 0xffff_ffff_c000_0000n,
  beforeKernel: null,
  percpuBase: 0x4_0000n,
  pageSize: 0x1000,
  pageSizes: [0x1000],
  relativeExports: true,
  extableEntry: 12,
};
