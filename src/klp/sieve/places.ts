// Relocations in code that may stand where they cannot: all but those of which one look at the code shows that they stand right.

import { viewOf } from "../../base/bytes.ts";
import { STT_FUNC } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { misplaced, needsInstruction, outsideField } from "../../reloc/stand.ts";
import { decodeInto, emptyInsn } from "../../reloc/x86Insn.ts";
import type { FunctionIndex } from "../functions.ts";
import type { WishFacts } from "./wish.ts";

/** The rows of a table to be looked at, ascending. @param code the bytes of its target section */
export function doubtfulPlaces(
  { file, arch, functions }: WishFacts,
  table: RelocationTable,
  code: Uint8Array,
): number[] {
  const { defs } = arch.relocs;
  const walk = new InstructionWalk(code, functions, table.target);
  const view = viewOf(code);
  const rows: number[] = [];
  for (let row = 0; row < table.count; row++) {
    const def = defs.get(table.type(row));
    if (def?.stand === undefined) continue;
    const offset = table.offset(row);
    const isRight = needsInstruction(def)
      ? walk.goTo(offset) && outsideField(def, walk.insn, offset - walk.start) === null
      : misplaced(def, view, offset, file.littleEndian) === null;
    if (!isRight) rows.push(row);
  }
  return rows;
}

/** Goes through the instructions of functions, to one place after the other. */
class InstructionWalk {
  readonly #code: Uint8Array;
  readonly #functions: FunctionIndex;
  readonly #section: number;
  /** The instruction that it came to last, and where that begins. */
  readonly insn = emptyInsn();
  start = 0;
  #next = 0;
  /** What lies in the function: from its beginning to its end or the next symbol. */
  #first = 0;
  #behind = 0;
  /** Where its instructions end. */
  #end = 0;

  constructor(code: Uint8Array, functions: FunctionIndex, section: number) {
    this.#code = code;
    this.#functions = functions;
    this.#section = section;
  }

  /** False if the place is not known to be in an instruction. Places may come in any order: ascending ones are found at once. */
  goTo(offset: number): boolean {
    if (offset < this.#first || offset >= this.#behind || offset < this.start) {
      if (!this.#enter(offset)) return false;
    }
    while (offset >= this.#next) {
      const at = this.#next;
      if (at >= this.#end || !decodeInto(this.insn, this.#code, at)) {
        this.#end = Math.min(at, this.#end);
        return false;
      }
      this.start = at;
      this.#next = at + this.insn.length;
    }
    return offset < this.#end;
  }

  #enter(offset: number): boolean {
    const owner = this.#functions.at(this.#section, offset);
    if (owner === null) return false;
    this.#first = owner.start;
    this.#behind = this.#functions.after(owner)?.start ?? Infinity;
    this.#end = owner.type === STT_FUNC ? owner.start + owner.size : owner.start;
    this.start = owner.start;
    this.#next = owner.start;
    return true;
  }
}
