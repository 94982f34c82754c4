// What code does with an address that an instruction has put into a register, or has as an operand itself: as far as it goes on in a straight
// line, and is made of instructions that are known.

import { viewOf } from "../../base/bytes.ts";
import type { CodeInstruction, PointerUse } from "./code.ts";

/** The byte order of instructions, which these are for. */
const INSTRUCTIONS_ARE_LITTLE = true;

/** Instructions that are looked at behind the first. */
const MOST = 16;

type Decode = (code: Uint8Array, at: number) => CodeInstruction | null;

/** What one instruction does with registers that hold the address; `end`: nothing more can be told. Registers may be added or taken away. */
type Step = (word: number, held: Set<number>) => PointerUse | "end" | null;

/** Follows words of four bytes, and past branches that are not taken. */
function follow(
  code: Uint8Array,
  start: number,
  register: number,
  [decode, step]: readonly [Decode, Step],
): PointerUse[] {
  const held = new Set([register]);
  const found = new Set<PointerUse>();
  const view = viewOf(code);
  for (let at = start; at < start + 4 * MOST && at + 4 <= code.length; at += 4) {
    const one = decode(code, at);
    if (one === null || one.size !== 4 || one.isCall || one.isJump) break;
    if (one.relative?.isBranch === true) continue;
    const use = step(view.getUint32(at, INSTRUCTIONS_ARE_LITTLE), held);
    if (use === "end" || held.size === 0) break;
    if (use !== null) found.add(use);
  }
  return [...found];
}

const is = (word: number, mask: number, value: number): boolean => (word & mask) >>> 0 === value >>> 0;

/** Arm ARM, C4.1: what compares (subs and ccmp of 64-bit registers), what stores 64-bit registers, mov. All else writes its first register. */
const arm64Step: Step = (word, held) => {
  const [d, n, t2, m] = [word & 31, (word >>> 5) & 31, (word >>> 10) & 31, (word >>> 16) & 31];
  const isCompare = is(word, 0xffe0_fc1f, 0xeb00_001f) || is(word, 0xffe0_0c10, 0xfa40_0000);
  if (isCompare) return held.has(n) || held.has(m) ? "compare" : null;
  const isStore =
    is(word, 0xffc0_0000, 0xf900_0000) || is(word, 0xffe0_0000, 0xf800_0000) || is(word, 0xffe0_0c00, 0xf820_0800);
  if (isStore) return held.has(d) ? "store" : null;
  const isPair = is(word, 0xfe40_0000, 0xa800_0000);
  if (isPair) return held.has(d) || held.has(t2) ? "store" : null;
  // Other stores, and pairs that are loaded, are not worth telling apart.
  if (is(word, 0x0a00_0000, 0x0800_0000) && !is(word, 0x3b40_0000, 0x3940_0000) && !is(word, 0x3b60_0000, 0x3840_0000))
    return "end";
  if (is(word, 0xffe0_ffe0, 0xaa00_03e0) && held.has(m)) held.add(d);
  else held.delete(d);
  return null;
};

/** `add %d,%n,#:lo12:NAME`. */
export function arm64PointerUse(code: Uint8Array, field: number, decode: Decode): PointerUse[] {
  const word = field + 4 <= code.length ? viewOf(code).getUint32(field, INSTRUCTIONS_ARE_LITTLE) : 0;
  return is(word, 0xff80_0000, 0x9100_0000) ? follow(code, field + 4, word & 31, [decode, arm64Step]) : [];
}

const LOADS_AND_ADDS = new Set([14, 15, 32, 33, 34, 35, 40, 41, 42, 43, 58]);
const STORES = new Set([36, 37, 38, 39, 44, 45]);
const LOGICAL = new Set([20, 21, 23, 24, 25, 26, 27, 28, 29, 30]);

/** Power ISA 3.1, appendix on opcodes: cmpd, cmpld, std, mr; what else is known writes RT, or RA. */
const ppc64leStep: Step = (word, held) => {
  const [opcode, t, a, b] = [word >>> 26, (word >>> 21) & 31, (word >>> 16) & 31, (word >>> 11) & 31];
  const extended = (word >>> 1) & 0x3ff;
  if (opcode === 31 && (extended === 0 || extended === 32)) {
    // The bit for 64-bit operands.
    return (word & 0x20_0000) !== 0 && (held.has(a) || held.has(b)) ? "compare" : null;
  }
  // xor, of which what is zero says that both are the same.
  if (opcode === 31 && extended === 316 && held.has(t) !== held.has(b)) return "compare";
  if (opcode === 62 && (word & 3) === 0) return held.has(t) ? "store" : null;
  if (opcode === 31 && extended === 149) return held.has(t) ? "store" : null;
  if (STORES.has(opcode) || opcode === 10 || opcode === 11) return null;
  if (opcode === 31 && extended === 444 && t === b) {
    if (held.has(t)) held.add(a);
    else held.delete(a);
    return null;
  }
  if (LOADS_AND_ADDS.has(opcode)) held.delete(t);
  else if (LOGICAL.has(opcode)) held.delete(a);
  else return "end";
  return null;
};

/** `ld %t,NAME@toc@l(%a)`, behind which %t holds what the TOC's entry does, or `addi`. */
export function ppc64lePointerUse(code: Uint8Array, field: number, decode: Decode): PointerUse[] {
  const at = field & ~3;
  const word = at + 4 <= code.length ? viewOf(code).getUint32(at, INSTRUCTIONS_ARE_LITTLE) : 0;
  const opcode = word >>> 26;
  const isLoad = (opcode === 58 && (word & 3) === 0) || opcode === 14;
  return isLoad ? follow(code, at + 4, (word >>> 21) & 31, [decode, ppc64leStep]) : [];
}

/** An instruction of x86_64 of the one-byte map, without other prefixes than REX. */
interface Simple {
  readonly opcode: number;
  readonly rex: number;
  readonly mod: number;
  readonly reg: number;
  readonly rm: number;
}

function simpleAt(code: Uint8Array, at: number): Simple {
  const first = code[at] ?? 0;
  const rex = (first & 0xf0) === 0x40 ? first : 0;
  const i = rex === 0 ? at : at + 1;
  const modrm = code[i + 1] ?? 0;
  const high = (bit: number): number => ((rex & bit) === 0 ? 0 : 8);
  return {
    opcode: code[i] ?? 0,
    rex,
    mod: modrm >> 6,
    reg: ((modrm >> 3) & 7) | high(4),
    rm: (modrm & 7) | high(1),
  };
}

const W = 8;

/** The register that an instruction has put the operand at `field` into; or what it does with it. */
function firstUse(code: Uint8Array, start: number, field: number, size: number): PointerUse | number | null {
  const { opcode, rex, mod, reg, rm } = simpleAt(code, start);
  const isImmediate = field === start + size - 4;
  if (isImmediate && (rex & W) !== 0 && opcode === 0x81 && (reg & 7) === 7) return "compare";
  if (isImmediate && (rex & W) !== 0 && opcode === 0x3d) return "compare";
  if (isImmediate && (rex & W) !== 0 && opcode === 0xc7) return mod === 3 ? rm : "store";
  if (opcode === 0x8d && mod === 0 && (rm & 7) === 5) return reg;
  return opcode >= 0xb8 && opcode < 0xc0 ? (opcode & 7) | ((rex & 1) === 0 ? 0 : 8) : null;
}

/** `lea`, `mov` of a constant, or an instruction that has the address as its constant. @param start where the instruction begins */
export function x86PointerUse(code: Uint8Array, field: number, decode: Decode, start: number): PointerUse[] {
  const first = decode(code, start);
  const use = first === null ? null : firstUse(code, start, field, first.size);
  if (first === null || typeof use !== "number") return typeof use === "string" ? [use] : [];
  const found = new Set<PointerUse>();
  let at = start + first.size;
  for (let i = 0; i < MOST; i++) {
    const one = decode(code, at);
    if (one === null || one.isCall || one.isJump) break;
    const next = one.relative?.isBranch === true ? null : laterUse(simpleAt(code, at), use);
    if (next === "end") break;
    if (next !== null) found.add(next);
    at += one.size;
  }
  return [...found];
}

/** What an instruction does with a register that holds the address; `end`: it puts something else there, or is not known. */
function laterUse({ opcode, rex, mod, reg, rm }: Simple, use: number): PointerUse | "end" | null {
  const isWide = (rex & W) !== 0;
  const isWritten = mod === 3 && rm === use;
  switch (opcode) {
    case 0x39:
    case 0x3b:
      return isWide && (reg === use || isWritten) ? "compare" : null;
    case 0x89:
      if (isWide && reg === use) return mod === 3 ? "end" : "store";
      return isWritten ? "end" : null;
    case 0x88:
    case 0xc6:
    case 0xc7:
      return isWritten ? "end" : null;
    case 0x8b:
    case 0x8d:
    case 0x63:
      return reg === use ? "end" : null;
    case 0x84:
    case 0x85:
      return null;
  }
  return opcode >= 0x50 && opcode < 0x58 ? null : "end";
}
