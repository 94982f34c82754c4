// The kinds of islands, and the code of each.

import { FRAMED_ISLAND, type IslandCode, localCallIsland, returnIsland, SIBLING_ISLAND } from "../../stubs/island.ts";
import { klpStub, STUB_SLOT_WORD } from "../../stubs/strategies/shadowStack.ts";

/**
 * - `return`: `bl C` without a nop.
 * - `sibling`: `b C`, frameless; `framed`: the same with a frame of the island's own.
 * - `local-call`: `bl F`, where F comes back with another TOC.
 * - `klp-stub`: `bl C` or `b C` by way of the livepatch stack.
 */
export type IslandKind = "return" | "sibling" | "framed" | "local-call" | "klp-stub";

/** Places that a klp_stub needs, in bytes (see shadowStack.ts). */
export interface StackPlaces {
  readonly threadInfo: number;
  readonly stackPointer: number;
}

/** @param stack needed for klp_stubs only. */
export function islandCode(kind: IslandKind, at: number, site: number, stack: StackPlaces | null): IslandCode {
  switch (kind) {
    case "return":
      return returnIsland(at, site);
    case "local-call":
      return localCallIsland(at, site);
    case "sibling":
      return SIBLING_ISLAND;
    case "framed":
      return FRAMED_ISLAND;
    case "klp-stub":
      return {
        words: klpStub(stack?.threadInfo ?? 0, stack?.stackPointer ?? 0),
        callAt: null,
        slotAt: STUB_SLOT_WORD * 4,
      };
  }
}

const SIZES = new Map<IslandKind, number>();

/** Bytes of an island. */
export function islandSize(kind: IslandKind): number {
  let size = SIZES.get(kind);
  if (size === undefined) {
    size = islandCode(kind, 0, 0, null).words.length * 4;
    SIZES.set(kind, size);
  }
  return size;
}

/** Bytes of the longest island for a call that comes back. */
export const LARGEST_CALL_ISLAND = Math.max(islandSize("return"), islandSize("local-call"));
