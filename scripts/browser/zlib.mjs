// What the library uses of node:zlib, where there is no Node.js: fflate, with zlib's limit of the output.
import { Gunzip, Inflate, Unzlib, zlibSync } from "fflate";

function unpacked(Stream, bytes, { maxOutputLength = 2 ** 31 } = {}) {
  const parts = [];
  let length = 0;
  const stream = new Stream((part) => {
    length += part.length;
    if (length > maxOutputLength) throw new RangeError("the content is larger than it may be");
    parts.push(part);
  });
  // In pieces, so that the limit is looked at before all is unpacked.
  const PIECE = 1 << 16;
  for (let at = 0; at < bytes.length || at === 0; at += PIECE) {
    stream.push(bytes.subarray(at, at + PIECE), at + PIECE >= bytes.length);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const gunzipSync = (bytes, options) => Buffer.from(unpacked(Gunzip, bytes, options).buffer);
export const inflateSync = (bytes, options) => Buffer.from(unpacked(Unzlib, bytes, options).buffer);
export const inflateRawSync = (bytes, options) => Buffer.from(unpacked(Inflate, bytes, options).buffer);
export const deflateSync = (bytes) => Buffer.from(zlibSync(bytes).buffer);
/** Node.js has no zstd in all versions either: what needs it looks for this. */
export const zstdDecompressSync = undefined;
