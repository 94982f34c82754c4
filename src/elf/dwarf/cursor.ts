import { getUint64, latin1, viewOf } from "../../base/bytes.ts";

/** The debug information cannot be read further; it is then treated as absent. `offset` is bytes in `section`. */
export class DwarfError extends Error {
  readonly section: string;
  readonly offset: number;
  /** What is wrong, without the place. */
  readonly what: string;

  constructor(section: string, offset: number, what: string) {
    super(`${section}+0x${offset.toString(16)}: ${what}`);
    this.name = "DwarfError";
    this.section = section;
    this.offset = offset;
    this.what = what;
  }
}

/** The bytes of one debug section, decompressed and relocated. */
export interface DebugSection {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Of the section in the file; absent for one that is not in the file. */
  readonly index?: number;
}

/** Reads forward through a part of a section. Every read is checked against the end of that part. */
export class Cursor {
  readonly section: DebugSection;
  readonly littleEndian: boolean;
  /** Offset of the next byte in the section. */
  at: number;
  /** Offset of the first byte behind the part. */
  end: number;
  readonly #view: DataView;

  /** @throws DwarfError if `start` does not lie in the section. */
  constructor(section: DebugSection, littleEndian: boolean, start: number, end = section.bytes.length) {
    this.section = section;
    this.littleEndian = littleEndian;
    this.at = start;
    this.end = end;
    this.#view = viewOf(section.bytes);
    if (!(start >= 0 && start <= end && end <= section.bytes.length)) throw this.error("an offset outside the section");
  }

  error(what: string): DwarfError {
    return new DwarfError(this.section.name, this.at, what);
  }

  /** Steps over `bytes` bytes and returns where they begin. */
  skip(bytes: number): number {
    const start = this.at;
    if (!(bytes >= 0 && bytes <= this.end - start)) throw this.error("the data ends too early");
    this.at = start + bytes;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }
  i8(): number {
    return this.#view.getInt8(this.skip(1));
  }
  u16(): number {
    return this.#view.getUint16(this.skip(2), this.littleEndian);
  }
  u24(): number {
    const start = this.skip(3);
    const [a, b, c] = [0, 1, 2].map((i) => this.#view.getUint8(start + i)) as [number, number, number];
    return this.littleEndian ? a | (b << 8) | (c << 16) : (a << 16) | (b << 8) | c;
  }
  u32(): number {
    return this.#view.getUint32(this.skip(4), this.littleEndian);
  }
  /** Rounded above 2^53. */
  u64(): number {
    return getUint64(this.#view, this.skip(8), this.littleEndian);
  }
  /** An unsigned number of 1, 2, 4 or 8 bytes. */
  uint(bytes: number): number {
    switch (bytes) {
      case 1:
        return this.u8();
      case 2:
        return this.u16();
      case 4:
        return this.u32();
      case 8:
        return this.u64();
      default:
        throw this.error(`a number of ${bytes} bytes`);
    }
  }

  /** Rounded above 2^53. */
  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
  /** Rounded beyond 2^53. */
  sleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - scale * 128;
    }
  }

  /** A string that ends with NUL. */
  string(): string {
    const end = this.section.bytes.indexOf(0, this.at);
    if (end < 0 || end >= this.end) throw this.error("a string without an end");
    const text = latin1(this.section.bytes, this.at, end);
    this.at = end + 1;
    return text;
  }

  /** The length of a unit and the size of offsets in it (DWARF 5, 7.4): 4 bytes, or 8 after 0xffffffff. */
  unitLength(): { length: number; offsetSize: 4 | 8 } {
    const first = this.u32();
    if (first < 0xffff_fff0) return { length: first, offsetSize: 4 };
    if (first !== 0xffff_ffff) throw this.error(`the reserved unit length 0x${first.toString(16)}`);
    return { length: this.u64(), offsetSize: 8 };
  }
}

/**
 * Limits the work for one file to a multiple of its size, whatever its fields say: units may share line programs,
 * abbreviations and range lists, and a file made for it could have everything read over and over.
 */
export class Budget {
  #left: number;

  constructor(bytes: number) {
    this.#left = 65_536 + bytes * 16;
  }

  /** @throws DwarfError when the work is out of proportion. */
  spend(where: Cursor, amount = 1): void {
    this.#left -= amount;
    if (this.#left < 0) throw where.error("the debug information refers to itself out of all proportion");
  }
}
