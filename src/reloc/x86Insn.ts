// The form of x86-64 instructions: how long one is, and where its displacement and its immediate stand. Nothing of what it does.
// Intel SDM volume 2, chapter 2 and appendix A (opcode maps); AMD APM volume 3 for XOP and 3DNow!.

/** A field of an instruction: bytes from its first, and how many. */
export interface InsnField {
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

export interface Insn {
  /** Bytes. */
  readonly length: number;
  /** Opcode map: 0 one byte, 1 0f, 2 0f 38, 3 0f 3a; more for VEX, EVEX and XOP. */
  readonly map: number;
  readonly opcode: number;
  readonly displacement: InsnField | null;
  /** Whether the displacement counts from the next instruction. */
  readonly isRip: boolean;
  readonly immediate: InsnField | null;
  /** Whether the immediate is the distance of a branch. */
  readonly isBranch: boolean;
}

/** What follows an opcode. `z`: 4 bytes, 2 with 66. `v`: 8 with REX.W, else as z. `o`: an address. `t`: 1 or z for TEST only. */
type Immediate = "" | "b" | "w" | "z" | "v" | "o" | "e" | "r" | "j" | "t";

/** One character a row: `.` no opcode, `-` opcode alone, `m` ModRM; small letters an immediate, capitals ModRM and an immediate. */
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

const isLegacyPrefix = (b: number): boolean =>
  b === 0x66 || b === 0x67 || (b & 0xe7) === 0x26 || (b & 0xfe) === 0x64 || b === 0xf0 || b === 0xf2 || b === 0xf3;

/** Prefixes before an opcode. */
interface Prefixes {
  readonly operand16: boolean;
  readonly address32: boolean;
  readonly wide: boolean;
}

/** Longest instruction, in bytes: the processor refuses more. */
const LONGEST = 15;

/** The instruction at `at`; null if none is known that begins there, or it does not end within the code. */
export function decodeInsn(code: Uint8Array, at: number): Insn | null {
  let here = at;
  let operand16 = false;
  let address32 = false;
  for (; isLegacyPrefix(code[here] ?? 0); here++) {
    operand16 ||= code[here] === 0x66;
    address32 ||= code[here] === 0x67;
    if (here - at > LONGEST) return null;
  }
  const first = code[here] ?? 0;
  if (first === 0xc5 || first === 0xc4 || first === 0x62) return vector(code, at, here);
  if (first === 0x8f && ((code[here + 1] ?? 0) & 0x1f) >= 8) return vector(code, at, here);
  let rex = 0;
  if ((first & 0xf0) === 0x40) {
    rex = first;
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
  if (opcode === undefined) return null;
  const kind = map === 0 ? ONE[opcode] : map === 1 ? TWO[opcode] : map === 2 ? "m" : "B";
  if (kind === undefined || kind === ".") return null;
  const prefixes = { operand16, address32, wide: (rex & 8) !== 0 };
  return operands(code, at, here, { map, opcode, kind, prefixes });
}

interface Head {
  readonly map: number;
  readonly opcode: number;
  readonly kind: string;
  readonly prefixes: Prefixes;
}

const NO_PREFIXES: Prefixes = { operand16: false, address32: false, wide: false };

/** VEX, EVEX and XOP: the map stands in the prefix. All have ModRM, but for vzeroupper and vzeroall. */
function vector(code: Uint8Array, at: number, here: number): Insn | null {
  const form = code[here];
  const payload = form === 0xc5 ? 1 : form === 0x62 ? 3 : 2;
  const map = form === 0xc5 ? 1 : (code[here + 1] ?? 0) & (form === 0x62 ? 7 : 0x1f);
  const next = here + 1 + payload;
  const opcode = code[next];
  if (opcode === undefined) return null;
  let kind = "m";
  if (map === 1 && opcode === 0x77) kind = "-";
  else if (map === 3 || map === 8 || (map === 1 && /[B]/.test(TWO[opcode] ?? "") && opcode >= 0x70)) kind = "B";
  else if (map === 10) kind = "Z";
  else if (map === 0 || map === 4 || map === 7) return null;
  return operands(code, at, next, { map: map + 0x10, opcode, kind, prefixes: NO_PREFIXES });
}

/** @param here the opcode's last byte */
function operands(code: Uint8Array, at: number, here: number, { map, opcode, kind, prefixes }: Head): Insn | null {
  let end = here + 1;
  let displacement: InsnField | null = null;
  let isRip = false;
  let modrm = 0;
  if (kind === "m" || kind !== kind.toLowerCase()) {
    modrm = code[end++] ?? 0;
    const mode = modrm >> 6;
    const rm = modrm & 7;
    let base = rm;
    // Moves to and from control and debug registers have registers only, whatever the mode says.
    const isRegister = mode === 3 || (map === 1 && opcode >= 0x20 && opcode <= 0x23);
    if (!isRegister && rm === 4) base = (code[end++] ?? 0) & 7;
    const bytes = isRegister ? 0 : mode === 1 ? 1 : mode === 2 || base === 5 ? 4 : 0;
    isRip = !isRegister && mode === 0 && rm === 5;
    if (bytes !== 0) displacement = { at: end - at, bytes };
    end += bytes;
  }
  const letter = (kind === "m" || kind === "-" ? "" : kind.toLowerCase()) as Immediate;
  const size = sizeOf(letter, modrm, opcode, prefixes);
  const first = size === 3 ? 2 : size;
  const immediate = size === 0 ? null : { at: end - at, bytes: first as InsnField["bytes"] };
  end += size;
  if (end > code.length || end - at > LONGEST) return null;
  const isBranch = letter === "j" || letter === "r" || (map === 0 && opcode === 0xc7 && modrm === 0xf8);
  return { length: end - at, map, opcode, displacement, isRip, immediate, isBranch };
}

/** Bytes behind the addressing. */
function sizeOf(letter: Immediate, modrm: number, opcode: number, prefixes: Prefixes): number {
  const z = prefixes.operand16 && !prefixes.wide ? 2 : 4;
  switch (letter) {
    case "":
      return 0;
    case "b":
    case "r":
      return 1;
    case "w":
      return 2;
    case "z":
      return z;
    case "v":
      return prefixes.wide ? 8 : z;
    case "o":
      return prefixes.address32 ? 4 : 8;
    case "e":
      return 3;
    case "j":
      return 4;
    case "t":
      // Group 3: only TEST, the first two, has one.
      return (modrm & 0x30) !== 0 ? 0 : opcode === 0xf6 ? 1 : z;
  }
}
