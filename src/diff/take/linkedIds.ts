// Where the linker put the symbols of an original vmlinux.o, by the ids that objtool of 7.2 left in both files (`.klp.symid`).

import { type LinkedSymbol, SYMID, SYMID_SECTION, symidsIn } from "../../kernel/image/linkedIds.ts";
import type { Item, Unit } from "../canon/unit.ts";

export class LinkedPlaces {
  /** Address by symbol index. */
  readonly #places: ReadonlyMap<number, bigint>;

  private constructor(places: ReadonlyMap<number, bigint>) {
    this.#places = places;
  }

  /**
   * Null where the object has no ids, or the ids are those of another build: then for some of them vmlinux has no symbol of the name and
   * the size of the object's. Ids count from 0 in each build, so those of another one are there as well, and lead elsewhere.
   */
  static of(unit: Unit, linked: ReadonlyMap<bigint, LinkedSymbol>): LinkedPlaces | null {
    const section = unit.file.sections.findByName(SYMID_SECTION);
    if (section === null) return null;
    const data = unit.file.sections.data(section);
    const ids = symidsIn(data, unit.file.littleEndian);
    if (ids === null || ids.length !== linked.size) return null;
    const places = new Map<number, bigint>();
    let gone = 0;
    for (const { offset, symbol, addend } of unit.relocations.range(section, 0, data.length)) {
      if (offset % SYMID.size !== SYMID.address || addend !== 0) return null;
      const found = linked.get(ids[(offset - SYMID.address) / SYMID.size] ?? -1n);
      // In a section that the linker left out.
      if (found?.at === 0n) gone++;
      else if (found?.sizes.get(unit.symbols.name(symbol)) !== unit.symbols.size(symbol)) return null;
      else places.set(symbol, found.at);
    }
    return places.size + gone === ids.length ? new LinkedPlaces(places) : null;
  }

  /** The address of an item in vmlinux; null for one whose name is unique in vmlinux.o. */
  addressOf({ symbol, aliases }: Item, name: string, unit: Unit): bigint | null {
    const own = [symbol, ...aliases].find((s) => unit.symbols.name(s) === name);
    return own === undefined ? null : (this.#places.get(own) ?? null);
  }
}
