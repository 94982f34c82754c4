// Addends that cannot be meant: what 32 bits have made of others, and what no symbol can make up for.

import type { RelocDef } from "./def.ts";

/** No object, and no kernel, is larger: an offset in one is below this. Bytes. */
const LARGEST = 2n ** 30n;
const TWO_TO_31 = 2n ** 31n;
const TWO_TO_32 = 2n ** 32n;

/** Whether an addend may be a distance in an object: such a one is not damaged. @param addend may be rounded above 2^53 */
export const isOffset = (addend: number): boolean => addend > -(2 ** 30) && addend < 2 ** 30;

/**
 * Whether a relocation's addend is damaged; null if it is not.
 *
 * A field that holds a whole address takes any sum. There 0x8000_0000 and a little more is right: x86_64 makes the physical
 * address of a symbol of the kernel so, S - 0xffff_ffff_8000_0000 (ZERO_PAGE). The same number from 32 bits with their sign is
 * not, nor is a small negative number without its sign. A field of fewer bits, or of a distance, takes only what lies near.
 * @returns `likely`: the addend that was meant, where that shows
 */
export function damagedAddend(def: RelocDef, addend: bigint): { readonly likely: bigint | null } | null {
  if (def.value === "none" || def.value === "TOC" || isOffset(Number(addend))) return null;
  const isPhysical = addend >= TWO_TO_31 && addend < TWO_TO_31 + LARGEST;
  const isWord = def.bytes === 4 && def.field.slices.length === 1 && def.field.slices[0]?.width === 32;
  // Sums of 64 bits, and the pieces of one that several instructions put together.
  const isWhole = def.value === "S+A" ? !isWord && def.bytes !== 2 : def.bytes === 8 && def.field.slices.length === 0;
  if (addend >= TWO_TO_31 + LARGEST && addend < TWO_TO_32) return { likely: addend - TWO_TO_32 };
  if (addend >= -TWO_TO_31 && addend <= -LARGEST) {
    // With its sign again it is the distance to a physical address, which only a whole or an absolute field can hold.
    return isWhole || def.value === "S+A" ? { likely: addend + TWO_TO_32 } : { likely: null };
  }
  if (isWhole || (isWord && def.value === "S+A" && isPhysical)) return null;
  return { likely: null };
}
