// Return islands for ppc64le: code that klplink puts behind a function, in the function's own section, so
// that a call which was local when it was compiled survives the kernel's stub.
//
// The kernel routes a call to an external function through a stub that saves r2 at 24(r1) and enters the
// callee at its global entry, which sets r2 to the callee's TOC. It then wants a nop behind the `bl`, to turn
// it into `ld r2,24(r1)`. A call that was local has no nop there. The island has one.

import type { RelocationFields } from "../elf/writer/relocationEdits.ts";
import { R_PPC64_TOC16_HA, R_PPC64_TOC16_LO_DS } from "../reloc/numbers.ts";
import { ADDIS_R12_R2, BCTR, BL, encodeBranch, LD_R2_24_R1, LD_R12_R12, MTCTR_R12, NOP, STD_R2_24_R1 } from "./insn.ts";

/** Instruction words of an island. Places are bytes from its start. */
export interface IslandCode {
  readonly words: readonly number[];
  /** Where the call's own relocation belongs; null: nowhere. */
  readonly callAt: number | null;
  /** Where two words load the callee's address from a slot in the module's TOC; null: nowhere. */
  readonly slotAt: number | null;
}

/**
 * For `bl C`, C outside the module: the island's call gets the relocation and the nop.
 * @param island offset of the island in its section, in bytes
 * @param site offset of the original call in the same section
 */
export function returnIsland(island: number, site: number): IslandCode {
  return { words: [BL, NOP, encodeBranch(site + 4 - (island + 8))], callAt: 0, slotAt: null };
}

/**
 * For `bl F`, F in the module and leaving another TOC in r2: saves and restores r2 around the call.
 * The caller owns a frame, so 24(r1) is its own TOC save slot (ELFv2 ABI 2.2.3).
 */
export function localCallIsland(island: number, site: number): IslandCode {
  return { words: [STD_R2_24_R1, BL, LD_R2_24_R1, encodeBranch(site + 4 - (island + 12))], callAt: 4, slotAt: null };
}

/**
 * For the sibling call `b C`, C outside the module: enters C at its global entry (r12 holds its address) with
 * no frame and without touching 24(r1), which belongs to the caller of the function that ends here.
 * The address comes from an 8-byte slot in the module's TOC.
 */
export const SIBLING_ISLAND: IslandCode = {
  words: [ADDIS_R12_R2, LD_R12_R12, MTCTR_R12, BCTR],
  callAt: null,
  slotAt: 0,
};

/**
 * For the sibling call `b C` of a function that takes all its arguments in registers: an ordinary call from a frame of
 * the island's own, with a save area for C (ELFv2 ABI 2.2.3.1). r2 comes back, so callers of the function need no help.
 */
export const FRAMED_ISLAND: IslandCode = {
  words: [
    0x7c08_02a6, // mflr r0
    0xf801_0010, // std  r0,16(r1)
    0xf821_ffa1, // stdu r1,-96(r1)
    BL,
    NOP,
    0x3821_0060, // addi r1,r1,96
    0xe801_0010, // ld   r0,16(r1)
    0x7c08_03a6, // mtlr r0
    0x4e80_0020, // blr
  ],
  callAt: 12,
  slotAt: null,
};

/** Relocations of the two words at `at` that load from a slot: its address relative to the TOC base. */
export function slotRelocations(at: number, tocSymbol: number, slot: number): RelocationFields[] {
  return [
    { offset: at, symbol: tocSymbol, type: R_PPC64_TOC16_HA, addend: BigInt(slot) },
    { offset: at + 4, symbol: tocSymbol, type: R_PPC64_TOC16_LO_DS, addend: BigInt(slot) },
  ];
}
