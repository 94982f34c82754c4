// Functions of the kernel whose landing pads it takes away when it starts, because nothing takes their addresses.

import { viewOf } from "../../base/bytes.ts";
import type { RangeOf } from "./exportTable.ts";
import type { ImageMemory } from "./memory.ts";

/** What objtool lists: {s32 place} (tools/objtool/check.c, create_ibt_endbr_seal_sections; arch/x86/kernel/alternative.c, apply_seal_endbr). */
export const SEALED_SECTION = ".ibt_endbr_seal";
const ENTRY = 4;

/**
 * The addresses that `.ibt_endbr_seal` lists, ascending; null if the file has no such section.
 * @param section where a section of a name is
 */
export function readSealed(memory: ImageMemory, section: RangeOf, littleEndian: boolean): BigUint64Array | null {
  const range = section(SEALED_SECTION);
  const held = range === null ? null : memory.at(range.start);
  if (range === null || held === null) return null;
  const count = Math.floor(Math.min(Number(range.stop - range.start), held.bytes.length) / ENTRY);
  const view = viewOf(held.bytes);
  const found = new BigUint64Array(count);
  for (let i = 0; i < count; i++)
    found[i] = range.start + BigInt(i * ENTRY) + BigInt(view.getInt32(i * ENTRY, littleEndian));
  return found.sort();
}
