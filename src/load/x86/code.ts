// Pieces of x86 code that the kernel puts into modules.

/** nopl 0(%rax,%rax,1) */
export const NOP5 = [0x0f, 0x1f, 0x44, 0x00, 0x00] as const;
/** ret; int3 … */
export const RET5 = [0xc3, 0xcc, 0xcc, 0xcc, 0xcc] as const;

/** The kernel's nops of 1 to 8 bytes (x86_nops, arch/x86/kernel/alternative.c). */
const NOPS: readonly (readonly number[])[] = [
  [],
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  NOP5,
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/** One nop of `size` bytes, 0 to 8. */
export const nopOf = (size: number): readonly number[] => NOPS[size] ?? [];

const REGISTERS = [
  ...["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
];

/** Number of the register that a retpoline thunk jumps to, by the thunk's name; null for other names. */
export function thunkRegister(name: string): number | null {
  const number = name.startsWith(THUNK) ? REGISTERS.indexOf(name.slice(THUNK.length)) : -1;
  return number < 0 ? null : number;
}
const THUNK = "__x86_indirect_thunk_";

/** Name of a register by its number. */
export const registerName = (register: number): string => REGISTERS[register] ?? "";

/** Bytes of a cache line. A branch whose last byte lies in its lower half is unsafe on a CPU with ITS. */
const LINE = 64n;
export const inLowerHalf = (address: bigint): boolean => address % LINE < LINE / 2n;

/**
 * What a return becomes under a state of the kernel: the thunk that it jumps to, `plain`, or null if that is not known.
 * @param state `facts.x86.returns` (cpu_wants_rethunk_at, arch/x86/kernel/alternative.c of 6.1, 6.12 and 7.2)
 */
export function returnAt(
  site: bigint,
  state: string | null,
  kernelSymbol: (name: string) => bigint | null,
): bigint | "plain" | null {
  if (state === null) return null;
  if (state === "plain" || (state === "its_return_thunk" && !inLowerHalf(site))) return "plain";
  return kernelSymbol(state === "thunk" ? "__x86_return_thunk" : state);
}
