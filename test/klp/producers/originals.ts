// The meaning of a finished livepatch module, independent of indices and of order.

import { asText, readRelocations, readSymbols } from "../readBack.ts";

/** create-klp-module makes names in a buffer of 256 bytes and cuts what is longer. */
export const KPATCH_NAME_LIMIT = 255;

export interface Meaning {
  readonly klpRelocations: readonly string[];
  readonly klpSymbols: readonly string[];
  readonly relocations: readonly string[];
}

const SHN_LIVEPATCH = 0xff20;
const R_NONE = 0;

/**
 * Without what `objtool klp post-link` leaves behind: the tombstones with their relocations of type 0, and its own sections
 * `__klp_relocs.*`, which nothing reads any more.
 */
export function meaning(bytes: Uint8Array): Meaning {
  return {
    klpRelocations: asText(readRelocations(bytes, true)),
    klpSymbols: readSymbols(bytes, (name) => name.startsWith(".klp.") && !name.startsWith(".klp.tombstone."))
      .filter((s) => s.shndx === SHN_LIVEPATCH)
      .map((s) => `${s.name} bind ${s.bind} type ${s.type} value ${s.value} size ${s.size} other ${s.other}`)
      .sort(),
    relocations: asText(
      readRelocations(bytes, false).filter((r) => r.type !== R_NONE && !r.target.startsWith("__klp_relocs")),
    ),
  };
}
