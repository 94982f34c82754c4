// AArch64, little-endian (arch/arm64/kernel/module.c).

import { EM_AARCH64 } from "../elf/consts.ts";
import { arm64OtherNames, arm64Prefix, arm64 as relocs } from "../reloc/arm64.ts";
import { NO_FEATURES, relocTable } from "../reloc/def.ts";
import { R_AARCH64_ABS64 } from "../reloc/numbers.ts";
import { arm64Loader } from "../stubs/arm64.ts";
import type { Arch } from "./arch.ts";

export const arm64: Arch = {
  machine: EM_AARCH64,
  name: "arm64",
  absolute: R_AARCH64_ABS64,
  relocs: relocTable(relocs, arm64OtherNames),
  unknownRelocation: (module, type, has = () => true) =>
    `${arm64Prefix(has)}module ${module}: unsupported RELA relocation: ${type}`,
  hasToc: false,
  instructionBytes: 4,
  features: () => NO_FEATURES,
  loader: () => arm64Loader,
  // WRITE_PLACE (module.c), aarch64_insn_copy (patching.c); the oops: die_kernel_fault (mm/fault.c).
  lateWrites: {
    readOnlySince: null,
    types: null,
    since: "arm64LateWrites",
    align: 4,
    oops: "Unable to handle kernel write to read-only memory at virtual address ADDRESS",
  },
  moduleBase: 0xffff_8000_7800_0000n,
  beforeKernel: 0x400_0000n,
  percpuBase: null,
  pageSize: 0x1000,
  pageSizes: [0x1000, 0x1_0000],
  relativeExports: true,
  extableEntry: 12,
};
