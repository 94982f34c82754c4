// Instructions that Capstone decodes while the build notes what it needs for them: those of the samples, the same with a few bits changed,
// each operation of the architecture with operands of all kinds, and what kernels have beyond that (collect.mjs). The same ones in each build.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Numbers below 2^32 that look random (xorshift). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const SHF_EXECINSTR = 4;
const SHT_PROGBITS = 1;

/** Sections of code of an object file (ELF, 64 bits, little-endian) that is in order. */
export function* codeOf(bytes) {
  const table = Number(bytes.readBigUInt64LE(40));
  for (let i = 0; i < bytes.readUInt16LE(60); i++) {
    const header = table + 64 * i;
    const flags = Number(bytes.readBigUInt64LE(header + 8));
    if (bytes.readUInt32LE(header + 4) !== SHT_PROGBITS || (flags & SHF_EXECINSTR) === 0) continue;
    const offset = Number(bytes.readBigUInt64LE(header + 24));
    yield bytes.subarray(offset, offset + Number(bytes.readBigUInt64LE(header + 32)));
  }
}

/** Code of the samples for an architecture. */
function* codeOfSamples(root, arch) {
  const folder = join(root, "samples", arch);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => /\.k?o$/.test(path));
  for (const path of files.sort()) yield* codeOf(readFileSync(join(folder, path)));
}

/** Where the list of an architecture is that collect.mjs writes: an instruction a line, in hexadecimal digits. */
export const listOf = (root, arch) => join(root, `scripts/capstone/${arch}.txt`);

function* collected(root, arch) {
  for (const line of readFileSync(listOf(root, arch), "latin1").split("\n"))
    if (line !== "") yield Buffer.from(line, "hex");
}

const wordBytes = (word) => Uint8Array.of(word, word >>> 8, word >>> 16, word >>> 24);

/** Operands: any bits, few, many, or none. */
function operands(random) {
  const [kind, bits] = [random() % 5, random()];
  if (kind === 0) return 0;
  return kind === 1 ? bits & random() : kind === 2 ? bits | random() : bits;
}

/** Words whose bits of `mask` count up, and whose other bits are operands. */
function* countedWords(mask, rounds, random) {
  for (let round = 0; round < rounds; round++) {
    let bits = 0;
    do {
      yield wordBytes(bits | (operands(random) & ~mask));
      bits = ((bits | ~mask) + 1) & mask;
    } while (bits !== 0);
  }
}

const LONGEST_X86 = 15;
/** In front of each opcode byte: the maps of the manual, of VEX, EVEX and XOP, where the second byte and more are operands. */
const X86_HEADS = [
  [],
  [0x0f],
  [0x0f, 0x38],
  [0x0f, 0x3a],
  [0x0f, 0x0f],
  [0xc5, -1],
  [0xc4, -1, -1],
  [0x62, -1, -1, -1],
  [0x8f, -1, -1],
];
const X86_PREFIXES = [
  [],
  [0x66],
  [0xf2],
  [0xf3],
  [0x48],
  [0x66, 0x48],
  [0xf3, 0x48],
  [0x67],
  [0xf0],
  [0x2e],
  [0x65],
  [0x41, -1],
];

function* x86Instructions(rounds, random) {
  for (let round = 0; round < rounds; round++)
    for (const prefix of X86_PREFIXES)
      for (const head of X86_HEADS)
        for (let opcode = 0; opcode < 256; opcode++) {
          const bytes = new Uint8Array(LONGEST_X86);
          for (let at = 0; at < LONGEST_X86; at += 4)
            bytes.set(wordBytes(operands(random)).subarray(0, LONGEST_X86 - at), at);
          const fixed = [...prefix, ...head, opcode];
          fixed.forEach((byte, at) => {
            if (byte >= 0) bytes[at] = byte;
          });
          yield bytes;
        }
}

/** Instructions of code, each place once as it is and some times with bits changed. */
function* changed(code, step, length, random) {
  for (let at = 0; at < code.length; at += step) {
    const bytes = code.subarray(at, at + length);
    yield bytes;
    for (let times = 0; times < 4; times++) {
      const other = Uint8Array.from(bytes);
      for (let bits = 0; bits <= times; bits++) other[random() % other.length] ^= 1 << (random() % 8);
      yield other;
    }
  }
}

/** Primary and extended opcode; and what stands there in vector instructions. */
const PPC_MASK = 0xfc0007fe | 0;
/** Bits 31 to 21, and 15 to 10. */
const ARM_MASK = 0xffe0fc00 | 0;

/**
 * @param root of the project @param arch klplink's name for it
 * @returns bytes of which the first ones are to be decoded; without the list
 */
export function* instructionsWithout(root, arch) {
  const random = randomNumbers(0x6b6c70);
  const [step, length] = arch === "x86_64" ? [1, LONGEST_X86] : [4, 4];
  for (const code of codeOfSamples(root, arch)) yield* changed(code, step, length, random);
  if (arch === "x86_64") yield* x86Instructions(3, random);
  else yield* countedWords(arch === "arm64" ? ARM_MASK : PPC_MASK, 1, random);
}

/** As {@link instructionsWithout}, and those of the list. */
export function* instructionsFor(root, arch) {
  yield* instructionsWithout(root, arch);
  yield* collected(root, arch);
}
