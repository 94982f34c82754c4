// Solution 3 of March 2016, and the klp_stub of October 2017: the return address and r2 go to the thread's livepatch
// stack while C runs, as livepatch_handler does it for A and P. In the mails the kernel's loader makes the stub; here it
// stands in the module, behind the function that calls, so that the stack check goes on seeing that function. It needs
// no nop, and serves sibling calls, too.

import type { Strategy } from "./strategy.ts";

export const shadowStack: Strategy = {
  option: "shadow-stack",
  name: "the livepatch stack and a klp_stub (solution 3)",
  fixes: "P to C",
  needs: "livepatch_handler (4.7), and where it keeps the stack: -k vmlinux, DWARF, BTF or --livepatch-stack",
  forbids: "code without a TOC; behind a sibling call the caller is out of the stack check's sight",
  bytes: "108 a function and callee, and an 8-byte slot a callee",
  instructions: "27 a call",
};

/** Index of the stub's word that gets the slot's address, high part; the next one gets the low part. */
export const STUB_SLOT_WORD = 10;

/** Largest offset that `ld` and `std` reach, and what they must be a multiple of. */
export function isReachable(offset: number): boolean {
  return Number.isInteger(offset) && offset >= -0x8000 && offset <= 0x7ffc && offset % 4 === 0;
}

/**
 * The stub's words: a record of 24 bytes (r2, return address, mark) is pushed, C is called through an 8-byte slot, and
 * the record is checked and popped.
 * @param threadInfo offset in the paca of the pointer to thread_info
 * @param stackPointer offset in thread_info of the livepatch stack pointer
 */
export function klpStub(threadInfo: number, stackPointer: number): number[] {
  const thread = 0xe98d_0000 | (threadInfo & 0xffff); // ld r12,threadInfo(r13)
  const load = 0xe96c_0000 | (stackPointer & 0xffff); // ld r11,stackPointer(r12)
  const store = 0xf96c_0000 | (stackPointer & 0xffff); // std r11,stackPointer(r12)
  const words = [
    thread,
    load,
    0x396b_0018, // addi  r11,r11,24
    store,
    0x3d80_57ac, // lis   r12,0x57ac     STACK_END_MAGIC
    0x618c_6e9d, // ori   r12,r12,0x6e9d
    0xf98b_fff8, // std   r12,-8(r11)
    0xf84b_ffe8, // std   r2,-24(r11)
    0x7d88_02a6, // mflr  r12
    0xf98b_fff0, // std   r12,-16(r11)
    0x3d82_0000, // addis r12,r2,slot@toc@ha
    0xe98c_0000, // ld    r12,slot@toc@l(r12)
    0x7d89_03a6, // mtctr r12
    0x4e80_0421, // bctrl
    thread,
    load,
    0x3c40_57ac, // lis   r2,0x57ac
    0x6042_6e9d, // ori   r2,r2,0x6e9d
    0xe98b_fff8, // ld    r12,-8(r11)
    0x7f0c_1088, // tdne  r12,r2         the stack was overwritten: trap
    0xe98b_fff0, // ld    r12,-16(r11)
    0x7d88_03a6, // mtlr  r12
    0xe84b_ffe8, // ld    r2,-24(r11)
    thread,
    0x396b_ffe8, // addi  r11,r11,-24
    store,
    0x4e80_0020, // blr
  ];
  return words.map((w) => w >>> 0);
}
