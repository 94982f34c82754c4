// The form of x86-64 instructions: how long one is, and where its displacement and its immediate stand. Nothing of what it does.
// Intel SDM volume 2, chapter 2 and appendix A (opcode maps); AMD APM volume 3 for XOP and 3DNow!.

/** Offsets and sizes are bytes, offsets from the first byte of the instruction; a field of 0 bytes is not there. */
export interface Insn {
  length: number;
  /** Opcode map: 0 one byte, 1 0f, 2 0f 38, 3 0f 3a; more for VEX, EVEX and XOP. */
  map: number;
  opcode: number;
  displacementAt: number;
  displacementBytes: number;
  /** Whether the displacement counts from the next instruction. */
  isRip: boolean;
  immediateAt: number;
  immediateBytes: number;
  /** Whether the immediate is the distance of a branch. */
  isBranch: boolean;
}

/** One to decode into. */
export const emptyInsn = (): Insn => ({
  length: 0,
  map: 0,
  opcode: 0,
  displacementAt: 0,
  displacementBytes: 0,
  isRip: false,
  immediateAt: 0,
  immediateBytes: 0,
  isBranch: false,
});

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

/** Prefixes before an opcode. */
const OPERAND_16 = 1;
const ADDRESS_32 = 2;
const WIDE = 4;

/** Longest instruction, in bytes: the processor refuses more. */
const LONGEST = 15;

/** The instruction at `at`; null if none is known that begins there, or it does not end within the code. */
export function decodeInsn(code: Uint8Array, at: number): Insn | null {
  const insn = emptyInsn();
  return decodeInto(insn, code, at) ? insn : null;
}

/** As {@link decodeInsn}, into what there is: for all instructions of a module. False if none is known; `insn` then says nothing. */
export function decodeInto(insn: Insn, code: Uint8Array, at: number): boolean {
  let here = at;
  let prefixes = 0;
  let first = code[here] ?? 0;
  while (isLegacyPrefix(first)) {
    if (first === 0x66) prefixes |= OPERAND_16;
    else if (first === 0x67) prefixes |= ADDRESS_32;
    if (here - at > LONGEST) return false;
    first = code[++here] ?? 0;
  }
  if (first === 0xc5 || first === 0xc4 || first === 0x62) return vector(insn, code, at, here);
  if (first === 0x8f && ((code[here + 1] ?? 0) & 0x1f) >= 8) return vector(insn, code, at, here);
  if ((first & 0xf0) === 0x40) {
    if ((first & 8) !== 0) prefixes |= WIDE;
    here++;
  }
  let map = 0;
  if (code[here] === 0x0f) {
    map = 1;
    here++;
    if (code[here] === 0x38 || code[here] === 0x3a) {
      map = code[here] === 0x38 ? 2 : 3;
      here++;
    }
  }
  const opcode = code[here];
  if (opcode === undefined) return false;
  insn.map = map;
  insn.opcode = opcode;
  const kind = map === 0 ? ONE_BYTE[opcode] : map === 1 ? TWO_BYTES[opcode] : map === 2 ? MODRM : MODRM_BYTE;
  return kind !== undefined && kind !== NO_OPCODE && operands(insn, code, at, here, kind | (prefixes << 8));
}

/** VEX, EVEX and XOP: the map stands in the prefix. All have ModRM, but for vzeroupper and vzeroall. */
function vector(insn: Insn, code: Uint8Array, at: number, here: number): boolean {
  const form = code[here];
  const payload = form === 0xc5 ? 1 : form === 0x62 ? 3 : 2;
  const map = form === 0xc5 ? 1 : (code[here + 1] ?? 0) & (form === 0x62 ? 7 : 0x1f);
  const next = here + 1 + payload;
  const opcode = code[next];
  if (opcode === undefined) return false;
  let kind = MODRM;
  if (map === 1 && opcode === 0x77) kind = ALONE;
  else if (map === 3 || map === 8 || (map === 1 && TWO_BYTES[opcode] === MODRM_BYTE && opcode >= 0x70))
    kind = MODRM_BYTE;
  else if (map === 10) kind = MODRM_WORD;
  else if (map === 0 || map === 4 || map === 7) return false;
  insn.map = map + 0x10;
  insn.opcode = opcode;
  return operands(insn, code, at, next, kind);
}

/** @param here the opcode's last byte @param form the row's character, and the prefixes above it */
function operands(insn: Insn, code: Uint8Array, at: number, here: number, form: number): boolean {
  const kind = form & 0xff;
  const { map, opcode } = insn;
  let end = here + 1;
  let modrm = 0;
  insn.displacementBytes = 0;
  insn.isRip = false;
  // Small letters have bit 5.
  if (kind === MODRM || ((kind & 0x20) === 0 && kind !== ALONE)) {
    modrm = code[end++] ?? 0;
    const mode = modrm >> 6;
    const rm = modrm & 7;
    // Moves to and from control and debug registers have registers only, whatever the mode says.
    if (mode !== 3 && !(map === 1 && opcode >= 0x20 && opcode <= 0x23)) {
      const base = rm === 4 ? (code[end++] ?? 0) & 7 : rm;
      const bytes = mode === 1 ? 1 : mode === 2 || base === 5 ? 4 : 0;
      insn.isRip = mode === 0 && rm === 5;
      insn.displacementAt = end - at;
      insn.displacementBytes = bytes;
      end += bytes;
    }
  }
  const letter = kind === MODRM || kind === ALONE ? 0 : kind | 0x20;
  const size = letter === 0 ? 0 : sizeOf(letter, modrm, opcode, form >> 8);
  insn.immediateAt = end - at;
  insn.immediateBytes = size === 3 ? 2 : size;
  end += size;
  insn.length = end - at;
  insn.isBranch = letter === J || letter === R || (map === 0 && opcode === 0xc7 && modrm === 0xf8);
  return end <= code.length && insn.length <= LONGEST;
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
