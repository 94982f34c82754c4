// Power ISA instruction words that klplink writes or recognises, as numbers (big-endian reading, as the
// kernel prints them). Branches: I-form, opcode 18; bit 1 (value 2) is AA, bit 0 is LK.

/** ori r0,r0,0: the only word that the kernel takes for a nop after a call. */
export const NOP = 0x6000_0000;
/** ld r2,24(r1): what the kernel makes of that nop (ELFv2 TOC save slot). */
export const LD_R2_24_R1 = 0xe841_0018;
/** std r2,24(r1): what every kernel stub does first. */
export const STD_R2_24_R1 = 0xf841_0018;
export const MTCTR_R12 = 0x7d89_03a6;
export const BCTR = 0x4e80_0420;
/** addis r12,r2,0: the immediate is filled by R_PPC64_TOC16_HA. */
export const ADDIS_R12_R2 = 0x3d82_0000;
/** ld r12,0(r12): the displacement is filled by R_PPC64_TOC16_LO_DS. */
export const LD_R12_R12 = 0xe98c_0000;
/** bl .: a call whose target a REL24 relocation fills in. */
export const BL = 0x4800_0001;

const BRANCH_OPCODE = 18;
const BRANCH_CONDITIONAL_OPCODE = 16;
const LI_MASK = 0x03ff_fffc;
/** An I-form branch reaches [-32 MiB, 32 MiB). */
export const BRANCH_REACH = 0x200_0000;

/** `b` over `displacement` bytes. @throws Error if it is out of reach or no multiple of 4. */
export function encodeBranch(displacement: number): number {
  if (!branchReaches(displacement) || displacement % 4 !== 0) {
    throw new Error(`a branch cannot go ${displacement} bytes`);
  }
  return (0x4800_0000 | (displacement & LI_MASK)) >>> 0;
}

export function branchReaches(displacement: number): boolean {
  return displacement >= -BRANCH_REACH && displacement < BRANCH_REACH;
}

export interface Branch {
  readonly conditional: boolean;
  /** LK: the branch writes LR, so it is a call. */
  readonly links: boolean;
  /** AA: the target is an absolute address. */
  readonly absolute: boolean;
  /** Bytes from the branch to its target. */
  readonly displacement: number;
}

/** The I-form or B-form branch that `word` is, or null. */
export function decodeBranch(word: number): Branch | null {
  const opcode = word >>> 26;
  const links = (word & 1) !== 0;
  const absolute = (word & 2) !== 0;
  if (opcode === BRANCH_OPCODE) {
    return { conditional: false, links, absolute, displacement: ((word & LI_MASK) << 6) >> 6 };
  }
  if (opcode === BRANCH_CONDITIONAL_OPCODE) {
    return { conditional: true, links, absolute, displacement: ((word & 0xfffc) << 16) >> 16 };
  }
  return null;
}

/** Whether the word is `ori rX,rX,0`: the nops that assemblers pad code with. */
export function isNopWord(word: number): boolean {
  return (word & 0xfc00_ffff) >>> 0 === 0x6000_0000 && ((word >>> 21) & 31) === ((word >>> 16) & 31);
}

/** What kind of branch to LR (bclr) the word is: a return, a conditional one, a call; null if it is none. */
export function isReturn(word: number): "always" | "conditional" | "call" | null {
  if ((word & 0xfc00_07fe) >>> 0 !== 0x4c00_0020) return null;
  if ((word & 1) !== 0) return "call";
  // BO: bits 6 to 10; 1z1zz branches always.
  return ((word >>> 21) & 0b10100) === 0b10100 ? "always" : "conditional";
}

/** A return turned into a branch to `displacement` under the same condition. @throws Error if it does not reach. */
export function returnAsBranch(word: number, displacement: number): number {
  if (isReturn(word) === "always") return encodeBranch(displacement);
  if (displacement < -0x8000 || displacement >= 0x8000) throw new Error(`a bc cannot go ${displacement} bytes`);
  return ((BRANCH_CONDITIONAL_OPCODE << 26) | (word & 0x03ff_0000) | (displacement & 0xfffc)) >>> 0;
}

/** Whether the word opens a stack frame: stdu r1,-N(r1) or stdux r1,r1,rX. */
export function opensFrame(word: number): boolean {
  return (word & 0xffff_0003) >>> 0 === 0xf821_0001 || (word & 0xffff_07ff) >>> 0 === 0x7c21_016a;
}

/** A short reading of the few words that matter to a call; null for all others. */
export function describeWord(word: number): string | null {
  if (word === NOP) return "nop";
  if (word === LD_R2_24_R1) return "ld     r2,24(r1)";
  if (word === STD_R2_24_R1) return "std    r2,24(r1)";
  if (word === MTCTR_R12) return "mtctr  r12";
  if (word === BCTR) return "bctr";
  if (word === 0x4e80_0020) return "blr";
  if (word === 0x7c08_02a6) return "mflr   r0";
  if (word === 0x7c08_03a6) return "mtlr   r0";
  const branch = decodeBranch(word);
  if (branch === null || branch.conditional) return null;
  return `${branch.links ? "bl" : "b"}${branch.absolute ? "a" : ""}`;
}
