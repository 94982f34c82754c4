import { NumberSet } from "../../base/numberSet.ts";
import { longer } from "./namePool.ts";

export interface RelocationFields {
  /** Bytes from the start of the target section. */
  readonly offset: number;
  /** The symbol's handle. */
  readonly symbol: number;
  readonly type: number;
  readonly addend: bigint;
}

/** Words a row; the addend's halves come last. */
const WORDS = 6;

/** Relocations that are appended to a section, in columns: a livepatch has tens of thousands. Symbols are handles. */
export class AddedRelocations {
  #words = new Uint32Array(WORDS * 16);
  #count = 0;

  get length(): number {
    return this.#count;
  }

  /** @param offset bytes from the start of the target section @param addendLow, addendHigh the addend's halves, of 32 bits */
  add(offset: number, symbol: number, type: number, addendLow: number, addendHigh: number): void {
    const at = this.#count++ * WORDS;
    if (at === this.#words.length) this.#words = longer(this.#words);
    const words = this.#words;
    words[at] = offset;
    words[at + 1] = offset / 0x1_0000_0000;
    words[at + 2] = symbol;
    words[at + 3] = type;
    words[at + 4] = addendLow;
    words[at + 5] = addendHigh;
  }

  push({ offset, symbol, type, addend }: RelocationFields): void {
    this.add(offset, symbol, type, Number(BigInt.asUintN(32, addend)), Number(BigInt.asIntN(32, addend >> 32n)));
  }

  /** Low half of a row's offset. */
  offsetLow(row: number): number {
    return this.#words[row * WORDS] ?? 0;
  }
  offsetHigh(row: number): number {
    return this.#words[row * WORDS + 1] ?? 0;
  }
  symbol(row: number): number {
    return this.#words[row * WORDS + 2] ?? 0;
  }
  type(row: number): number {
    return this.#words[row * WORDS + 3] ?? 0;
  }
  addendLow(row: number): number {
    return this.#words[row * WORDS + 4] ?? 0;
  }
  addendHigh(row: number): number {
    return this.#words[row * WORDS + 5] ?? 0;
  }

  *[Symbol.iterator](): IterableIterator<RelocationFields> {
    for (let row = 0; row < this.#count; row++) {
      const addend = BigInt.asIntN(64, (BigInt(this.addendHigh(row)) << 32n) | BigInt(this.addendLow(row)));
      const offset = this.offsetHigh(row) * 0x1_0000_0000 + this.offsetLow(row);
      yield { offset, symbol: this.symbol(row), type: this.type(row), addend };
    }
  }
}

/** What is to change in one relocation section. */
export interface RelocationChanges {
  readonly removed: NumberSet;
  /** Row -> new r_offset. */
  readonly moved: Map<number, number>;
  /** Row -> new r_addend. */
  readonly addends: Map<number, bigint>;
  readonly added: AddedRelocations;
}

export const noChanges = (): RelocationChanges => ({
  removed: new NumberSet(),
  moved: new Map(),
  addends: new Map(),
  added: new AddedRelocations(),
});
