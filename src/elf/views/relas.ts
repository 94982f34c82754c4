import { getUint64, viewOf, wordsOf } from "../../base/bytes.ts";
import { RELA } from "./layout.ts";
import { HeldBytes, type SectionBytes } from "./sectionBytes.ts";

/** Where the parts of a row stand among its words, {@link RelocationTable.words}. */
export const ROW_WORDS = { offsetLow: 0, offsetHigh: 1, type: 2, symbol: 3, addendLow: 4, addendHigh: 5 } as const;

/** Rows that are made words of at once, where the file's own cannot be read as such. */
const ROWS_AT_ONCE = 1 << 12;

/** Rows of an SHT_RELA or SHT_REL section, read in place. */
export class RelocationTable {
  /** Index of the relocation section itself. */
  readonly section: number;
  /** Index of the section whose bytes are relocated (sh_info). */
  readonly target: number;
  readonly hasAddends: boolean;
  readonly count: number;
  /** Bytes a row: 24 for SHT_RELA, 16 for SHT_REL. */
  readonly rowSize: number;
  readonly #bytes: SectionBytes;
  /** Null: not read yet. */
  #rows: DataView | null;
  readonly #littleEndian: boolean;
  /** The rows as words, where they are in memory and can be read as such: null otherwise. */
  readonly #words: Uint32Array | null;
  /** Words a row. */
  readonly #stride: number;

  constructor(
    section: number,
    target: number,
    hasAddends: boolean,
    data: Uint8Array | SectionBytes,
    littleEndian: boolean,
  ) {
    this.section = section;
    this.target = target;
    this.hasAddends = hasAddends;
    this.rowSize = hasAddends ? RELA.size : RELA.relSize;
    this.#stride = this.rowSize / 4;
    this.count = Math.floor(data.length / this.rowSize);
    this.#rows = data instanceof Uint8Array ? viewOf(data) : null;
    this.#bytes = data instanceof Uint8Array ? new HeldBytes(data) : data;
    this.#littleEndian = littleEndian;
    this.#words = data instanceof Uint8Array && littleEndian ? wordsOf(data) : null;
  }

  get #view(): DataView {
    this.#rows ??= viewOf(this.#bytes.part(0, this.#bytes.length));
    return this.#rows;
  }

  /** Rows [first, end) as a table of their own. @param into as {@link SectionBytes.part} has it */
  part(first: number, end: number, into?: Uint8Array): RelocationTable {
    const bytes = this.#bytes.part(first * this.rowSize, end * this.rowSize, into);
    return new RelocationTable(this.section, this.target, this.hasAddends, bytes, this.#littleEndian);
  }

  /** All rows in parts of at most `rows`, each with the number of its first. A part lasts until the next one is asked for. */
  *parts(rows: number): Generator<readonly [RelocationTable, number]> {
    const into = new Uint8Array(Math.min(rows, this.count) * this.rowSize);
    for (let at = 0; at < this.count; at += rows) yield [this.part(at, Math.min(at + rows, this.count), into), at];
  }

  /**
   * All rows as words of 32 bits, in the order of a little-endian file: {@link ROW_WORDS}; those of SHT_REL have no addends.
   * Mostly one piece, a view; of other files pieces that last until the next is asked for.
   */
  *words(): Generator<{ readonly first: number; readonly count: number; readonly words: Uint32Array }> {
    if (this.#words !== null) {
      yield { first: 0, count: this.count, words: this.#words };
      return;
    }
    const words = new Uint32Array((Math.min(this.count, ROWS_AT_ONCE) * this.rowSize) / 4);
    const view = this.#view;
    const odd = this.#littleEndian ? 0 : 1;
    for (let first = 0; first < this.count; first += ROWS_AT_ONCE) {
      const count = Math.min(this.count - first, ROWS_AT_ONCE);
      const start = first * this.rowSize;
      // The halves of each doubleword change places where the file is big-endian.
      for (let k = 0; k < (count * this.rowSize) / 4; k++)
        words[k ^ odd] = view.getUint32(start + k * 4, this.#littleEndian);
      yield { first, count, words };
    }
  }

  /** r_offset: bytes from the start of the target section; rounded above 2^53. */
  offset(i: number): number {
    const words = this.#words;
    if (words !== null) {
      const at = i * this.#stride;
      return (words[at] ?? 0) + (words[at + 1] ?? 0) * 0x1_0000_0000;
    }
    return getUint64(this.#view, i * this.rowSize + RELA.offset, this.#littleEndian);
  }
  /** r_info, all 64 bits. */
  info(i: number): bigint {
    return this.#view.getBigUint64(i * this.rowSize + RELA.info, this.#littleEndian);
  }
  /** Symbol index: the high 32 bits of r_info. */
  symbol(i: number): number {
    if (this.#words !== null) return this.#words[i * this.#stride + ROW_WORDS.symbol] ?? 0;
    return this.#view.getUint32(i * this.rowSize + RELA.info + (this.#littleEndian ? 4 : 0), this.#littleEndian);
  }
  /** Relocation type: the low 32 bits of r_info. */
  type(i: number): number {
    if (this.#words !== null) return this.#words[i * this.#stride + ROW_WORDS.type] ?? 0;
    return this.#view.getUint32(i * this.rowSize + RELA.info + (this.#littleEndian ? 0 : 4), this.#littleEndian);
  }
  /** The low 32 bits of r_addend, unsigned; 0 for SHT_REL. */
  addendLow(i: number): number {
    if (this.#words !== null && this.hasAddends) return this.#words[i * this.#stride + ROW_WORDS.addendLow] ?? 0;
    const at = i * this.rowSize + RELA.addend + (this.#littleEndian ? 0 : 4);
    return this.hasAddends ? this.#view.getUint32(at, this.#littleEndian) : 0;
  }
  /** The high 32 bits of r_addend, signed; 0 for SHT_REL. */
  addendHigh(i: number): number {
    if (this.#words !== null && this.hasAddends) return (this.#words[i * this.#stride + ROW_WORDS.addendHigh] ?? 0) | 0;
    const at = i * this.rowSize + RELA.addend + (this.#littleEndian ? 4 : 0);
    return this.hasAddends ? this.#view.getInt32(at, this.#littleEndian) : 0;
  }
  /** r_addend as a number, rounded beyond 2^53; 0 for SHT_REL. */
  addendNumber(i: number): number {
    return this.addendHigh(i) * 0x1_0000_0000 + this.addendLow(i);
  }
  /** r_addend; 0 for SHT_REL, whose addend stands in the place itself. */
  addend(i: number): bigint {
    return this.hasAddends ? this.#view.getBigInt64(i * this.rowSize + RELA.addend, this.#littleEndian) : 0n;
  }
}
