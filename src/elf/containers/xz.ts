// The headers of an .xz file, as far as they tell what a reader must be able to do (The .xz File Format 1.1.0, 2.1.1 and 3.1).

/** What the first stream and its first block ask of a reader. */
export interface XzForm {
  /** Type of the integrity check: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256. */
  readonly check: number;
  /** Filters of the first block, in the order of packing; the last one is LZMA2 (0x21). */
  readonly filters: readonly number[];
}

export const XZ_CHECKS: Readonly<Record<number, string>> = { 0: "no check", 1: "CRC32", 4: "CRC64", 10: "SHA-256" };
export const XZ_LZMA2 = 0x21;
export const XZ_FILTERS: Readonly<Record<number, string>> = {
  3: "delta",
  4: "x86 BCJ",
  5: "PowerPC BCJ",
  6: "IA-64 BCJ",
  7: "ARM BCJ",
  8: "ARM-Thumb BCJ",
  9: "SPARC BCJ",
  10: "ARM64 BCJ",
  11: "RISC-V BCJ",
  [XZ_LZMA2]: "LZMA2",
};

/** Null if the headers are cut off. The file begins with the six bytes of an .xz file. */
export function readXzForm(bytes: Uint8Array): XzForm | null {
  const size = bytes[HEADER];
  const flags = bytes[HEADER + 1];
  if (size === undefined || flags === undefined) return null;
  const check = (bytes[7] ?? 0) & 0xf;
  // An empty file: the index stands in place of a block.
  if (size === 0) return { check, filters: [XZ_LZMA2] };
  const header = bytes.subarray(0, HEADER + (size + 1) * 4);
  let at = HEADER + 2;
  const number = (): number => {
    let value = 0;
    for (let k = 0; k < 9; k++) {
      const byte = header[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * k);
      if ((byte & 0x80) === 0) break;
    }
    return value;
  };
  if ((flags & 0x40) !== 0) number();
  if ((flags & 0x80) !== 0) number();
  const filters: number[] = [];
  for (let k = 0; k <= (flags & 3); k++) {
    filters.push(number());
    const properties = number();
    at += properties;
  }
  return at > header.length ? null : { check, filters };
}

/** Bytes of the stream header. */
const HEADER = 12;
