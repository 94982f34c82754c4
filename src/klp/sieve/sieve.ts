// One pass over the relocations of a table for all rules together. A rule has a bit; tables, symbols and types have masks of the rules
// that wish for them, which are found out once a module; and what few wishes ask beyond that, the row itself tells.

import { type RelocationTable, ROW_WORDS } from "../../elf/views/relas.ts";
import type { RelocDef } from "../../reloc/def.ts";
import { doubtfulPlaces } from "./places.ts";
import { InstructionStarts } from "./starts.ts";
import { looksAt, type RowWish, type TypeWishFacts, traitsOf, type WishFacts, wishes } from "./wish.ts";

const NO_ROWS: readonly number[] = [];
const NO_LISTS: readonly (readonly number[])[] = [];
const NO_BYTES = new Uint8Array(0);
const TWO_TO_30 = 2 ** 30;
const TWO_TO_32 = 2 ** 32;

const ALL_ONES = 0xffff_ffff;

/** So many rows are remembered: those of a table beyond are found again each time. Far more than any tool's file leaves. */
const MOST_KEPT = 1 << 22;

/** By type: the rules that wish for it, and bytes at its place. */
interface TypeMasks {
  readonly types: Int32Array;
  readonly bytes: Uint8Array;
  /** Stands for this type and all above, which no architecture has. */
  readonly unknown: number;
  /** The rules that wish for any of them. */
  readonly anyType: number;
}

/** By symbol, too: the rules that wish for it. */
interface Masks extends TypeMasks {
  /** For those whose symbol is in another table. */
  readonly anySymbol: number;
  readonly symbols: Int32Array;
}

/** The rows of two lists, ascending and once each. */
export function either(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** The wishes that ask for more than table, symbol and type, as masks. */
interface Measures {
  readonly far: number;
  readonly outside: number;
  readonly nonzero: number;
}

let knownMeasures: Measures | null = null;
/** All wishes are registered before a file is looked at. */
function measures(): Measures {
  knownMeasures ??= {
    far: bitsOf((one) => one.addends === "far"),
    outside: bitsOf((one) => one.places === "outside"),
    nonzero: bitsOf((one) => one.places === "nonzero"),
  };
  return knownMeasures;
}

/** The rules that wish for something, as a mask. */
function bitsOf(holds: (one: RowWish) => boolean): number {
  let mask = 0;
  let bit = 1;
  for (const one of wishes()) {
    if (holds(one)) mask |= bit;
    bit <<= 1;
  }
  return mask;
}

/** The rows that rules wish for, of one file. */
export class RowSieve {
  readonly facts: WishFacts;
  readonly #wishes: readonly RowWish[] = wishes();
  /** Null: not made yet. */
  #masks: Masks | null = null;
  /** By relocation section: what is left for each wish. */
  readonly #left = new Map<number, readonly (readonly number[])[]>();
  #kept = 0;
  readonly #starts = new Map<number, InstructionStarts>();

  constructor(facts: WishFacts) {
    this.facts = facts;
  }

  /** The rows of a table that a rule has to look at, ascending. */
  of(table: RelocationTable, wanted: RowWish): readonly number[] {
    let left = this.#left.get(table.section);
    if (left === undefined) {
      left = this.#sift(table);
      for (const rows of left) this.#kept += rows.length;
      if (this.#kept < MOST_KEPT) this.#left.set(table.section, left);
    }
    return left[wanted.index] ?? NO_ROWS;
  }

  /** The rows of a table that may stand where they cannot, ascending. @param code the bytes of its target section */
  doubtful(table: RelocationTable, code: Uint8Array): readonly number[] {
    return doubtfulPlaces(this.facts, table, code, () => this.starts(table.target, code));
  }

  /** Where the instructions of a section begin. @param code its bytes */
  starts(section: number, code: Uint8Array): InstructionStarts {
    let starts = this.#starts.get(section);
    if (starts === undefined) {
      starts = new InstructionStarts(this.facts, section, code);
      this.#starts.set(section, starts);
    }
    return starts;
  }

  #makeMasks(): Masks {
    const facts = this.facts;
    const ofTypes = typeMasks(facts);
    const { anyType } = ofTypes;
    const anySymbol = bitsOf((one) => one.symbols === undefined);
    const symbols = new Int32Array(facts.symbols.count).fill(anySymbol);
    // No symbol matters to a rule about types that the architecture does not have.
    for (const [bit, one] of this.#wishes.entries())
      if (one.symbols !== undefined && (anyType & (1 << bit)) !== 0) addBit(symbols, 1 << bit, one.symbols(facts));
    return { ...ofTypes, anySymbol, symbols };
  }

  #sift(table: RelocationTable): readonly (readonly number[])[] {
    const facts = this.facts;
    const { sections } = facts.file;
    if (table.count === 0) return NO_LISTS;
    const traits = traitsOf(facts.file, table);
    let looked = 0;
    for (const one of this.#wishes) if (looksAt(one, traits)) looked |= 1 << one.index;
    if (looked === 0) return NO_LISTS;
    this.#masks ??= this.#makeMasks();
    const asked = measures();
    const nonzero = looked & asked.nonzero;
    const pass: Pass = {
      ...this.#masks,
      looked,
      far: looked & asked.far,
      outside: looked & asked.outside,
      nonzero,
      size: sections.size(table.target),
      data: nonzero === 0 ? NO_BYTES : sections.data(table.target),
    };
    // Most tables leave nothing.
    let left: number[][] = [];
    for (const { words, first, count } of table.words()) {
      sift(pass, words, count, table.rowSize / 4, (row, mask) => {
        if (left.length === 0) left = this.#wishes.map(() => []);
        for (let bit = 0; bit < left.length; bit++) if ((mask & (1 << bit)) !== 0) left[bit]?.push(first + row);
      });
    }
    return left;
  }
}

/** What was made last: the modules of a tree are for one kernel. */
let lastTypes: { readonly facts: TypeWishFacts; readonly masks: TypeMasks } | null = null;

function typeMasks({ arch, features, version }: TypeWishFacts): TypeMasks {
  const facts = { arch, features, version };
  if (lastTypes === null || !areSame(lastTypes.facts, facts)) lastTypes = { facts, masks: makeTypeMasks(facts) };
  return lastTypes.masks;
}

function areSame(a: TypeWishFacts, b: TypeWishFacts): boolean {
  if (a.arch !== b.arch || a.features.size !== b.features.size) return false;
  for (const feature of a.features) if (!b.features.has(feature)) return false;
  const [one, other] = [a.version, b.version];
  return one?.major === other?.major && one?.minor === other?.minor && one?.patch === other?.patch;
}

function makeTypeMasks(facts: TypeWishFacts): TypeMasks {
  const tests = wishes().map((one) => one.types?.(facts));
  const ofType = (def: RelocDef | undefined): number => {
    let mask = 0;
    for (const [bit, test] of tests.entries()) if (test?.(def) !== false) mask |= 1 << bit;
    return mask;
  };
  const defs = facts.arch.relocs.defs.values();
  const unknown = defs.reduce((most, def) => Math.max(most, def.type), 0) + 1;
  let anyType = ofType(undefined);
  const types = new Int32Array(unknown + 1).fill(anyType);
  const bytes = new Uint8Array(unknown + 1);
  for (const def of defs) {
    const mask = ofType(def);
    types[def.type] = mask;
    bytes[def.type] = def.bytes;
    anyType |= mask;
  }
  return { types, bytes, unknown, anyType };
}

function addBit(masks: Int32Array, bit: number, wished: readonly number[] | ((symbol: number) => boolean)): void {
  if (typeof wished === "function") {
    for (let i = 0; i < masks.length; i++) if (wished(i)) masks[i] = (masks[i] ?? 0) | bit;
  } else for (const i of wished) masks[i] = (masks[i] ?? 0) | bit;
}

/** One table's pass: masks of wishes, and its target section. */
interface Pass extends Masks {
  /** Those that look at the table. */
  readonly looked: number;
  readonly far: number;
  readonly outside: number;
  readonly nonzero: number;
  /** Bytes of the target section, and what of them stands in the file. */
  readonly size: number;
  readonly data: Uint8Array;
}

/**
 * The loop.
 * @param stride words a row
 * @param leave is called with each row that is wished for, and by whom
 */
function sift(
  { anySymbol, symbols, types, bytes, unknown, looked, far, outside, nonzero, size, data }: Pass,
  words: Uint32Array,
  count: number,
  stride: number,
  leave: (row: number, mask: number) => void,
): void {
  const measured = far | outside | nonzero;
  for (let row = 0, at = 0; row < count; row++, at += stride) {
    const type = Math.min(words[at + ROW_WORDS.type] ?? 0, unknown);
    let mask = looked & (types[type] ?? 0) & (symbols[words[at + ROW_WORDS.symbol] ?? 0] ?? anySymbol);
    if ((mask & measured) !== 0) {
      if ((mask & far) !== 0) {
        const high = words[at + ROW_WORDS.addendHigh] ?? 0;
        const low = words[at + ROW_WORDS.addendLow] ?? 0;
        if (stride < 6 || (high === 0 ? low < TWO_TO_30 : high === ALL_ONES && low > TWO_TO_32 - TWO_TO_30))
          mask &= ~far;
      }
      const start = (words[at + ROW_WORDS.offsetLow] ?? 0) + (words[at + ROW_WORDS.offsetHigh] ?? 0) * TWO_TO_32;
      const end = start + (bytes[type] ?? 0);
      if (end <= size) mask &= ~outside;
      if ((mask & nonzero) !== 0) {
        let sum = 0;
        if (end <= data.length) for (let i = start; i < end; i++) sum |= data[i] ?? 0;
        if (sum === 0) mask &= ~nonzero;
      }
    }
    if (mask !== 0) leave(row, mask);
  }
}
