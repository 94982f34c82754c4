// x86-64 (arch/x86/kernel/module.c).

import { elfMachines } from "../elf/machine.ts";
import { x86_64Sites } from "../ftrace/x86_64.ts";
import { kernelMachines } from "../kernel/machines.ts";
import { NO_FEATURES, relocTable } from "../reloc/def.ts";
import { R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32 } from "../reloc/numbers.ts";
import { x86_64 as relocs, x86_64OtherNames } from "../reloc/x86_64.ts";
import { x86_64Loader } from "../stubs/x86_64.ts";
import type { Arch } from "./arch.ts";
import { x86_64Code } from "./code/x86_64.ts";
import { divided, relative, specialSections, walked } from "./specialSections.ts";

export const x86_64: Arch = {
  ...elfMachines.x86_64,
  ...kernelMachines.x86_64,
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
  objtool: {
    // endbr64; ibt_save is in all kernels with CONFIG_X86_KERNEL_IBT (arch/x86/kernel/cpu/common.c).
    landingPad: { bytes: new Uint8Array([0xf3, 0x0f, 0x1e, 0xfa]), kernelSymbols: ["ibt_save", "ibt_selftest"] },
    returnThunk: "__x86_return_thunk",
    // HAVE_JUMP_LABEL_HACK: arch_static_branch (asm/jump_label.h).
    nopHint: 2,
  },
  moduleBase: 0xffff_ffff_c000_0000n,
  beforeKernel: null,
  percpuBase: 0x4_0000n,
  pageSize: 0x1000,
  pageSizes: [0x1000],
  specialSections: specialSections(
    {
      // With a format besides since 6.19.
      bugs: [relative(16, [0, 4, 8], { since: "x86BugFormat" })],
      // struct exception_table_entry {s32 insn, s32 fixup, and a handler or a type}.
      extable: [relative(12, [0, 4, 8])],
      more: [
        // struct alt_instr, packed: a byte for padding was dropped in 5.13, and two for flags were added in 6.3.
        [
          ".altinstructions",
          walked([
            relative(13, [0, 4], { until: "x86AltUnpadded" }),
            relative(12, [0, 4], { since: "x86AltUnpadded", until: "x86AltFlags" }),
            relative(14, [0, 4], { since: "x86AltFlags" }),
          ]),
        ],
        [".parainstructions", { isReadEarly: true }],
        // Places in code, each a distance.
        ...[".retpoline_sites", ".return_sites", ".call_sites", ".ibt_endbr_seal", ".cfi_sites", ".smp_locks"].map(
          (name) => [name, walked([relative(4, [0])])] as const,
        ),
        [".orc_unwind_ip", divided([relative(4, [0])])],
        [".orc_unwind", divided([relative(6, [])])],
      ],
    },
    kernelMachines.x86_64,
  ),
  wantsZeros: true,
  biased: new Set([R_X86_64_PC32, R_X86_64_PLT32]),
  branches: null,
  // jmp rel8, and the nop in its place.
  jumpLabel: { size: 5, short: [[0xeb], [0x66, 0x90]] },
  sites: x86_64Sites,
  extableEntry: 12,
  code: x86_64Code,
};
