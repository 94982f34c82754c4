// The ids that objtool of 7.2 gives symbols of vmlinux.o whose names are not unique (`--klp-symids`, which klp-build asks for), with the
// addresses that the linker made of them in vmlinux. Section `.klp.symid`: struct klp_symid { u64 id; u64 addr; } (objtool/klp.h).

import { viewOf } from "../../base/bytes.ts";
import type { SectionTable } from "../../elf/views/sections.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";

export const SYMID_SECTION = ".klp.symid";
/** Bytes of an entry, and where its address stands. */
export const SYMID = { size: 16, address: 8 } as const;

/** Where a symbol of vmlinux.o came to lie. */
export interface LinkedSymbol {
  readonly at: bigint;
  /** Bytes of the symbols that lie there, by name. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** The ids of an entry each, in order; null for a section that is none of such entries. */
export function symidsIn(data: Uint8Array, littleEndian: boolean): bigint[] | null {
  if (data.length === 0 || data.length % SYMID.size !== 0) return null;
  const view = viewOf(data);
  return Array.from({ length: data.length / SYMID.size }, (_, i) => view.getBigUint64(i * SYMID.size, littleEndian));
}

/** The symbols of vmlinux by their ids; null if it has none. */
export function readLinkedIds(
  sections: SectionTable,
  symbols: SymbolTable,
  littleEndian: boolean,
): ReadonlyMap<bigint, LinkedSymbol> | null {
  const section = sections.findByName(SYMID_SECTION);
  const data = section === null ? new Uint8Array() : sections.data(section);
  const ids = symidsIn(data, littleEndian);
  if (ids === null) return null;
  const view = viewOf(data);
  const places = ids.map((_, i) => view.getBigUint64(i * SYMID.size + SYMID.address, littleEndian));
  const known = new Set(places);
  const sizes = new Map<bigint, Map<string, number>>();
  for (let i = 1; i < symbols.count; i++) {
    const at = symbols.value(i);
    if (!known.has(at) || symbols.isUndefined(i)) continue;
    const here = sizes.get(at) ?? new Map<string, number>();
    sizes.set(at, here.set(symbols.name(i), symbols.size(i)));
  }
  return new Map(ids.map((id, i) => [id, { at: places[i] ?? 0n, sizes: sizes.get(places[i] ?? 0n) ?? new Map() }]));
}
