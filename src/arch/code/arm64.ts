// arm64: instructions that refer to places (Arm ARM, C4.1), and moves of constants.

import { viewOf } from "../../base/bytes.ts";
import { arm64OtherNames, arm64 as relocs } from "../../reloc/arm64.ts";
import { R_AARCH64_CALL26, R_AARCH64_JUMP26 } from "../../reloc/numbers.ts";
import type { CodeInstruction, CodeTraits, LoadedConstant, OwnedTable, RewrittenField } from "./code.ts";
import { BUG_TABLE, JUMP_TABLE, KCFI_TRAPS } from "./common.ts";
import { arm64PointerUse } from "./pointers.ts";
import { typeNamed, typesNamed } from "./types.ts";

/** The byte order of instructions, which this row is for. */
const INSTRUCTIONS_ARE_LITTLE = true;

/** A field of `width` bits from bit `at`, with its sign, times 4. */
const words = (word: number, at: number, width: number): number => ((word << (32 - at - width)) >> (32 - width)) * 4;

function relativeOf(word: number, at: number): CodeInstruction["relative"] {
  const field = (mask: number, distance: number, isBranch: boolean): CodeInstruction["relative"] => ({
    field: at,
    mask,
    to: at + distance,
    isBranch,
  });
  if ((word & 0x7c00_0000) === 0x1400_0000) return field(0x03ff_ffff, words(word, 0, 26), true); // b, bl
  if ((word & 0xff00_0000) >>> 0 === 0x5400_0000) return field(0x00ff_ffe0, words(word, 5, 19), true); // b.cond
  if ((word & 0x7e00_0000) === 0x3400_0000) return field(0x00ff_ffe0, words(word, 5, 19), true); // cbz, cbnz
  if ((word & 0x7e00_0000) === 0x3600_0000) return field(0x0007_ffe0, words(word, 5, 14), true); // tbz, tbnz
  if ((word & 0x3b00_0000) === 0x1800_0000) return field(0x00ff_ffe0, words(word, 5, 19), false); // ldr literal
  if ((word & 0x9f00_0000) >>> 0 === 0x1000_0000) {
    const distance = words(word, 5, 19) + ((word >>> 29) & 3);
    return field(0x60ff_ffe0, distance, false); // adr
  }
  return null;
}

/** MOVZ without shift, and MOVK with lsl 16: how a number below 2^32 gets into a register. */
function constantOf(word: number): CodeInstruction["constant"] {
  const register = word & 31;
  const value = (word >>> 5) & 0xffff;
  if ((word & 0x7fe0_0000) === 0x5280_0000) return { register, value, form: "whole" };
  if ((word & 0x7fe0_0000) === 0x52a0_0000) return { register, value: value * 0x1_0000, form: "whole" };
  if ((word & 0x7fe0_0000) === 0x72a0_0000) return { register, value: value * 0x1_0000, form: "part" };
  if ((word & 0x7fe0_0000) === 0x7280_0000) return { register, value, form: "part" };
  return null;
}

function decode(code: Uint8Array, at: number): CodeInstruction | null {
  if (at + 4 > code.length) return null;
  const word = viewOf(code).getUint32(at, INSTRUCTIONS_ARE_LITTLE);
  const isBl = (word & 0xfc00_0000) >>> 0 === 0x9400_0000;
  const isBlr = (word & 0xffff_fc1f) >>> 0 === 0xd63f_0000;
  const isB = (word & 0xfc00_0000) >>> 0 === 0x1400_0000;
  const isBrRet = (word & 0xffbf_fc1f) >>> 0 === 0xd61f_0000 || (word & 0xffff_fc1f) >>> 0 === 0xd65f_0000;
  const isBrk = (word & 0xffe0_001f) >>> 0 === 0xd420_0000;
  return {
    size: 4,
    relative: relativeOf(word, at),
    constant: constantOf(word),
    isCall: isBl || isBlr,
    isJump: isB || isBrRet || isBrk,
  };
}

/** nop, and zeros (udf #0). */
function fillAt(code: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return code[at] === 0 ? 1 : 0;
  const word = viewOf(code).getUint32(at, INSTRUCTIONS_ARE_LITTLE);
  return word === 0xd503_201f || word === 0 ? 4 : 0;
}

/** b and bl; the others reach no other section. */
function farBranch(code: Uint8Array, field: number): RewrittenField | null {
  const word = field + 4 <= code.length ? viewOf(code).getUint32(field, INSTRUCTIONS_ARE_LITTLE) : 0;
  if ((word & 0x7c00_0000) !== 0x1400_0000) return null;
  const isCall = word >>> 31 === 1;
  return { type: isCall ? R_AARCH64_CALL26 : R_AARCH64_JUMP26, bias: 0, bytes: null, moved: 0 };
}

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, INSTRUCTIONS_ARE_LITTLE);
  return bytes;
};

const types = typesNamed(relocs, arm64OtherNames);
const BRANCHES = types("R_AARCH64_TSTBR14", "R_AARCH64_CONDBR19", "R_AARCH64_JUMP26", "R_AARCH64_CALL26");

const tables: readonly OwnedTable[] = [
  BUG_TABLE,
  { section: "__ex_table", struct: "exception_table_entry", sizes: [12, 8], owner: 0 },
  JUMP_TABLE,
  KCFI_TRAPS,
  // {s32 orig, s32 alt, u16 cpucap, u8 orig_len, u8 alt_len}; the replacement stands behind the function's own code.
  { section: ".altinstructions", struct: "alt_instr", sizes: [12], owner: 0, piece: { at: 4, size: { byte: 11 } } },
];

const PAGE = typeNamed(relocs, "R_AARCH64_ADR_PREL_PG_HI21");
const LOW_12 = typeNamed(relocs, "R_AARCH64_LDST64_ABS_LO12_NC");
const NOP = 0xd503_201f;
/** MOVZ and MOVK of 64 bits, without register and constant: the four that make a constant, at the place. */
const MOVES = [0xd280_0000, 0xf2a0_0000, 0xf2c0_0000, 0xf2e0_0000];

/** `movz`, `movk`, `movk`, `movk` of one register become `adrp %r,NAME`, `ldr %r,[%r,#:lo12:NAME]` and two nops. */
function runtimePointer(code: Uint8Array, place: number): LoadedConstant | null {
  if (place < 0 || place + 16 > code.length) return null;
  const old = viewOf(code.subarray(place, place + 16));
  const register = old.getUint32(0, INSTRUCTIONS_ARE_LITTLE) & 31;
  const word = (i: number): number => (old.getUint32(4 * i, INSTRUCTIONS_ARE_LITTLE) & 0xffe0_001f) >>> 0;
  if (!MOVES.every((move, i) => word(i) === (move | register) >>> 0)) return null;
  const made = new Uint8Array(16);
  const load = [0x9000_0000 | register, 0xf940_0000 | (register << 5) | register, NOP, NOP];
  for (const [i, one] of load.entries()) viewOf(made).setUint32(4 * i, one >>> 0, INSTRUCTIONS_ARE_LITTLE);
  const fields = [
    { at: 0, type: PAGE, addend: 0 },
    { at: 4, type: LOW_12, addend: 0 },
  ];
  return { start: place, code: made, fields };
}

export const arm64Code: CodeTraits = {
  decode,
  fillAt,
  countsFromField: false,
  branchTypes: BRANCHES,
  sameOnBranches: new Set(),
  relativeTypes: types("R_AARCH64_PREL64", "R_AARCH64_PREL32", "R_AARCH64_PREL16"),
  // Two types are called NONE.
  noneTypes: new Set([0, ...types("R_AARCH64_NONE")]),
  tocTypes: new Set(),
  gotTypes: types("R_AARCH64_ADR_GOT_PAGE", "R_AARCH64_LD64_GOT_LO12_NC"),
  farBranch,
  withoutGot: () => null,
  // bti c, bti jc, paciasp, pacibsp
  landingPads: [word(0xd503_245f), word(0xd503_24df), word(0xd503_233f), word(0xd503_237f)],
  arguments: [0, 1, 2, 3, 4, 5, 6, 7],
  tables,
  flagSlack: { base: 0, share: 0, data: 12, jump: 0 },
  pointerUse: (code, field) => arm64PointerUse(code, field, decode),
  runtimePointer,
};
