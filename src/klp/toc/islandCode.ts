// The kinds of islands, and the code of each.

import { wordBytes } from "../../base/bytes.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
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

/** @param stack null: its size is asked for, and the code not used. */
type MakeIsland = (at: number, site: number, stack: StackPlaces | null) => IslandCode;

/** A kind of island: its size is that of its code, whose length does not depend on where it stands. */
class IslandForm {
  /** Bytes. */
  readonly size: number;
  readonly #make: MakeIsland;

  constructor(make: MakeIsland) {
    this.#make = make;
    this.size = make(0, 0, null).words.length * 4;
  }

  /**
   * The code at an offset in a section, for the call at another offset in it.
   * @param stack needed for klp_stubs only
   */
  codeAt(at: number, site: number, stack: StackPlaces | null): IslandCode {
    const code = this.#make(at, site, stack);
    if (code.words.length * 4 !== this.size) throw new Error(`an island of ${this.size} bytes got another length`);
    return code;
  }

  /** Writes the code of {@link codeAt} where room for it was made. */
  writeTo(edits: ElfEdits, { section, at, littleEndian }: IslandPlace, { words }: IslandCode): void {
    edits.patch(section, at, wordBytes(words, littleEndian));
  }
}

interface IslandPlace {
  readonly section: number;
  /** Offset in it, bytes. */
  readonly at: number;
  readonly littleEndian: boolean;
}

export const islandForms: Readonly<Record<IslandKind, IslandForm>> = {
  return: new IslandForm(returnIsland),
  "local-call": new IslandForm(localCallIsland),
  sibling: new IslandForm(() => SIBLING_ISLAND),
  framed: new IslandForm(() => FRAMED_ISLAND),
  "klp-stub": new IslandForm((_at, _site, stack) => ({
    words: klpStub(stack?.threadInfo ?? 0, stack?.stackPointer ?? 0),
    callAt: null,
    slotAt: STUB_SLOT_WORD * 4,
  })),
};

/** Bytes of the longest island for a call that comes back. */
export const LARGEST_CALL_ISLAND = Math.max(islandForms.return.size, islandForms["local-call"].size);
