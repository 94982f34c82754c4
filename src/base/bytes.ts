import { visible } from "./visible.ts";

/** The same bytes as a plain Uint8Array, whose `slice` copies; that of a Node.js Buffer gives a view of the same memory. */
export function plain(bytes: Uint8Array): Uint8Array {
  return Object.getPrototypeOf(bytes) === Uint8Array.prototype
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A DataView of exactly the bytes of `bytes` (which may be a slice of a larger buffer). */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether numbers of several bytes stand in the memory of this machine as in a little-endian file. */
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Which of the two words of a 64-bit number in the memory of this machine is its low half. */
export const LOW_HALF = IS_LITTLE_ENDIAN ? 0 : 1;

/** Little-endian words of 32 bits, in place; null where they do not stand in memory as this machine has them. Bytes behind the last are left out. */
export function wordsOf(bytes: Uint8Array): Uint32Array | null {
  if (!IS_LITTLE_ENDIAN || bytes.byteOffset % 4 !== 0) return null;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

/** As {@link wordsOf}, in units of 16 bits. */
export function halvesOf(bytes: Uint8Array): Uint16Array | null {
  if (!IS_LITTLE_ENDIAN || bytes.byteOffset % 2 !== 0) return null;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 1);
}

/** A view of bytes in one byte order: reads and writes of more than a byte are in it unless they say otherwise. */
export class OrderedView extends DataView<ArrayBufferLike> {
  readonly littleEndian: boolean;

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    super(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.littleEndian = littleEndian;
  }

  override getUint16(at: number, littleEndian = this.littleEndian): number {
    return super.getUint16(at, littleEndian);
  }
  override getUint32(at: number, littleEndian = this.littleEndian): number {
    return super.getUint32(at, littleEndian);
  }
  override getInt32(at: number, littleEndian = this.littleEndian): number {
    return super.getInt32(at, littleEndian);
  }
  override getBigUint64(at: number, littleEndian = this.littleEndian): bigint {
    return super.getBigUint64(at, littleEndian);
  }
  override getBigInt64(at: number, littleEndian = this.littleEndian): bigint {
    return super.getBigInt64(at, littleEndian);
  }
  override setUint16(at: number, value: number, littleEndian = this.littleEndian): void {
    super.setUint16(at, value, littleEndian);
  }
  override setUint32(at: number, value: number, littleEndian = this.littleEndian): void {
    super.setUint32(at, value, littleEndian);
  }
  override setInt32(at: number, value: number, littleEndian = this.littleEndian): void {
    super.setInt32(at, value, littleEndian);
  }
  override setBigUint64(at: number, value: bigint, littleEndian = this.littleEndian): void {
    super.setBigUint64(at, value, littleEndian);
  }
}

/** Words of 32 bits as bytes. */
export function wordBytes(words: readonly number[], littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new OrderedView(bytes, littleEndian);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word >>> 0);
  return bytes;
}

/** Rounds `value` up to a multiple of `alignment` (0 and 1 mean none); need not be a power of two. */
export function alignUp(value: number, alignment: number): number {
  if (alignment <= 1) return value;
  const over = value % alignment;
  return over === 0 ? value : value + (alignment - over);
}

/** An unsigned 64-bit field as a number. Above 2^53 the result is rounded: compare, do not compute. */
export function getUint64(view: DataView, offset: number, littleEndian: boolean): number {
  const first = view.getUint32(offset, littleEndian);
  const second = view.getUint32(offset + 4, littleEndian);
  return littleEndian ? second * 0x1_0000_0000 + first : first * 0x1_0000_0000 + second;
}

/** Hexadecimal with 0x, no padding. A number that cannot be exact is called so. */
export function hex(value: number | bigint): string {
  if (typeof value === "number" && value > Number.MAX_SAFE_INTEGER) return `about 0x${value.toString(16)}`;
  return `0x${value.toString(16)}`;
}

/** A 32-bit instruction word as eight hexadecimal digits, the way the kernel prints it (%08x). */
export function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

/** Latin-1 keeps every byte, so a name that is not UTF-8 is written back unchanged. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", start, end);
}

/** A string of Latin-1 characters as bytes, the inverse of {@link latin1}. */
export function fromLatin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/**
 * A name from a file, made safe to show: bytes above 0x7f are shown as UTF-8 where they are valid UTF-8,
 * control characters and other bytes as \xNN.
 */
export function printable(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!/[\x00-\x1f\x7f-\xff]/.test(name)) return name;
  try {
    return visible(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(name, "latin1")));
  } catch {
    return visible(name).replace(/[\xa0-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  }
}

/** Whether both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
