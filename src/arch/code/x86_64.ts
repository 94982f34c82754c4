// x86_64: lengths and operands of instructions (Intel SDM volume 2, appendix A), as far as code of kernels goes.

import { viewOf } from "../../base/bytes.ts";
import { R_X86_64_PC32, R_X86_64_PLT32 } from "../../reloc/numbers.ts";
import { x86_64 as relocs, x86_64OtherNames } from "../../reloc/x86_64.ts";
import type { CodeInstruction, CodeTraits, LoadedConstant, OwnedTable, RewrittenField } from "./code.ts";
import { BUG_TABLE, JUMP_TABLE, KCFI_TRAPS } from "./common.ts";
import { x86PointerUse } from "./pointers.ts";
import { typeNamed, typesNamed } from "./types.ts";

/** The byte order of instructions, which this row is for. */
const INSTRUCTIONS_ARE_LITTLE = true;

interface Shape {
  readonly modrm: boolean;
  /** Bytes of the immediate; `z`: 4, or 2 behind an operand-size prefix. */
  readonly immediate: number | "z";
}

const NONE: Shape = { modrm: false, immediate: 0 };
const MODRM: Shape = { modrm: true, immediate: 0 };
const shape = (modrm: boolean, immediate: number | "z"): Shape => ({ modrm, immediate });

/** The one-byte map; null: not an instruction in 64-bit mode, or an escape that is treated elsewhere. */
function shapeOfByte(op: number, reg: number, hasRexW: boolean, isNarrow: boolean): Shape | null {
  if (op < 0x40) {
    const low = op & 7;
    return low < 4 ? MODRM : low === 4 ? shape(false, 1) : low === 5 ? shape(false, "z") : null;
  }
  if (op < 0x60) return op >= 0x50 ? NONE : null;
  if (op < 0x70) return [null, null, null, MODRM, null, null, null, null, shape(false, "z"), shape(true, "z"), shape(false, 1), shape(true, 1), NONE, NONE, NONE, NONE][op & 15] ?? null; // biome-ignore format: a row of the map
  if (op < 0x80) return shape(false, 1);
  if (op < 0x84) return op === 0x82 ? null : shape(true, op === 0x81 ? "z" : 1);
  if (op < 0x90) return MODRM;
  if (op < 0xa0) return op === 0x9a ? null : NONE;
  if (op < 0xa4) return shape(false, 8);
  if (op < 0xb0) return op === 0xa8 ? shape(false, 1) : op === 0xa9 ? shape(false, "z") : NONE;
  if (op < 0xb8) return shape(false, 1);
  if (op < 0xc0) return shape(false, hasRexW ? 8 : isNarrow ? 2 : 4);
  return shapeFromC0(op, reg);
}

function shapeFromC0(op: number, reg: number): Shape | null {
  switch (op) {
    case 0xc0:
    case 0xc1:
    case 0xc6:
      return shape(true, 1);
    case 0xc2:
    case 0xca:
      return shape(false, 2);
    case 0xc7:
      return shape(true, "z");
    case 0xc8:
      return shape(false, 3);
    case 0xcd:
      return shape(false, 1);
    case 0xce:
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xea:
      return null;
    case 0xe8:
    case 0xe9:
      return shape(false, 4);
    case 0xeb:
      return shape(false, 1);
    case 0xf6:
      return shape(true, reg < 2 ? 1 : 0);
    case 0xf7:
      return shape(true, reg < 2 ? "z" : 0);
  }
  if (op >= 0xd0 && op < 0xe0) return op === 0xd7 ? NONE : MODRM;
  if (op >= 0xe0 && op < 0xe8) return shape(false, 1);
  return op >= 0xfe ? MODRM : NONE;
}

const NO_MODRM_0F = new Set([0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e, 0x77, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa]);
const IMMEDIATE_0F = new Set([0x0f, 0x70, 0x71, 0x72, 0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6]);
const INVALID_0F = new Set([0x04, 0x0a, 0x0c, 0x24, 0x25, 0x26, 0x27, 0x36]);

/** The maps 0F, 0F 38 and 0F 3A (1, 2, 3), legacy or behind VEX and EVEX. */
function shapeOfMap(map: number, op: number): Shape | null {
  if (map === 3) return shape(true, 1);
  if (map === 2) return MODRM;
  if (map !== 1 || INVALID_0F.has(op)) return null;
  if (op >= 0x80 && op < 0x90) return shape(false, 4);
  if (NO_MODRM_0F.has(op) || (op >= 0x30 && op < 0x38) || (op >= 0xc8 && op < 0xd0)) return NONE;
  return IMMEDIATE_0F.has(op) ? shape(true, 1) : MODRM;
}

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** Prefixes and opcode. */
interface Head {
  readonly opcode: number;
  /** 0: the one-byte map. */
  readonly map: number;
  /** Offset behind the opcode. */
  readonly behind: number;
  readonly rex: number;
  readonly isNarrow: boolean;
}

function readHead(code: Uint8Array, start: number): Head | null {
  let at = start;
  let isNarrow = false;
  const byte = (i: number): number => code[i] ?? -1;
  while (PREFIXES.has(byte(at))) if (byte(at++) === 0x66) isNarrow = true;
  let rex = 0;
  if ((byte(at) & 0xf0) === 0x40) rex = byte(at++);
  const first = byte(at);
  const head = (opcode: number, map: number, behind: number): Head | null =>
    opcode < 0 || behind - start > 15 ? null : { opcode, map, behind, rex, isNarrow };
  if (first === 0xc5) return head(byte(at + 2), 1, at + 3);
  if (first === 0xc4) return head(byte(at + 3), byte(at + 1) & 0x1f, at + 4);
  if (first === 0x62) return head(byte(at + 4), byte(at + 1) & 7, at + 5);
  if (first !== 0x0f) return head(first, 0, at + 1);
  const second = byte(at + 1);
  if (second === 0x38 || second === 0x3a) return head(byte(at + 2), second === 0x38 ? 2 : 3, at + 3);
  return head(second, 1, at + 2);
}

/** The instruction at `start`; null if the bytes are none, or end before it does. */
function decode(code: Uint8Array, start: number): CodeInstruction | null {
  const head = readHead(code, start);
  if (head === null) return null;
  const { opcode, map, rex, isNarrow } = head;
  const modrm = code[head.behind] ?? 0;
  const reg = (modrm >> 3) & 7;
  const found = map === 0 ? shapeOfByte(opcode, reg, (rex & 8) !== 0, isNarrow) : shapeOfMap(map, opcode);
  if (found === null) return null;
  let at = head.behind;
  let field: number | null = null;
  if (found.modrm) {
    const mod = modrm >> 6;
    const rm = modrm & 7;
    at++;
    if (mod !== 3) {
      const hasSib = rm === 4;
      const base = hasSib ? (code[at] ?? 0) & 7 : rm;
      if (hasSib) at++;
      if (mod === 0 && rm === 5) field = at;
      at += mod === 1 ? 1 : mod === 2 || (mod === 0 && base === 5) ? 4 : 0;
    }
  }
  const immediateAt = at;
  const immediate = found.immediate === "z" ? (isNarrow ? 2 : 4) : found.immediate;
  at += immediate;
  if (at > code.length || at - start > 15) return null;
  const view = viewOf(code);
  const isIndirect = map === 0 && opcode === 0xff;
  const isLoad = map === 0 && opcode >= 0xb8 && opcode < 0xc0 && immediate === 4;
  return {
    size: at - start,
    relative: relativeOf(view, head, { field, immediateAt, end: at }),
    constant: isLoad
      ? {
          register: (opcode & 7) | ((rex & 1) << 3),
          value: view.getUint32(immediateAt, INSTRUCTIONS_ARE_LITTLE),
          form: "whole",
        }
      : null,
    isCall: (map === 0 && opcode === 0xe8) || (isIndirect && (reg === 2 || reg === 3)),
    isJump:
      (map === 0 && (opcode === 0xe9 || opcode === 0xeb || opcode === 0xc3 || opcode === 0xcc)) ||
      (isIndirect && (reg === 4 || reg === 5)) ||
      (map === 1 && opcode === 0x0b),
  };
}

/** What an instruction says by a distance: a branch by its immediate, data by its operand in memory. Offsets in the code. */
function relativeOf(
  view: DataView,
  { opcode, map }: Head,
  { field, immediateAt, end }: { readonly field: number | null; readonly immediateAt: number; readonly end: number },
): CodeInstruction["relative"] {
  const isShort =
    map === 0 && ((opcode >= 0x70 && opcode < 0x80) || (opcode >= 0xe0 && opcode < 0xe4) || opcode === 0xeb);
  const isNear = (map === 0 && (opcode === 0xe8 || opcode === 0xe9)) || (map === 1 && opcode >= 0x80 && opcode < 0x90);
  if (isShort) return { field: immediateAt, mask: 0xff, to: end + view.getInt8(immediateAt), isBranch: true };
  const at = isNear ? immediateAt : field;
  if (at === null) return null;
  return { field: at, mask: 0xffff_ffff, to: end + view.getInt32(at, INSTRUCTIONS_ARE_LITTLE), isBranch: isNear };
}

/** Instructions without effect that assemblers fill with: nop, prefixed nops, 0F 1F forms, xchg %ax,%ax; int3; zeros. */
function fillAt(code: Uint8Array, at: number, end: number): number {
  const byte = code[at] ?? -1;
  if (byte === 0x90 || byte === 0xcc || byte === 0) return 1;
  let i = at;
  while (i < end && (code[i] === 0x66 || code[i] === 0x2e || code[i] === 0x48)) i++;
  if (i > at && code[i] === 0x90) return i + 1 - at;
  if (code[i] !== 0x0f || code[i + 1] !== 0x1f) return 0;
  const found = decode(code, at);
  return found !== null && at + found.size <= end ? found.size : 0;
}

/** Bytes of a distance. */
const FIELD = 4;

/** A near jump or call keeps its form; a short one does not reach another section. */
function farBranch(code: Uint8Array, field: number): RewrittenField | null {
  const [first, second] = [code[field - 2] ?? 0, code[field - 1] ?? 0];
  const isNear = second === 0xe8 || second === 0xe9 || (first === 0x0f && second >= 0x80 && second < 0x90);
  return isNear ? { type: R_X86_64_PLT32, bias: FIELD, bytes: null, moved: 0 } : null;
}

/** The relaxations of the psABI (x86-64, B.2) that need no table: a load becomes lea, an indirect call or jump a direct one. */
function withoutGot(code: Uint8Array, field: number, type: number): RewrittenField | null {
  if (!RELAXABLE.has(type)) return null;
  const [opcode, modrm] = [code[field - 2] ?? 0, code[field - 1] ?? 0];
  if ((modrm & 0xc7) !== 0x05) return null;
  if (opcode === 0x8b) {
    const content = new Uint8Array([0x8d]);
    return { type: R_X86_64_PC32, bias: FIELD, bytes: { before: 2, content }, moved: 0 };
  }
  if (opcode !== 0xff || type !== R_X86_64_GOTPCRELX) return null;
  const reg = (modrm >> 3) & 7;
  // addr32 call; jmp, and a nop behind it.
  if (reg === 2) {
    const content = new Uint8Array([0x67, 0xe8]);
    return { type: R_X86_64_PLT32, bias: FIELD, bytes: { before: 2, content }, moved: 0 };
  }
  if (reg !== 4) return null;
  const content = new Uint8Array([0xe9, 0, 0, 0, 0, 0x90]);
  return { type: R_X86_64_PLT32, bias: FIELD, bytes: { before: 2, content }, moved: -1 };
}

const types = typesNamed(relocs, x86_64OtherNames);
const BRANCHES = types("R_X86_64_PLT32");
const GOT = types("R_X86_64_GOTPCREL", "R_X86_64_GOTPCRELX", "R_X86_64_REX_GOTPCRELX");
const RELAXABLE = types("R_X86_64_GOTPCRELX", "R_X86_64_REX_GOTPCRELX");
const [R_X86_64_GOTPCRELX] = types("R_X86_64_GOTPCRELX");

// arch/x86/include/asm: alternative.h, asm.h, extable.h, paravirt_types.h, static_call.h, nospec-branch.h, ibt.h.
const tables: readonly OwnedTable[] = [
  // 7.2 has {s32 bug_addr, s32 format, s32 file, u16 line, u16 flags}; without file and line {s32 bug_addr, s32 format, u16 flags}: 12.
  {
    ...BUG_TABLE,
    sizes: [12, 16, 8],
    exempt: [
      { at: 8, size: 2, ofSize: 12, file: 4 },
      { at: 12, size: 2, ofSize: 16, file: 8 },
    ],
  },
  { section: "__ex_table", struct: "exception_table_entry", sizes: [12], owner: 0 },
  JUMP_TABLE,
  KCFI_TRAPS,
  // {s32 instr, s32 repl, u16 cpuid, [u16 flags], u8 instrlen, u8 replacementlen, [u8 padlen]}
  {
    section: ".altinstructions",
    struct: "alt_instr",
    sizes: [14, 12, 13],
    owner: 0,
    piece: { at: 4, size: { byte: -1, fromEnd: 1 } },
  },
  { section: ".parainstructions", struct: "paravirt_patch_site", sizes: [16], owner: 0 },
  { section: ".smp_locks", sizes: [4], owner: 0 },
  { section: ".static_call_sites", struct: "static_call_site", sizes: [8], owner: 0 },
  { section: ".retpoline_sites", sizes: [4], owner: 0 },
  { section: ".return_sites", sizes: [4], owner: 0 },
  { section: ".call_sites", sizes: [4], owner: 0 },
  { section: ".ibt_endbr_seal", sizes: [4], owner: 0 },
  { section: ".cfi_sites", sizes: [4], owner: 0 },
];

const PC32 = typeNamed(relocs, "R_X86_64_PC32");

/** `movabs $CONSTANT,%r` (REX.W B8+r, the place is the constant) becomes `mov NAME(%rip),%r` (REX.WR 8B /r) and a nop of 3 bytes. */
function runtimePointer(code: Uint8Array, place: number): LoadedConstant | null {
  const [rex = 0, opcode = 0] = code.subarray(place - 2, place);
  if (place < 2 || place + 8 > code.length || (rex & 0xfe) !== 0x48 || (opcode & 0xf8) !== 0xb8) return null;
  const isHigh = (rex & 1) !== 0;
  const load = [isHigh ? 0x4c : 0x48, 0x8b, 0x05 | ((opcode & 7) << 3), 0, 0, 0, 0, 0x0f, 0x1f, 0x00];
  return { start: place - 2, code: Uint8Array.from(load), fields: [{ at: 3, type: PC32, addend: -4 }] };
}

export const x86_64Code: CodeTraits = {
  decode,
  fillAt,
  countsFromField: true,
  branchTypes: BRANCHES,
  sameOnBranches: types("R_X86_64_PLT32", "R_X86_64_PC32"),
  relativeTypes: new Set([
    ...types("R_X86_64_PC32", "R_X86_64_PLT32", "R_X86_64_PC64", "R_X86_64_PC8", "R_X86_64_PC16"),
    ...GOT,
  ]),
  noneTypes: types("R_X86_64_NONE"),
  tocTypes: new Set(),
  gotTypes: GOT,
  farBranch,
  withoutGot,
  // endbr64
  landingPads: [new Uint8Array([0xf3, 0x0f, 0x1e, 0xfa])],
  arguments: [7, 6, 2, 1, 8, 9],
  tables,
  flagSlack: { base: 0, share: 0, data: 0, jump: 20 },
  pointerUse: (code, field, start) => x86PointerUse(code, field, decode, start),
  runtimePointer,
};
