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

/** What is used of it; neither the language's own types nor Node's have it. */
declare const WebAssembly: { readonly Instance: new (module: object, imports: object) => object };
type Decoder = InstanceType<typeof import("zstddec/stream").ZSTDDecoder>;

/** Bytes that the decoder's memory may keep for the next ones. */
const KEPT = 0x40_0000;

/**
 * The decoder in WebAssembly. Its memory never shrinks, and what it had taken for data that turn out to be damaged stays taken: then, and
 * after what is large, it gets a new one.
 */
class Wasm {
  static #only: Promise<Wasm> | null = null;
  readonly #decoder: Decoder;
  readonly #module: object;

  private constructor(made: Decoder, module: object) {
    this.#decoder = made;
    this.#module = module;
  }

  static load(): Promise<Wasm> {
    Wasm.#only ??= Wasm.#load();
    return Wasm.#only;
  }

  static async #load(): Promise<Wasm> {
    const { ZSTDDecoder } = await import("zstddec/stream");
    const made = new ZSTDDecoder();
    let module: object | null = null;
    const init = made._init.bind(made) as (result: { readonly module: object }) => void;
    made._init = (result: { readonly module: object }) => {
      module = result.module;
      init(result);
    };
    await made.init();
    if (module === null) throw new Error("zstddec was loaded before");
    return new Wasm(made, module);
  }

  #renew(): void {
    const source: { instance: object | null } = { instance: null };
    const init = (): void => Object.getPrototypeOf(this.#decoder)._init(source);
    source.instance = new WebAssembly.Instance(this.#module, { env: { emscripten_notify_memory_growth: init } });
    init();
  }

  /** The content of one frame. @param size that it must have, bytes @throws ZstdError */
  decode(packed: Uint8Array, size: number): Uint8Array {
    let isGood = false;
    try {
      const found = this.#decoder.decode(packed, size);
      if (found.length !== size) throw new ZstdError("the zstd data are damaged");
      isGood = true;
      return found;
    } finally {
      if (!isGood || packed.length + size > KEPT) this.#renew();
    }
  }

  /** The content of frames, in pieces. Throws whatever it likes for damaged data. */
  *decodeInPieces(packed: Uint8Array): Generator<Uint8Array> {
    let size = zstdWindow(packed) + packed.length;
    let isWhole = false;
    try {
      for (const piece of this.#decoder.decodeStreaming([packed])) {
        size += piece.length;
        yield piece;
      }
      isWhole = true;
    } finally {
      if (!isWhole || size > KEPT) this.#renew();
    }
  }
}

/** The unpacker for frames of known size. Loaded only where it is needed. */
export async function loadZstd(): Promise<ZstdUnpacker> {
  const built = await native();
  if (built !== null) {
    return (packed, size) => built(packed, { maxOutputLength: Math.max(1, size), params: LARGEST_WINDOW });
  }
  const wasm = await Wasm.load();
  return (packed, size) => {
    if (size === 0) return new Uint8Array(0);
    return packed.length + size > AT_ONCE ? inPieces(wasm, packed, size) : wasm.decode(packed, size);
  };
}

/**
 * The content of a file of zstd frames.
 * @param limit bytes that it may unpack to
 * @throws ZstdError
 */
export async function unpackZstd(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const built = await native();
  if (built === null) return inPieces(await Wasm.load(), bytes, limit);
  try {
    return built(bytes, { maxOutputLength: Math.max(1, limit), params: LARGEST_WINDOW });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new ZstdError("the zstd data are damaged or cut off", isTooLarge);
  }
}

function inPieces(wasm: Wasm, bytes: Uint8Array, limit: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  let silent = 0;
  // Larger windows are of no kernel, and need memory before anything is unpacked.
  if (zstdWindow(bytes) > Math.max(limit, 0x800_0000)) throw new ZstdError("the zstd data want a larger window", true);
  for (const piece of wasm.decodeInPieces(bytes)) {
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
