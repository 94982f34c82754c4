// The bytes of a section, of which parts can be asked for: in memory, or still in the file.

/** Offsets are bytes in the section. */
export interface SectionBytes {
  readonly length: number;
  /**
   * The bytes of [start, end), which must lie in the section.
   * @param into at least as large: bytes that are not in memory are put there, so that they last until it is used again
   */
  part(start: number, end: number, into?: Uint8Array): Uint8Array;
}

/** Bytes that are in memory; parts are views of them. */
export class HeldBytes implements SectionBytes {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  part(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }
}
