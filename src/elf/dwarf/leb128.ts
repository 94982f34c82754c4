/** Reads an unsigned LEB128 number at `start`; `next` is past the end if the bytes run out. Exact below 2^53. */
export function decodeUleb128(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
    scale *= 128;
  }
  return { value, next: bytes.length + 1 };
}

/** The shortest unsigned LEB128 form of a number below 2^53. */
export function encodeUleb128(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    out.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return out;
}

/** The shortest signed LEB128 form of a 32-bit number. */
export function encodeSleb128(value: number): number[] {
  const out: number[] = [];
  for (let rest = value | 0; ; ) {
    const low = rest & 0x7f;
    rest >>= 7;
    const isLast = rest === ((low & 0x40) === 0 ? 0 : -1);
    out.push(isLast ? low : low | 0x80);
    if (isLast) return out;
  }
}

/** An unsigned LEB128 form of a number below 2^53 that takes at least `size` bytes: the shortest, padded. */
export function encodePaddedUleb128(value: number, size: number): number[] {
  const out = encodeUleb128(value);
  if (out.length >= size) return out;
  out[out.length - 1] = (out.at(-1) ?? 0) | 0x80;
  while (out.length < size - 1) out.push(0x80);
  out.push(0);
  return out;
}
