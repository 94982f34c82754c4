// For which architecture a file about the kernel was made.

import { EM_AARCH64, EM_PPC64, EM_X86_64 } from "../elf/consts.ts";
import type { SymbolList } from "./symbols/symbolList.ts";

/** A file of the kernel or of one of its modules, and its e_machine. */
export interface MachineOf {
  readonly source: string;
  readonly machine: number;
}

/** Where a kernel's text is linked and runs: [from, to). */
const TEXT_RANGES: readonly { readonly machine: number; readonly from: bigint; readonly to: bigint }[] = [
  // __START_KERNEL_map and the 1 GiB that a kernel at a random address stays in (Documentation/arch/x86/x86_64/mm.rst).
  { machine: EM_X86_64, from: 0xffff_ffff_8000_0000n, to: 0xffff_ffff_c000_0000n },
  // KIMAGE_VADDR with 36 to 52 bits of virtual addresses.
  { machine: EM_AARCH64, from: 0xfff0_0000_0000_0000n, to: 0xffff_ffff_8000_0000n },
  // PAGE_OFFSET, the linear mapping.
  { machine: EM_PPC64, from: 0xc000_0000_0000_0000n, to: 0xd000_0000_0000_0000n },
];

/** e_machine of the kernel that a symbol list is of, by the address of its text; null if that does not tell. */
export function machineOfList(list: SymbolList): number | null {
  const start = (list.find("_stext")[0] ?? list.find("_text")[0])?.address ?? 0n;
  return TEXT_RANGES.find((r) => start >= r.from && start < r.to)?.machine ?? null;
}
