// CRC-32 as gzip and xz use it (ISO 3309, polynomial 0xedb88320), eight bytes a step: by a table for each of them, which says what a
// byte comes to when so many zero bytes follow it.

const STEP = 8;

/** Made for the first checksum: most runs need none. All tables, one behind the other. */
let tables: Uint32Array | null = null;

function makeTables(): Uint32Array {
  const all = new Uint32Array(STEP * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    all[n] = c;
  }
  for (let at = 256; at < all.length; at++) {
    const before = all[at - 256] ?? 0;
    all[at] = (all[before & 0xff] ?? 0) ^ (before >>> 8);
  }
  return all;
}

/** The checksum of all bytes. */
export function crc32(bytes: Uint8Array): number {
  tables ??= makeTables();
  const t = tables;
  const byte = (at: number): number => bytes[at] ?? 0;
  const of = (zeros: number, value: number): number => t[zeros * 256 + value] ?? 0;
  let c = -1;
  let at = 0;
  for (const end = bytes.length - (bytes.length % STEP); at < end; at += STEP) {
    c ^= byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
    const near = of(3, byte(at + 4)) ^ of(2, byte(at + 5)) ^ of(1, byte(at + 6)) ^ of(0, byte(at + 7));
    c = of(7, c & 0xff) ^ of(6, (c >>> 8) & 0xff) ^ of(5, (c >>> 16) & 0xff) ^ of(4, c >>> 24) ^ near;
  }
  for (; at < bytes.length; at++) c = of(0, (c ^ byte(at)) & 0xff) ^ (c >>> 8);
  return ~c >>> 0;
}
