import { type Addr, addr } from "../../base/brand.ts";

/** One symbol of the kernel, or of a module in a kallsyms listing. */
export interface KernelSymbol {
  readonly name: string;
  readonly address: Addr;
  /** The letter of nm and kallsyms: lower case for local symbols of vmlinux. */
  readonly letter: string;
}

/** The symbols of one object in columns: a kernel has 200,000, of which few are ever looked at. */
export class SymbolColumns {
  // Small: a listing may have any number of modules.
  #halves = new Uint32Array(16);
  #letters = new Uint8Array(8);
  #count = 0;
  /** Name -> row; rows of further symbols of that name stand in #more. */
  readonly #first = new Map<string, number>();
  readonly #more = new Map<string, number[]>();

  get size(): number {
    return this.#count;
  }

  /** @param letter character code of the nm letter. @param high, low halves of the address. */
  add(name: string, letter: number, high: number, low: number): void {
    const row = this.#count++;
    if (row === this.#letters.length) this.#grow();
    this.#halves[row * 2] = low;
    this.#halves[row * 2 + 1] = high;
    this.#letters[row] = letter;
    if (!this.#first.has(name)) {
      this.#first.set(name, row);
      return;
    }
    const more = this.#more.get(name);
    if (more === undefined) this.#more.set(name, [row]);
    else more.push(row);
  }

  #grow(): void {
    const halves = new Uint32Array(this.#halves.length * 2);
    halves.set(this.#halves);
    this.#halves = halves;
    const letters = new Uint8Array(this.#letters.length * 2);
    letters.set(this.#letters);
    this.#letters = letters;
  }

  has(name: string): boolean {
    return this.#first.has(name);
  }

  names(): IterableIterator<string> {
    return this.#first.keys();
  }

  /** All symbols of that name in the order in which they were added. */
  findListed(name: string): KernelSymbol[] {
    const first = this.#first.get(name);
    if (first === undefined) return [];
    const found = [this.#symbol(name, first)];
    for (const row of this.#more.get(name) ?? []) found.push(this.#symbol(name, row));
    return found;
  }

  /** All symbols of that name by address; equal addresses as they were added. */
  find(name: string): KernelSymbol[] {
    const found = this.findListed(name);
    return found.length <= 1
      ? found
      : found.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  #address(row: number): Addr {
    return addr((BigInt(this.#halves[row * 2 + 1] ?? 0) << 32n) | BigInt(this.#halves[row * 2] ?? 0));
  }

  #symbol(name: string, row: number): KernelSymbol {
    return { name, address: this.#address(row), letter: String.fromCharCode(this.#letters[row] ?? 0) };
  }

  /** All symbols in the order in which they were added. */
  *all(): Generator<KernelSymbol> {
    const names = new Array<string>(this.#count);
    for (const [name, row] of this.#first) names[row] = name;
    for (const [name, rows] of this.#more) for (const row of rows) names[row] = name;
    for (const [row, name] of names.entries()) yield this.#symbol(name, row);
  }

  /** All addresses, ascending. */
  sortedAddresses(): BigUint64Array {
    return BigUint64Array.from({ length: this.#count }, (_, row) => this.#address(row)).sort();
  }
}
