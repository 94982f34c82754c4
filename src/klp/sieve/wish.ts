// What a rule wants to see of the relocations. A file has hundreds of thousands, and nearly all of them are sound: each rule says here
// what a row must have for the rule to have anything to say, and one pass (sieve.ts) leaves it those.

import type { Arch } from "../../arch/index.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import type { Feature, RelocDef } from "../../reloc/def.ts";
import type { SymbolizedFile } from "../functions.ts";
import { isIntermediate } from "../producers/producer.ts";

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
 * What a table of a loaded section may be: not of livepatch relocations; with addends; for a section that the kernel reads, which those
 * that a producer left are not, one that has bytes, or one of code.
 */
const TRAITS = { ordinary: 1, addends: 2, read: 4, bytes: 8, code: 16 } as const;
type Trait = keyof typeof TRAITS;

/** As bits; null for a table of a section that is not loaded, at which no rule looks. */
export function traitsOf({ sections }: ElfFile, { section, target, hasAddends }: RelocationTable): number | null {
  if (!sections.hasFlags(target, SHF_ALLOC)) return null;
  return (
    (sections.hasFlags(section, SHF_RELA_LIVEPATCH) ? 0 : TRAITS.ordinary) |
    (hasAddends ? TRAITS.addends : 0) |
    (isIntermediate(sections.name(target)) ? 0 : TRAITS.read) |
    (sections.hasBytes(target) ? TRAITS.bytes : 0) |
    (sections.hasFlags(target, SHF_EXECINSTR) ? TRAITS.code : 0)
  );
}

/** Whether a wish is about a table at all. */
export const looksAt = ({ needs }: RowWish, traits: number | null): boolean =>
  traits !== null && (needs & ~traits) === 0;

/**
 * Rows for which all that is stated holds; a rule then looks for itself. What is not stated holds for each row.
 *
 * `addends`: `far` for those that cannot be a distance in an object (`isOffset`). `places`, with the bytes that the type writes, 0 for
 * an unknown one: `outside` for those that leave the target section, `nonzero` for those that lie in its bytes in the file and are not all zero.
 */
interface Wished {
  /** What a table has to be. */
  readonly tables: readonly Trait[];
  /** The symbols that are wished for, by index: those of a list, or those of which a function says so. */
  readonly symbols?: (facts: WishFacts) => readonly number[] | ((symbol: number) => boolean);
  /** Makes what tells of a relocation type whether it is wished for; `def` is missing for a type that has no row. */
  readonly types?: (facts: TypeWishFacts) => (def: RelocDef | undefined) => boolean;
  readonly addends?: "far";
  readonly places?: "outside" | "nonzero";
}

/** A wish with what the sieve knows it by. */
export interface RowWish extends Wished {
  /** Its number among all. */
  readonly index: number;
  /** {@link Wished.tables} as bits. */
  readonly needs: number;
}

/** Bits of a number of 32, but for the sign. */
const MOST = 31;

const registered: RowWish[] = [];

/** Registers what a rule wishes for: at the beginning of its file, so that no pass can be made without it. */
export function wish(wished: Wished): RowWish {
  if (registered.length === MOST) throw new Error("the sieve has no bit left for one more rule");
  let needs = 0;
  for (const trait of wished.tables) needs |= TRAITS[trait];
  const made = { ...wished, index: registered.length, needs };
  registered.push(made);
  return made;
}

/** All that were registered. */
export const wishes = (): readonly RowWish[] => registered;
