// In which form the characters of a text file stand.

export type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** So many bytes at the start of a text say which form it has. */
export const ENCODING_BYTES = 256;

/** At least this share of the units of ASCII text in UTF-16 has 0 as its upper byte. */
const MOSTLY = 0.9;

/**
 * The form of a text by its first bytes: by the byte order mark, as Windows tools write it (PowerShell's `>`, Notepad), or
 * without one by the zero bytes that ASCII has in UTF-16.
 * @param start the first bytes, at most ENCODING_BYTES of which are looked at
 */
export function encodingOf(start: Uint8Array): Encoding {
  const [first, second] = start;
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  const units = Math.floor(Math.min(start.length, ENCODING_BYTES) / 2);
  if (units < 4) return "utf-8";
  const zeros = [0, 0];
  for (let i = 0; i < units * 2; i++) if (start[i] === 0) zeros[i % 2] = (zeros[i % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (odd >= units * MOSTLY && even === 0) return "utf-16le";
  if (even >= units * MOSTLY && odd === 0) return "utf-16be";
  return "utf-8";
}

/** A decoder for a text that begins with these bytes: without a byte order mark, bytes that are not text replaced by U+FFFD. */
export const decoderFor = (start: Uint8Array): InstanceType<typeof TextDecoder> => new TextDecoder(encodingOf(start));
