// AArch64, little-endian (arch/arm64/kernel/module.c).

import { elfMachines } from "../elf/machine.ts";
import { arm64Sites } from "../ftrace/arm64.ts";
import { kernelMachines } from "../kernel/machines.ts";
import { arm64OtherNames, arm64Prefix, arm64 as relocs } from "../reloc/arm64.ts";
import { NO_FEATURES, relocTable } from "../reloc/def.ts";
import { R_AARCH64_ABS64 } from "../reloc/numbers.ts";
import { arm64Loader } from "../stubs/arm64.ts";
import type { Arch } from "./arch.ts";
import { arm64Code } from "./code/arm64.ts";
import { relative, specialSections, walked } from "./specialSections.ts";

export const arm64: Arch = {
  ...elfMachines.arm64,
  ...kernelMachines.arm64,
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
  objtool: null,
  moduleBase: 0xffff_8000_7800_0000n,
  beforeKernel: 0x400_0000n,
  percpuBase: null,
  pageSize: 0x1000,
  pageSizes: [0x1000, 0x1_0000],
  specialSections: specialSections(
    {
      bugs: [],
      // struct exception_table_entry {s32 insn, s32 fixup}, and a type since 5.16.
      extable: [
        relative(8, [0, 4], { until: "arm64ExtableType" }),
        relative(12, [0, 4], { since: "arm64ExtableType" }),
      ],
      // struct alt_instr, packed.
      more: [[".altinstructions", walked([relative(12, [0, 4])])]],
    },
    kernelMachines.arm64,
  ),
  wantsZeros: false,
  biased: new Set(),
  branches: null,
  jumpLabel: { size: 4, short: [] },
  sites: arm64Sites,
  extableEntry: 12,
  code: arm64Code,
};
