// The instructions of functions where they differ in size: which one covers a place.

import { firstIndex } from "../../base/search.ts";
import { STT_FUNC } from "../../elf/consts.ts";
import { decodeInsn, type Insn } from "../../reloc/x86Insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";

/** Instructions of one section, decoded from the beginning of each function that is asked for. */
export class Instructions {
  readonly #code: Uint8Array;
  readonly #functions: FunctionIndex;
  readonly #section: number;
  #function: CodeSymbol | null = null;
  /** Of that function: where each instruction begins, up to the first that is not known. */
  #starts: readonly number[] = [];
  #end = 0;

  constructor(section: number, code: Uint8Array, functions: FunctionIndex) {
    this.#section = section;
    this.#code = code;
    this.#functions = functions;
  }

  /** The instruction that has the byte at `offset`, and where it begins; null if that is not known: data, or no function. */
  at(offset: number): { readonly insn: Insn; readonly start: number } | null {
    const owner = this.#functions.at(this.#section, offset);
    if (owner === null || owner.type !== STT_FUNC || offset >= owner.start + owner.size) return null;
    if (owner !== this.#function) this.#decode(owner);
    if (offset >= this.#end) return null;
    const behind = firstIndex(this.#starts.length, (i) => (this.#starts[i] ?? 0) > offset);
    const start = this.#starts[behind - 1] ?? owner.start;
    const insn = decodeInsn(this.#code, start);
    return insn === null ? null : { insn, start };
  }

  #decode(owner: CodeSymbol): void {
    const starts: number[] = [];
    let at = owner.start;
    while (at < owner.start + owner.size) {
      const insn = decodeInsn(this.#code, at);
      if (insn === null) break;
      starts.push(at);
      at += insn.length;
    }
    this.#function = owner;
    this.#starts = starts;
    this.#end = at;
  }
}
