/** Names longer than this many bytes are read again each time: many symbols or sections may share a huge one. */
export const LONG_NAME = 256;

/** So far a loop finds the end of a name sooner than a call of Buffer does. */
const SHORT_NAME = 64;

/** So many texts that a table does not hold are remembered. */
const MOST_ABSENT = 64;

/** A string table read in place. Names are Latin-1 strings: one character a byte. */
export class StringTable {
  readonly bytes: Uint8Array;
  readonly #buffer: Buffer;
  /** Texts that {@link holds} did not find. */
  readonly #absent: string[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Size in bytes. */
  get size(): number {
    return this.bytes.length;
  }

  /** The name that begins at `start` (bytes from the start of the table); it ends at NUL or the table's end. */
  at(start: number): string {
    return start >= this.#buffer.length ? "" : this.#buffer.toString("latin1", start, start + this.lengthAt(start));
  }

  /** Whether it is the name at `start`; `text` is of Latin-1 characters other than NUL. Makes no string. */
  is(start: number, text: string): boolean {
    return this.startsWith(start, text) && (this.bytes[start + text.length] ?? 0) === 0;
  }

  /** Whether the name at `start` begins with some characters; they are of Latin-1. Makes no string. */
  startsWith(start: number, text: string): boolean {
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  /**
   * Whether the bytes of a text stand anywhere in the table: where they do not, no name has them. A text with another in it that was not
   * found is not looked for.
   */
  holds(text: string): boolean {
    for (const absent of this.#absent) if (text.includes(absent)) return false;
    if (this.#buffer.includes(text, 0, "latin1")) return true;
    if (this.#absent.length < MOST_ABSENT) this.#absent.push(text);
    return false;
  }

  /** Length in bytes of the name at `start`, without its NUL. */
  lengthAt(start: number): number {
    const { bytes } = this;
    const near = Math.min(start + SHORT_NAME, bytes.length);
    for (let i = start; i < near; i++) if (bytes[i] === 0) return i - start;
    if (start >= bytes.length) return 0;
    const end = this.#buffer.indexOf(0, start);
    return (end < 0 ? this.#buffer.length : end) - start;
  }

  /** Whether a name that begins at `start` lies in the table and ends with NUL there. */
  isTerminated(start: number): boolean {
    return start < this.#buffer.length && this.#buffer.indexOf(0, start) >= 0;
  }
}
