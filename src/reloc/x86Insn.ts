// The form of x86-64 instructions: how long one is, and where its displacement and its immediate stand. Nothing of what it does.
// Intel SDM volume 2, chapter 2 and appendix A (opcode maps); AMD APM volume 3 for XOP and 3DNow!.

/** An instruction: its fields in one number, so that nothing is made for each of a module's. 0: none is known. */
export type Insn = number;

/** Where the fields stand in it. */
const [DISPLACEMENT_AT, DISPLACEMENT_FORM, IMMEDIATE_AT, IMMEDIATE_BYTES, OPCODE, MAP] = [
  4, 8, 10, 14, 20, 28,
] as const;
const DISPLACEMENTS = [0, 1, 4] as const;
const IS_RIP = 1 << 18;
const IS_BRANCH = 1 << 19;

/** Bytes. */
export const lengthOf = (insn: Insn): number => insn & 0xf;
/** Bytes from the first one of the instruction to its displacement. */
export const displacementAt = (insn: Insn): number => (insn >>> DISPLACEMENT_AT) & 0xf;
/** 0, 1 or 4; 0 if it has none. */
export const displacementBytes = (insn: Insn): number => DISPLACEMENTS[(insn >>> DISPLACEMENT_FORM) & 3] ?? 0;
/** Whether the displacement counts from the next instruction. */
export const isRip = (insn: Insn): boolean => (insn & IS_RIP) !== 0;
/** Bytes from the first one of the instruction to its immediate. */
export const immediateAt = (insn: Insn): number => (insn >>> IMMEDIATE_AT) & 0xf;
/** 0 if it has none. */
export const immediateBytes = (insn: Insn): number => (insn >>> IMMEDIATE_BYTES) & 0xf;
/** Whether the immediate is the distance of a branch. */
export const isBranch = (insn: Insn): boolean => (insn & IS_BRANCH) !== 0;
/** Whether it is the near return without an immediate. */
export const isNearReturn = (insn: Insn): boolean => insn >>> OPCODE === RETURN;

const RETURN = 0xc3;
/** Opcode maps: 0 one byte, 1 0f, 2 0f 38, 3 0f 3a; this for those of VEX, EVEX and XOP. */
const VECTOR = 4;

/**
 * One character a row: `.` no opcode, `-` opcode alone, `m` ModRM; small letters an immediate, capitals ModRM and an immediate:
 * `z`: 4 bytes, 2 with 66. `v`: 8 with REX.W, else as z. `o`: an address. `t`: 1 or z for TEST only.
 */
const ONE =
  "mmmmbz..mmmmbz..mmmmbz..mmmmbz..mmmmbz..mmmmbz..mmmmbz..mmmmbz.." + // 00-3f
  "................----------------...m....zZbB----rrrrrrrrrrrrrrrr" + // 40-7f; prefixes and REX are taken before
  "BZ.Bmmmmmmmmmmmm----------.-----oooo----bz------bbbbbbbbvvvvvvvv" + // 80-bf
  "BBw-..BZe-w--b.-mmmm...-mmmmmmmmrrrrbbbbjj.r----.-..--TT------mm"; // c0-ff
const TWO =
  "mmmm.---" +
  "--.-.m-B" +
  "mmmmmmmm" +
  "mmmmmmmm" +
  "mmmm...." +
  "mmmmmmmm" +
  "------.-" +
  "........" + // 00-3f
  "mmmmmmmmmmmmmmmm" +
  "mmmmmmmmmmmmmmmm" +
  "mmmmmmmmmmmmmmmm" +
  "BBBBmmm-" +
  "mm..mmmm" + // 40-7f
  "jjjjjjjjjjjjjjjj" +
  "mmmmmmmmmmmmmmmm" +
  "---mBmmm" +
  "---mBmmm" +
  "mmmmmmmm" +
  "mmBmmmmm" + // 80-bf
  "mmBmBBBm" +
  "--------" +
  "mmmmmmmmmmmmmmmm" +
  "mmmmmmmmmmmmmmmm" +
  "mmmmmmmmmmmmmmmm"; // c0-ff

const codes = (rows: string): Uint8Array => Uint8Array.from(rows, (c) => c.charCodeAt(0));
const ONE_BYTE = codes(ONE);
const TWO_BYTES = codes(TWO);
const codeOf = (letter: string): number => letter.charCodeAt(0);
const NO_OPCODE = codeOf(".");
const ALONE = codeOf("-");
const MODRM = codeOf("m");
const MODRM_BYTE = codeOf("B");
const MODRM_WORD = codeOf("Z");
const [B, E, J, O, R] = [codeOf("b"), codeOf("e"), codeOf("j"), codeOf("o"), codeOf("r")];
const [T, V, W, Z] = [codeOf("t"), codeOf("v"), codeOf("w"), codeOf("z")];

const isLegacyPrefix = (b: number): boolean =>
  b === 0x66 || b === 0x67 || (b & 0xe7) === 0x26 || (b & 0xfe) === 0x64 || b === 0xf0 || b === 0xf2 || b === 0xf3;

/** Letters whose immediate has the same size whatever prefix of these is there, and how many bytes. */
const EASY_IMMEDIATES: ReadonlyMap<number, number> = new Map([
  [B, 1],
  [R, 1],
  [Z, 4],
  [J, 4],
]);
const MAYBE_MORE = 0x80;
const [IS_EASY, HAS_MODRM] = [0x10, 0x100] as const;
/** By opcode of one byte, then of two: the immediate's bytes in the low four bits; whether ModRM follows. 0: not an easy one. */
const EASY = Uint16Array.from([...ONE_BYTE, ...TWO_BYTES], easyForm);

function easyForm(kind: number, row: number): number {
  const opcode = row & 0xff;
  const isTwo = row > 0xff;
  // Prefixes; 0f, which has a row of its own; moves to and from control registers.
  if (isTwo ? opcode === 0x38 || opcode === 0x3a || (opcode & 0xfc) === 0x20 : opcode === 0x8f) return 0;
  const immediate = EASY_IMMEDIATES.get(kind | 0x20) ?? 0;
  if (kind === ALONE) return IS_EASY;
  if (kind === MODRM) return IS_EASY | HAS_MODRM;
  if (kind === NO_OPCODE || immediate === 0) return 0;
  return IS_EASY | immediate | ((kind & 0x20) === 0 ? HAS_MODRM : 0);
}

/** Behind ModRM: its own byte, SIB and displacement; nothing where there is none, with {@link HAS_MODRM} unset. */
const EXTRA = Uint8Array.from({ length: 0x200 }, (_, row) => {
  const [mode, rm] = [(row >> 6) & 3, row & 7];
  if ((row & HAS_MODRM) === 0) return 0;
  const sib = mode !== 3 && rm === 4 ? 1 : 0;
  const displacement = mode === 1 ? 1 : mode === 2 || (mode === 0 && rm === 5) ? 4 : 0;
  // SIB without a base has four bytes more: it tells itself.
  return 1 + sib + displacement + (sib === 1 && mode === 0 ? MAYBE_MORE : 0);
});

/** Prefixes before an opcode. */
const OPERAND_16 = 1;
const ADDRESS_32 = 2;
const WIDE = 4;

/** Longest instruction, in bytes: the processor refuses more. */
const LONGEST = 15;

/** The instruction at `at`; 0 if none is known that begins there, or it does not end within the code. */
export function decodeInsn(code: Uint8Array, at: number): Insn {
  let here = at;
  let prefixes = 0;
  let first = code[here] ?? 0;
  while (isLegacyPrefix(first)) {
    if (first === 0x66) prefixes |= OPERAND_16;
    else if (first === 0x67) prefixes |= ADDRESS_32;
    if (here - at > LONGEST) return 0;
    first = code[++here] ?? 0;
  }
  if (first === 0xc5 || first === 0xc4 || first === 0x62) return vector(code, at, here);
  if (first === 0x8f && ((code[here + 1] ?? 0) & 0x1f) >= 8) return vector(code, at, here);
  if ((first & 0xf0) === 0x40) {
    if ((first & 8) !== 0) prefixes |= WIDE;
    first = code[++here] ?? 0;
  }
  let map = 0;
  if (first === 0x0f) {
    map = 1;
    first = code[++here] ?? 0;
    if (first === 0x38 || first === 0x3a) {
      map = first === 0x38 ? 2 : 3;
      first = code[++here] ?? 0;
    }
  }
  // What lies behind the code is 0, and nothing of it ends within the code.
  const kind = map === 0 ? ONE_BYTE[first] : map === 1 ? TWO_BYTES[first] : map === 2 ? MODRM : MODRM_BYTE;
  return kind === undefined || kind === NO_OPCODE ? 0 : operands(code, at, here, kind | (prefixes << 8) | (map << 16));
}

/**
 * Bytes of the instruction at `at`, as {@link decodeInsn} has them; 0 if none is known. Most have no prefix but REX, and an immediate
 * that no prefix changes: those take three look-ups.
 */
export function insnLength(code: Uint8Array, at: number): number {
  let here = at;
  let opcode = code[here] ?? 0;
  if ((opcode & 0xf0) === 0x40) opcode = code[++here] ?? 0;
  let form = EASY[opcode] ?? 0;
  if (opcode === 0x0f) form = EASY[0x100 | (code[++here] ?? 0)] ?? 0;
  if (form === 0) return lengthOf(decodeInsn(code, at));
  let extra = EXTRA[(form & HAS_MODRM) | (code[here + 1] ?? 0)] ?? 0;
  if ((extra & MAYBE_MORE) !== 0) extra = (extra & 0xf) + (((code[here + 2] ?? 0) & 7) === 5 ? 4 : 0);
  const end = here + 1 + extra + (form & 0xf);
  return end <= code.length ? end - at : 0;
}

/** VEX, EVEX and XOP: the map stands in the prefix. All have ModRM, but for vzeroupper and vzeroall. */
function vector(code: Uint8Array, at: number, here: number): Insn {
  const form = code[here];
  const payload = form === 0xc5 ? 1 : form === 0x62 ? 3 : 2;
  const map = form === 0xc5 ? 1 : (code[here + 1] ?? 0) & (form === 0x62 ? 7 : 0x1f);
  const next = here + 1 + payload;
  const opcode = code[next];
  if (opcode === undefined) return 0;
  let kind = MODRM;
  if (map === 1 && opcode === 0x77) kind = ALONE;
  else if (map === 3 || map === 8 || (map === 1 && TWO_BYTES[opcode] === MODRM_BYTE && opcode >= 0x70))
    kind = MODRM_BYTE;
  else if (map === 10) kind = MODRM_WORD;
  else if (map === 0 || map === 4 || map === 7) return 0;
  return operands(code, at, next, kind | (VECTOR << 16));
}

/** @param here the opcode's last byte @param form the row's character, the prefixes above it, and the map above those */
function operands(code: Uint8Array, at: number, here: number, form: number): Insn {
  const kind = form & 0xff;
  const map = form >> 16;
  const opcode = code[here] ?? 0;
  let packed = (opcode << OPCODE) | (map << MAP);
  let end = here + 1;
  let modrm = 0;
  // Small letters have bit 5.
  if (kind === MODRM || ((kind & 0x20) === 0 && kind !== ALONE)) {
    modrm = code[end++] ?? 0;
    const mode = modrm >> 6;
    const rm = modrm & 7;
    // Moves to and from control and debug registers have registers only, whatever the mode says.
    if (mode !== 3 && !(map === 1 && opcode >= 0x20 && opcode <= 0x23)) {
      const base = rm === 4 ? (code[end++] ?? 0) & 7 : rm;
      if (mode === 0 && rm === 5) packed |= IS_RIP;
      packed |= ((end - at) & 0xf) << DISPLACEMENT_AT;
      if (mode === 1) {
        packed |= 1 << DISPLACEMENT_FORM;
        end++;
      } else if (mode === 2 || base === 5) {
        packed |= 2 << DISPLACEMENT_FORM;
        end += 4;
      }
    }
  }
  if (kind !== MODRM && kind !== ALONE) {
    const letter = kind | 0x20;
    const size = sizeOf(letter, modrm, opcode, form >> 8);
    packed |= (((end - at) & 0xf) << IMMEDIATE_AT) | ((size === 3 ? 2 : size) << IMMEDIATE_BYTES);
    end += size;
    if (letter === J || letter === R || (map === 0 && opcode === 0xc7 && modrm === 0xf8)) packed |= IS_BRANCH;
  }
  const length = end - at;
  return end <= code.length && length <= LONGEST ? packed | length : 0;
}

/** Bytes behind the addressing. */
function sizeOf(letter: number, modrm: number, opcode: number, prefixes: number): number {
  const z = (prefixes & (OPERAND_16 | WIDE)) === OPERAND_16 ? 2 : 4;
  switch (letter) {
    case B:
    case R:
      return 1;
    case W:
      return 2;
    case Z:
      return z;
    case V:
      return (prefixes & WIDE) !== 0 ? 8 : z;
    case O:
      return (prefixes & ADDRESS_32) !== 0 ? 4 : 8;
    case E:
      return 3;
    case J:
      return 4;
    case T:
      // Group 3: only TEST, the first two, has one.
      return (modrm & 0x30) !== 0 ? 0 : opcode === 0xf6 ? 1 : z;
    default:
      return 0;
  }
}
