/** A set of indices, small integers from 0 on: a byte each up to the highest, so that asking for one costs next to nothing. */
export class NumberSet {
  #members: Uint8Array;
  #size = 0;

  /** @param room for indices below this one no more memory is needed */
  constructor(room = 0) {
    this.#members = new Uint8Array(room);
  }

  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    return this.#members[index] === 1;
  }

  /** Whether it was not there before. */
  add(index: number): boolean {
    if (this.#members[index] === 1) return false;
    if (index >= this.#members.length) {
      const members = new Uint8Array(Math.max(64, index * 2));
      members.set(this.#members);
      this.#members = members;
    }
    this.#members[index] = 1;
    this.#size++;
    return true;
  }

  delete(index: number): void {
    if (this.#members[index] !== 1) return;
    this.#members[index] = 0;
    this.#size--;
  }

  /** Ascending. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = this.#members.indexOf(1); i >= 0; i = this.#members.indexOf(1, i + 1)) yield i;
  }
}
