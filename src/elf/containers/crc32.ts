// CRC-32 as gzip and xz use it (ISO 3309, polynomial 0xedb88320).

/** Made for the first checksum: most runs need none. */
let table: Uint32Array | null = null;

const makeTable = (): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });

/** The checksum of all bytes. */
export function crc32(bytes: Uint8Array): number {
  table ??= makeTable();
  let c = 0xffff_ffff;
  for (const b of bytes) c = (table[(c ^ b) & 0xff] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffff_ffff) >>> 0;
}
