// Solution 2 of March 2016: the replacement function runs in a 32-byte frame that returns to klp_return_helper, which
// takes the frame away and restores r2 from the word at CR+4 of the caller's frame. In the mails ftrace_caller opens the
// frame; here the function's own global entry does, so that no kernel has to know of it. A caller inside the module
// enters at the local entry, behind it, and needs no help.
//
// The function's symbol moves to the new entry: ftrace, the livepatch core and every pointer reach it there. Its local
// entry is then 64 bytes further on, which st_other can say (ELFv2 ABI 3.4.1: code 6).

import type { Strategy } from "./strategy.ts";

export const miniFrame: Strategy = {
  option: "mini-frame",
  name: "klp_return_helper and a 32-byte frame (solution 2)",
  fixes: "both",
  needs: "nothing: the entry of each replacement function opens the frame",
  forbids:
    "stack-passed and variable arguments, and functions without DWARF or BTF: P looks for them 32 bytes too near",
  bytes: "80 a function, and islands for its calls",
  instructions: "20 a call of the function",
};

/** Bytes from a function's symbol to its local entry, with the frame's entry before it. */
export const LOCAL_ENTRY = 64;
/** st_other's code for that distance. */
export const LOCAL_ENTRY_CODE = 6;

/** Three words by which such an entry is known again: subf r0,r0,r2; stw r0,12(r1); stdu r1,-32(r1). */
export const ENTRY_MARK: readonly number[] = [0x7c00_1050, 0x9001_000c, 0xf821_ffe1];

/**
 * Opens the frame and goes on at the function's own global entry; r12 holds the entry's address.
 * @param size bytes from the entry to the function's own global entry, a multiple of 4
 * @param lead bytes of data before the function, which are jumped over
 * @param helper bytes from the entry to klp_return_helper
 * @throws Error if the words do not fit, or the helper is out of reach.
 */
export function miniFrameEntry(size: number, lead: number, helper: number): number[] {
  if (helper >= 0x8000) throw new Error(`klp_return_helper is ${helper} bytes away`);
  const words = [
    0x7c08_02a6, // mflr  r0
    0xf801_0010, // std   r0,16(r1)      the way back, into A's frame
    ...ENTRY_MARK, // TOC of A - return address goes to CR+4; the frame is opened
    0x380c_0000 | helper, // addi  r0,r12,helper
    0xf801_0010, // std   r0,16(r1)
    0x7c08_03a6, // mtlr  r0
    0x398c_0000 | size, // addi  r12,r12,size   the function's own global entry
  ];
  if (lead > 0) words.push(0x4800_0000 | (lead + 4)); // b .+4+lead
  const spare = (size - lead) / 4 - words.length;
  if (spare < 0) throw new Error(`the entry does not fit in ${size - lead} bytes`);
  // First, so that the address of the entry stays that of its first word.
  return [...Array.from({ length: spare }, () => 0x6000_0000), ...words];
}

/** klp_return_helper as in the mail: addi r1,r1,32; lwa r2,12(r1); ld r0,16(r1); add r2,r2,r0; mtlr r0; blr. */
export const RETURN_HELPER: readonly number[] = [
  0x3821_0020, 0xe841_000e, 0xe801_0010, 0x7c42_0214, 0x7c08_03a6, 0x4e80_0020,
];
