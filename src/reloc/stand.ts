// Whether a place holds an instruction that a relocation may stand at.

import {
  displacementAt,
  displacementBytes,
  type Insn,
  immediateAt,
  immediateBytes,
  isBranch,
  isRip,
} from "./x86Insn.ts";

/** Instruction words: those whose bits in `mask` are `value`. */
export interface WordForm {
  readonly mask: number;
  readonly value: number;
}

/**
 * What a relocation may stand at in code. `words`: an instruction word of one of these forms, at a multiple of 4. `operand`: the
 * last four bytes of an x86 instruction's opcode, or its distance to an address (ModRM with RIP). `value`: a field of an x86
 * instruction that holds an address itself. `aligned`: any at a multiple of 4.
 */
export type Stand =
  | { readonly kind: "words"; readonly what: string; readonly forms: readonly WordForm[] }
  | { readonly kind: "operand" }
  | { readonly kind: "value" }
  | { readonly kind: "aligned" };

export const words = (what: string, ...forms: readonly (readonly [mask: number, value: number])[]): Stand => ({
  kind: "words",
  what,
  forms: forms.map(([mask, value]) => ({ mask: mask >>> 0, value: value >>> 0 })),
});

/** The columns of a relocation's row that matter here. */
interface Standing {
  readonly stand?: Stand;
  /** Bytes that it writes. */
  readonly bytes: number;
}

const NO_DISTANCE = "no call, jump or address relative to RIP ends here";

/** Whether what a relocation may stand at depends on where instructions begin. */
export const needsInstruction = ({ stand }: Standing): boolean => stand?.kind === "operand" || stand?.kind === "value";

/**
 * Whether a field begins `at` bytes from the beginning of an x86 instruction that the relocation's value belongs into.
 * @param isDistance as a displacement from RIP or a branch's distance is one; all others hold an address or a constant
 */
export function isField(isDistance: boolean, bytes: number, insn: Insn, at: number): boolean {
  if (displacementBytes(insn) === bytes && displacementAt(insn) === at && isRip(insn) === isDistance) return true;
  return immediateBytes(insn) === bytes && immediateAt(insn) === at && isBranch(insn) === isDistance;
}

/** Why a relocation cannot stand `at` bytes from the beginning of an x86 instruction; null if it can: {@link isField}. */
export function outsideField({ stand, bytes }: Standing, insn: Insn, at: number): string | null {
  const isDistance = stand?.kind === "operand";
  if (isField(isDistance, bytes, insn, at)) return null;
  if (isDistance) return NO_DISTANCE;
  return `no address or constant of ${bytes} bytes begins ${at} ${at === 1 ? "byte" : "bytes"} into the instruction there`;
}

/** Why a relocation cannot stand at a place in code; null if it can, or if the place lies outside. */
export function misplaced(
  { stand, bytes }: Standing,
  code: DataView,
  at: number,
  littleEndian: boolean,
): string | null {
  if (stand === undefined || stand.kind === "value" || at + bytes > code.byteLength) return null;
  if (stand.kind === "operand") return isOperand(code, at) ? null : NO_DISTANCE;
  if (at % 4 !== 0) return `instructions stand at multiples of 4, and 0x${at.toString(16)} is not one`;
  if (stand.kind === "aligned") return null;
  const word = code.getUint32(at, littleEndian);
  if (stand.forms.some(({ mask, value }) => (word & mask) >>> 0 === value)) return null;
  return `the word there, ${word.toString(16).padStart(8, "0")}, is not ${stand.what}`;
}

/** Whether the four bytes at `at` may be a distance in an instruction: e8 and e9, 0f 80 to 0f 8f, ModRM of RIP + disp32. */
function isOperand(code: DataView, at: number): boolean {
  if (at < 1) return false;
  const before = code.getUint8(at - 1);
  if (before === 0xe8 || before === 0xe9) return true;
  if (at < 2) return false;
  return (before & 0xc7) === 0x05 || ((before & 0xf0) === 0x80 && code.getUint8(at - 2) === 0x0f);
}
