// The form of `objtool klp diff` (tools/objtool/klp-diff.c, 7.2): each reference that the livepatch core resolves stays where it is, against
// a tombstone, so that objtool reads the code as it is used to, and stands a second time in a table that `klp post-link` carries out.

import { viewOf } from "../../../base/bytes.ts";
import { SHF_ALLOC, SHT_PROGBITS, STB_WEAK } from "../../../elf/consts.ts";
import type { NewObject, NewRelocation, NewSymbol } from "../../../elf/writer/newObject.ts";
import type { KlpTarget } from "../../take/refer.ts";
import type { TableForm } from "../patchTables.ts";
import { klpReferences } from "./form.ts";

/** struct klp_reloc: pointer to the place, pointer to the symbol, type. Bytes. */
const ENTRY = { size: 24, place: 0, symbol: 8, type: 16 } as const;

/** Gives a new object objtool's form, but for the tables of functions, which are klplink's own too. */
export function toObjtool(
  out: NewObject,
  targets: ReadonlyMap<NewSymbol, KlpTarget>,
  { littleEndian, absolute }: TableForm,
): void {
  const references = klpReferences(out, targets);
  out.dropSymbols(targets);
  const undefinedSymbol = once((name, info) =>
    out.symbol({ name, section: null, value: 0n, size: 0, type: info & 0xf, bind: STB_WEAK, other: 0 }),
  );
  const tableOf = once((gate) =>
    out.section({ name: `__klp_relocs.${gate}`, type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), entsize: 0 }),
  );
  const stones = new Map<NewRelocation, NewSymbol>();
  for (const { section, relocation, target } of references) {
    const { gate, owner, name, position, info } = target;
    const { offset, type, addend } = relocation;
    stones.set(relocation, undefinedSymbol(`.klp.tombstone.${name}`, info));
    const entry = new Uint8Array(ENTRY.size);
    viewOf(entry).setUint32(ENTRY.type, type, littleEndian);
    const table = tableOf(gate, 0);
    const at = table.append(entry, 8);
    const symbol = undefinedSymbol(`.klp.sym.${owner}.${name},${position}`, info);
    table.relocations.push(
      { offset: at + ENTRY.place, type: absolute, symbol: section.symbol, addend: BigInt(offset) },
      { offset: at + ENTRY.symbol, type: absolute, symbol, addend },
    );
  }
  for (const section of new Set(references.map((r) => r.section)))
    section.changeRelocations((r) => ({ ...r, symbol: stones.get(r) ?? r.symbol }));
}

/** Makes a thing of each name once. @param info what the first one that asks knows of it */
function once<Made>(make: (name: string, info: number) => Made) {
  const known = new Map<string, Made>();
  return (name: string, info: number): Made => {
    const made = known.get(name) ?? make(name, info);
    known.set(name, made);
    return made;
  };
}
