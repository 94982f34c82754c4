// Where in its function an entry of __mcount_loc or __patchable_function_entries lies.

import { OrderedView } from "../../base/bytes.ts";
import { findKernelMachine } from "../machines.ts";

const NOP = 0xd503_201f;
const WORD = 4;
/** Two words in front of the function hold a pointer later. */
const IN_FRONT = 2 * WORD;

/** bti, bti c, bti j, bti jc */
const isBti = (word: number): boolean => (word & 0xffff_ff3f) >>> 0 === 0xd503_241f;

/**
 * Bytes from a listed place to the start of its function, or to a place inside it: 0 nearly everywhere. arm64 kernels with
 * DYNAMIC_FTRACE_WITH_CALL_OPS list the first of two nops in front of the function (ftrace_call_adjust,
 * arch/arm64/kernel/ftrace.c, 6.3 to 7.2); the function then begins with two more, perhaps behind a bti.
 * @param bytes the code from the listed place on.
 */
export function distanceToFunction(machine: number, bytes: Uint8Array, littleEndian: boolean): number {
  if (findKernelMachine(machine)?.listsBeforeFunctions !== true || bytes.length < IN_FRONT + 3 * WORD) return 0;
  const view = new OrderedView(bytes, littleEndian);
  const word = (k: number): number => view.getUint32(k * WORD);
  const first = isBti(word(2)) ? 3 : 2;
  return [0, 1, first, first + 1].every((k) => k * WORD + WORD <= bytes.length && word(k) === NOP) ? IN_FRONT : 0;
}
