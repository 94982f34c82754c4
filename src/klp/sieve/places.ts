// Relocations in code that may stand where they cannot: all but those of which one look at the code shows that they stand right.

import { viewOf } from "../../base/bytes.ts";
import { type RelocationTable, ROW_WORDS } from "../../elf/views/relas.ts";
import { isField, misplaced, needsInstruction } from "../../reloc/stand.ts";
import { decodeInsn } from "../../reloc/x86Insn.ts";
import type { InstructionStarts } from "./starts.ts";
import type { WishFacts } from "./wish.ts";

/** What a type asks of its place: nothing, a distance or a value in an instruction, or what {@link misplaced} says. */
const [NOTHING, DISTANCE, VALUE, OTHER] = [0, 1, 2, 3] as const;

/**
 * The rows of a table to be looked at, ascending.
 * @param code the bytes of its target section
 * @param startsOf is asked where its instructions differ in size
 */
export function doubtfulPlaces(
  { file, arch }: WishFacts,
  table: RelocationTable,
  code: Uint8Array,
  startsOf: () => InstructionStarts,
): number[] {
  const { defs } = arch.relocs;
  const asked = askedByType(defs);
  const view = viewOf(code);
  const rows: number[] = [];
  let starts: InstructionStarts | null = null;
  const stride = table.rowSize / 4;
  for (const { first, count, words } of table.words()) {
    for (let row = 0, at = 0; row < count; row++, at += stride) {
      const type = words[at + ROW_WORDS.type] ?? 0;
      const form = type < asked.length ? (asked[type] ?? 0) : NOTHING;
      if (form === NOTHING) continue;
      const offset = (words[at + ROW_WORDS.offsetLow] ?? 0) + (words[at + ROW_WORDS.offsetHigh] ?? 0) * 2 ** 32;
      const kind = form & 3;
      if (kind === OTHER) {
        const def = defs.get(type);
        if (def !== undefined && misplaced(def, view, offset, file.littleEndian) !== null) rows.push(first + row);
        continue;
      }
      starts ??= startsOf();
      const start = starts.at(offset);
      if (start < 0 || !isField(kind === DISTANCE, form >> 2, decodeInsn(code, start), offset - start))
        rows.push(first + row);
    }
  }
  return rows;
}

type Defs = WishFacts["arch"]["relocs"]["defs"];
const known = new WeakMap<Defs, Uint8Array>();

/** By type: what it asks, and above that the bytes that it writes. */
function askedByType(defs: Defs): Uint8Array {
  let asked = known.get(defs);
  if (asked === undefined) {
    asked = new Uint8Array(defs.values().reduce((most, { type }) => Math.max(most, type), 0) + 1);
    for (const def of defs.values()) {
      if (def.stand === undefined) continue;
      const kind = !needsInstruction(def) ? OTHER : def.stand.kind === "operand" ? DISTANCE : VALUE;
      asked[def.type] = kind | (def.bytes << 2);
    }
    known.set(defs, asked);
  }
  return asked;
}
