// The instructions of functions where they differ in size: which one covers a place.

import { countUpTo } from "../../base/search.ts";
import { STT_FUNC } from "../../elf/consts.ts";
import { decodeInto, emptyInsn, type Insn } from "../../reloc/x86Insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";

/**
 * Instructions of one section, decoded from the beginning of each function that is asked for. Relocations come mostly in the order
 * of their places: the next one is looked for behind the last.
 */
export class Instructions {
  readonly #code: Uint8Array;
  readonly #functions: FunctionIndex;
  readonly #section: number;
  readonly #insn = emptyInsn();
  #start = 0;
  /** What the kernel charges the bytes from its beginning to `#next` to, and where its known instructions end. */
  #owner: CodeSymbol | null = null;
  #next = 0;
  #end = 0;
  /** Where each instruction of that function begins, up to the first that is not known; and the one found last. */
  #starts: number[] = [];
  #last = 0;

  constructor(section: number, code: Uint8Array, functions: FunctionIndex) {
    this.#section = section;
    this.#code = code;
    this.#functions = functions;
  }

  /** Where the instruction begins that {@link at} found last. */
  get start(): number {
    return this.#start;
  }

  /**
   * The instruction that has the byte at `offset`; null if that is not known: data, or no function. The same object each time: the
   * next call writes over it.
   */
  at(offset: number): Insn | null {
    if (this.#owner === null || offset < this.#owner.start || offset >= this.#next) {
      const owner = this.#functions.at(this.#section, offset);
      if (owner === null) return null;
      this.#enter(owner);
    }
    if (offset >= this.#end) return null;
    const starts = this.#starts;
    let last = this.#last;
    if ((starts[last] ?? 0) > offset) last = countUpTo(starts, offset) - 1;
    else
      for (let steps = 0; (starts[last + 1] ?? Infinity) <= offset; last++, steps++) {
        if (steps < 64) continue;
        last = countUpTo(starts, offset) - 1;
        break;
      }
    this.#last = last;
    this.#start = starts[last] ?? 0;
    return decodeInto(this.#insn, this.#code, this.#start) ? this.#insn : null;
  }

  #enter(owner: CodeSymbol): void {
    this.#owner = owner;
    this.#next = this.#functions.after(owner)?.start ?? Infinity;
    this.#starts = [];
    this.#last = 0;
    this.#end = owner.start;
    if (owner.type !== STT_FUNC) return;
    let at = owner.start;
    while (at < owner.start + owner.size && decodeInto(this.#insn, this.#code, at)) {
      this.#starts.push(at);
      at += this.#insn.length;
    }
    // What lies behind the function is not its own, whatever its last instruction says.
    this.#end = Math.min(at, owner.start + owner.size);
  }
}
