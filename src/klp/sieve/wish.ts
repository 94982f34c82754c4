// What a rule wants to see of the relocations. A file has hundreds of thousands, and nearly all of them are sound: each rule says here
// what a row must have for the rule to have anything to say, and one pass (sieve.ts) leaves it those.

import type { Arch } from "../../arch/index.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { Feature, RelocDef } from "../../reloc/def.ts";
import type { SymbolizedFile } from "../functions.ts";

/** What a wish for types may depend on: the same for most files of a run. */
export interface TypeWishFacts {
  readonly arch: Arch;
  /** How the kernel is built. */
  readonly features: ReadonlySet<Feature>;
  /** Null: the newest. */
  readonly version: KernelVersion | null;
}

/** What a wish may depend on. */
export interface WishFacts extends SymbolizedFile, TypeWishFacts {}

/**
 * Rows for which all that is stated holds; a rule then looks for itself. What is not stated holds for each row.
 *
 * `addends`: `far` for those that cannot be a distance in an object (`isOffset`). `places`, with the bytes that the type writes, 0 for
 * an unknown one: `outside` for those that leave the target section, `nonzero` for those that lie in its bytes in the file and are not all zero.
 */
export interface RowWish {
  /** Whether it looks at a table at all. */
  readonly tables: (facts: WishFacts, table: RelocationTable) => boolean;
  /** The symbols that are wished for, by index: those of a list, or those of which a function says so. */
  readonly symbols?: (facts: WishFacts) => readonly number[] | ((symbol: number) => boolean);
  /** Makes what tells of a relocation type whether it is wished for; `def` is missing for a type that has no row. */
  readonly types?: (facts: TypeWishFacts) => (def: RelocDef | undefined) => boolean;
  readonly addends?: "far";
  readonly places?: "outside" | "nonzero";
}

/** Bits of a number of 32, but for the sign. */
const MOST = 31;

const registered: RowWish[] = [];

/** Registers what a rule wishes for: at the beginning of its file, so that no pass can be made without it. */
export function wish(made: RowWish): RowWish {
  if (registered.length === MOST) throw new Error("the sieve has no bit left for one more rule");
  registered.push(made);
  return made;
}

/** All that were registered. */
export const wishes = (): readonly RowWish[] => registered;
