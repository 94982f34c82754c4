import { getUint64, viewOf } from "../../base/bytes.ts";
import { RELA } from "./layout.ts";

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
  readonly #view: DataView;
  readonly #littleEndian: boolean;

  constructor(section: number, target: number, hasAddends: boolean, data: Uint8Array, littleEndian: boolean) {
    this.section = section;
    this.target = target;
    this.hasAddends = hasAddends;
    this.rowSize = hasAddends ? RELA.size : RELA.relSize;
    this.count = Math.floor(data.length / this.rowSize);
    this.#view = viewOf(data);
    this.#littleEndian = littleEndian;
  }

  /** r_offset: bytes from the start of the target section; rounded above 2^53. */
  offset(i: number): number {
    return getUint64(this.#view, i * this.rowSize + RELA.offset, this.#littleEndian);
  }
  /** r_info, all 64 bits. */
  info(i: number): bigint {
    return this.#view.getBigUint64(i * this.rowSize + RELA.info, this.#littleEndian);
  }
  /** Symbol index: the high 32 bits of r_info. */
  symbol(i: number): number {
    return this.#view.getUint32(i * this.rowSize + RELA.info + (this.#littleEndian ? 4 : 0), this.#littleEndian);
  }
  /** Relocation type: the low 32 bits of r_info. */
  type(i: number): number {
    return this.#view.getUint32(i * this.rowSize + RELA.info + (this.#littleEndian ? 0 : 4), this.#littleEndian);
  }
  /** The low 32 bits of r_addend, unsigned; 0 for SHT_REL. */
  addendLow(i: number): number {
    const at = i * this.rowSize + RELA.addend + (this.#littleEndian ? 0 : 4);
    return this.hasAddends ? this.#view.getUint32(at, this.#littleEndian) : 0;
  }
  /** The high 32 bits of r_addend, signed; 0 for SHT_REL. */
  addendHigh(i: number): number {
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
