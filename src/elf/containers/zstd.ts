// zstd (RFC 8878): by Node.js where it has it, else by a decoder in WebAssembly.

import { latin1 } from "../../base/bytes.ts";

/** The data are damaged, cut off, or unpack to more than is allowed. */
export class ZstdError extends Error {
  /** Whether they are more than is allowed. */
  readonly isTooLarge: boolean;
  constructor(what: string, isTooLarge = false) {
    super(what);
    this.isTooLarge = isTooLarge;
  }
}

/** Unpacks one frame of known size, bytes. Throws whatever it likes for damaged data. */
export type ZstdUnpacker = (packed: Uint8Array, size: number) => Uint8Array;

type Native = (from: Uint8Array, options: object) => Uint8Array;
/** Parameter 100 is the largest window that is allowed (ZSTD_d_windowLogMax), as a power of two. */
const LARGEST_WINDOW = { 100: 31 };
/** Beyond this, packed and unpacked, the decoder is fed in pieces: its memory ends at 2 GiB. */
const AT_ONCE = 0x3000_0000;
/** Calls of the decoder that may take data and give none, one after the other: it stands still where there are more. */
const MOST_SILENT = 1000;

/** Node.js 22.15 and later has it built in. */
async function native(): Promise<Native | null> {
  const zlib: object & { zstdDecompressSync?: Native } = (await import("node:zlib")).default;
  return zlib.zstdDecompressSync ?? null;
}

async function decoder(): Promise<InstanceType<typeof import("zstddec/stream").ZSTDDecoder>> {
  const { ZSTDDecoder } = await import("zstddec/stream");
  const made = new ZSTDDecoder();
  await made.init();
  return made;
}

/** The unpacker for frames of known size. Loaded only where it is needed. */
export async function loadZstd(): Promise<ZstdUnpacker> {
  const built = await native();
  if (built !== null) {
    return (packed, size) => built(packed, { maxOutputLength: Math.max(1, size), params: LARGEST_WINDOW });
  }
  const wasm = await decoder();
  return (packed, size) => {
    if (size === 0) return new Uint8Array(0);
    if (packed.length + size > AT_ONCE) return inPieces(wasm, packed, size);
    const found = wasm.decode(packed, size);
    if (found.length !== size) throw new ZstdError("the zstd data are damaged");
    return found;
  };
}

/**
 * The content of a file of zstd frames.
 * @param limit bytes that it may unpack to
 * @throws ZstdError
 */
export async function unpackZstd(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const built = await native();
  if (built === null) return inPieces(await decoder(), bytes, limit);
  try {
    return built(bytes, { maxOutputLength: Math.max(1, limit), params: LARGEST_WINDOW });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new ZstdError("the zstd data are damaged or cut off", isTooLarge);
  }
}

function inPieces(wasm: Awaited<ReturnType<typeof decoder>>, bytes: Uint8Array, limit: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  let silent = 0;
  // Larger windows are of no kernel, and need memory before anything is unpacked.
  if (zstdWindow(bytes) > Math.max(limit, 0x800_0000)) throw new ZstdError("the zstd data want a larger window", true);
  for (const piece of wasm.decodeStreaming([bytes])) {
    size += piece.length;
    if (size > limit) throw new ZstdError("the zstd data unpack to more", true);
    silent = piece.length === 0 ? silent + 1 : 0;
    // Damaged data leave it where it is for ever.
    if (silent > MOST_SILENT) throw new ZstdError("the zstd data are damaged");
    if (piece.length > 0) pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Bytes of history that the first frame asks for (RFC 8878, 3.1.1.1): allocated before anything is unpacked. */
export function zstdWindow(bytes: Uint8Array): number {
  const descriptor = bytes[4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  if (latin1(bytes, 0, 4) !== "\x28\xb5\x2f\xfd") return 0;
  if (!isSingle) {
    const window = bytes[5] ?? 0;
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 7);
  }
  const start = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const size = [1, 2, 4, 8][descriptor >> 6] ?? 0;
  let claimed = size === 2 ? 256 : 0;
  for (let k = 0; k < size; k++) claimed += (bytes[start + k] ?? 0) * 2 ** (8 * k);
  return claimed;
}
