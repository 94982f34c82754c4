// The functions of node:zlib that are used, by pako; with their limit on what comes out.
import { Buffer } from "buffer/";
import pako from "pako";

function inflated(bytes, limit, windowBits) {
  const inflate = new pako.Inflate({ windowBits, chunkSize: 1 << 18 });
  const chunks = [];
  let size = 0;
  inflate.onData = (chunk) => {
    size += chunk.length;
    if (size > limit) throw Object.assign(new RangeError("too large"), { code: "ERR_BUFFER_TOO_LARGE" });
    chunks.push(chunk);
  };
  inflate.onEnd = () => {};
  inflate.push(bytes, true);
  if (inflate.err !== 0 || !inflate.ended) {
    const cut = inflate.err === 0 || inflate.err === -5;
    throw Object.assign(new Error(inflate.msg || "damaged"), { code: cut ? "Z_BUF_ERROR" : "Z_DATA_ERROR" });
  }
  return Buffer.concat(chunks);
}

export const inflateSync = (bytes, { maxOutputLength = 2 ** 31 } = {}) => inflated(bytes, maxOutputLength, 15);
export const gunzipSync = (bytes, { maxOutputLength = 2 ** 31 } = {}) => inflated(bytes, maxOutputLength, 31);
export const deflateSync = (bytes, { level } = {}) =>
  Buffer.from(pako.deflate(bytes, level === undefined ? {} : { level }));
export const inflateRawSync = (bytes, { maxOutputLength = 2 ** 31 } = {}) => inflated(bytes, maxOutputLength, -15);
/** Node.js has no zstd in all versions either: what needs it looks for this. */
export const zstdDecompressSync = undefined;
export default {};
