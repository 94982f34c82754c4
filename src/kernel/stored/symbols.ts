// Symbols of a kernel as a stored index has them: looked up in its bytes, without a list in memory.

import { type Addr, addr } from "../../base/brand.ts";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { isLike, type NameShape } from "../symbols/nearNames.ts";
import { type KernelSymbol, type NameTest, onlyOf } from "../symbols/symbolColumns.ts";
import type { SymbolRows } from "../symbols/symbolList.ts";

/** The columns of an index. */
export interface StoredColumns {
  /** Offset of each name in `names`, and behind the last one. */
  readonly offsets: Uint32Array;
  /** Rows by name, byte by byte; those of one name by address, equal ones as listed. */
  readonly order: Uint32Array;
  readonly addresses: BigUint64Array;
  readonly letters: Uint8Array;
  readonly names: Uint8Array;
}

/** All columns of a list. */
export function columnsOf(symbols: Iterable<KernelSymbol>, count: number): StoredColumns {
  const offsets = new Uint32Array(count + 1);
  const addresses = new BigUint64Array(count);
  const letters = new Uint8Array(count);
  const names: string[] = [];
  let end = 0;
  for (const { name, address, letter } of symbols) {
    const row = names.length;
    if (row === count) break;
    names.push(name);
    addresses[row] = address;
    letters[row] = letter.charCodeAt(0);
    end += name.length;
    offsets[row + 1] = end;
  }
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  order.sort((a, b) => {
    const [x = "", y = ""] = [names[a], names[b]];
    if (x !== y) return x < y ? -1 : 1;
    const [p = 0n, q = 0n] = [addresses[a], addresses[b]];
    return p === q ? a - b : p < q ? -1 : 1;
  });
  return { offsets, order, addresses, letters, names: fromLatin1(names.join("")) };
}

export class StoredSymbols implements SymbolRows {
  readonly #columns: StoredColumns;
  readonly size: number;

  /** @throws RangeError if the columns do not fit each other */
  constructor(columns: StoredColumns) {
    const { offsets, order, addresses, letters, names } = columns;
    this.#columns = columns;
    this.size = letters.length;
    if (offsets.length !== this.size + 1 || order.length !== this.size || addresses.length !== this.size)
      throw new RangeError("columns of different lengths");
    if (offsets[this.size] !== names.length) throw new RangeError("names of another length");
    for (let row = 0; row < this.size; row++)
      if ((offsets[row] ?? 0) > (offsets[row + 1] ?? 0) || (order[row] ?? 0) >= this.size)
        throw new RangeError("a row beyond the end");
  }

  #name(row: number): string {
    return latin1(this.#columns.names, this.#columns.offsets[row] ?? 0, this.#columns.offsets[row + 1] ?? 0);
  }

  /** Place in the order of the first row whose name is not before `name`. */
  #lowest(name: string): number {
    const { order } = this.#columns;
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compared(order[middle] ?? 0, name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Negative: the name of a row is before another one, by bytes; 0: it is the same. */
  #compared(row: number, name: string): number {
    const { names, offsets } = this.#columns;
    const start = offsets[row] ?? 0;
    const length = (offsets[row + 1] ?? 0) - start;
    const both = Math.min(length, name.length);
    for (let i = 0; i < both; i++) {
      const difference = (names[start + i] ?? 0) - name.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return length - name.length;
  }

  /** The rows of a name, in their order. */
  #rows(name: string): readonly number[] {
    const { order } = this.#columns;
    const rows: number[] = [];
    for (let at = this.#lowest(name); at < this.size; at++) {
      const row = order[at] ?? 0;
      if (this.#compared(row, name) !== 0) break;
      rows.push(row);
    }
    return rows;
  }

  #symbol(row: number): KernelSymbol {
    const { addresses, letters } = this.#columns;
    return {
      name: this.#name(row),
      address: addr(addresses[row] ?? 0n) as Addr,
      letter: String.fromCharCode(letters[row] ?? 0),
    };
  }

  has(name: string): boolean {
    const at = this.#lowest(name);
    return at < this.size && this.#compared(this.#columns.order[at] ?? 0, name) === 0;
  }

  lone(bytes: Uint8Array, start: number, end: number): number {
    return onlyOf(this.#rows(latin1(bytes, start, end)));
  }

  hasNameHolding(_part: string, test: NameTest): boolean {
    const { names, offsets } = this.#columns;
    for (let row = 0; row < this.size; row++)
      if (test(names, offsets[row] as number, offsets[row + 1] as number)) return true;
    return false;
  }

  hasNameWith(prefix: string): boolean {
    const at = this.#lowest(prefix);
    return at < this.size && this.#name(this.#columns.order[at] ?? 0).startsWith(prefix);
  }

  *names(): Generator<string> {
    const { order } = this.#columns;
    // Rows whose name another one has that is listed before: as in a list in memory, each name comes once, where it came first.
    const first = new Uint8Array(this.size);
    let leader = -1;
    let before = "";
    for (const row of order) {
      const name = this.#name(row);
      if (leader < 0 || name !== before) leader = row;
      else if (row < leader) {
        first[leader] = 0;
        leader = row;
      }
      first[leader] = 1;
      before = name;
    }
    for (let row = 0; row < this.size; row++) if (first[row] === 1) yield this.#name(row);
  }

  countRepeated(): number {
    const { order } = this.#columns;
    let count = 0;
    let same = 0;
    let before = "";
    for (const row of order) {
      const name = this.#name(row);
      same = name === before ? same + 1 : 0;
      if (same === 1) count++;
      before = name;
    }
    return count;
  }

  *namesLike(like: NameShape): Generator<string> {
    const { names, offsets } = this.#columns;
    for (let row = 0; row < this.size; row++)
      if (isLike(like, names, offsets[row] ?? 0, offsets[row + 1] ?? 0)) yield this.#name(row);
  }

  countOf(name: string): number {
    return this.#rows(name).length;
  }

  findListed(name: string): KernelSymbol[] {
    return [...this.#rows(name)].sort((a, b) => a - b).map((row) => this.#symbol(row));
  }

  find(name: string): KernelSymbol[] {
    return Array.from(this.#rows(name), (row) => this.#symbol(row));
  }

  *all(): Generator<KernelSymbol> {
    for (let row = 0; row < this.size; row++) yield this.#symbol(row);
  }

  sortedAddresses(): BigUint64Array {
    return this.#columns.addresses.slice().sort();
  }
}
