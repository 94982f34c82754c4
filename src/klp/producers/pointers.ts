// Pointer fields of a producer's tables: they hold 0, and their value stands in a relocation.

import { SHF_RELA_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { type RelocationTable, ROW_WORDS } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { SectionHandle, SymbolHandle } from "../../elf/writer/edits.ts";
import { longer } from "../../elf/writer/namePool.ts";

/** The value of a pointer field: a place in a section, or an undefined symbol. */
export interface Pointer {
  readonly symbol: SymbolHandle;
  readonly addend: bigint;
  readonly type: number;
}

/** An offset in a section of the file. */
export interface FilePlace {
  readonly section: SectionHandle;
  readonly offset: number;
}

/** A {@link FilePlace} that is used again for each pointer: tables have tens of thousands. */
export class PlaceCursor implements FilePlace {
  section: SectionHandle = 0;
  offset = 0;
}

/** What {@link Pointers.lead} finds: no pointer, one that names no place in a section of the file, or a place. */
export const LEADS = { missing: 0, nowhere: 1, place: 2 } as const;

/** Two numbers up to here have a sum that is exact. */
const LARGE = 2 ** 52 - 1;

/** The pointers of one section by offset, in columns. */
export class Pointers {
  /** Number of the slots that stand for eight bytes of the section each; those of other offsets come behind. */
  readonly #aligned: number;
  /** Offsets that are no multiple of eight, or behind the section's end, and their slots. */
  readonly #others = new Map<number, number>();
  readonly #absolute: number;
  /** By slot: the symbol, and 1; 0: there is no pointer. Of several relocations of one place, the last counts. */
  #symbols: Uint32Array;
  /** By slot: halves of the addend. */
  #low: Uint32Array;
  #high: Int32Array;
  // Where the symbol that was asked for last is: most of those that follow one another are the same.
  #symbol = -1;
  #section: SectionHandle | null = null;
  #value = 0;

  /** @param absolute the architecture's 64-bit absolute relocation type. */
  constructor(file: ElfFile, section: number, absolute: number) {
    this.#absolute = absolute;
    this.#aligned = Math.ceil(file.sections.data(section).length / 8);
    const room = Math.max(8, this.#aligned);
    this.#symbols = new Uint32Array(room);
    this.#low = new Uint32Array(room);
    this.#high = new Int32Array(room);
    for (const table of file.relocations) {
      if (table.target === section && !file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) this.#read(table);
    }
  }

  #read(table: RelocationTable): void {
    const absolute = this.#absolute;
    const aligned = this.#aligned;
    const { hasAddends } = table;
    const stride = table.rowSize / 4;
    let [symbols, lows, highs] = [this.#symbols, this.#low, this.#high];
    for (const { words, count } of table.words()) {
      for (let at = 0; at < count * stride; at += stride) {
        const low = words[at] as number;
        let slot = low >>> 3;
        if ((low & 7) !== 0 || slot >= aligned || words[at + ROW_WORDS.offsetHigh] !== 0) {
          slot = this.#slot((words[at + ROW_WORDS.offsetHigh] as number) * 0x1_0000_0000 + low);
          [symbols, lows, highs] = [this.#symbols, this.#low, this.#high];
        }
        symbols[slot] = words[at + ROW_WORDS.type] === absolute ? (words[at + ROW_WORDS.symbol] as number) + 1 : 0;
        lows[slot] = hasAddends ? (words[at + ROW_WORDS.addendLow] as number) : 0;
        highs[slot] = hasAddends ? (words[at + ROW_WORDS.addendHigh] as number) : 0;
      }
    }
  }

  /** The slot of an offset, which need not be one of the section; made where it is missing. */
  #slot(offset: number): number {
    if (offset % 8 === 0 && offset / 8 < this.#aligned) return offset / 8;
    const known = this.#others.get(offset);
    if (known !== undefined) return known;
    const slot = this.#aligned + this.#others.size;
    this.#others.set(offset, slot);
    while (slot >= this.#symbols.length) {
      this.#symbols = longer(this.#symbols);
      this.#low = longer(this.#low);
      this.#high = longer(this.#high);
    }
    return slot;
  }

  /** The slot of the pointer at `offset`; -1 if there is none, or a relocation of another kind. */
  find(offset: number): number {
    const isAligned = offset % 8 === 0 && offset / 8 < this.#aligned;
    const slot = isAligned ? offset / 8 : (this.#others.get(offset) ?? -1);
    return slot >= 0 && this.#symbols[slot] !== 0 ? slot : -1;
  }
  symbol(slot: number): SymbolHandle {
    return (this.#symbols[slot] ?? 0) - 1;
  }
  addendLow(slot: number): number {
    return this.#low[slot] ?? 0;
  }
  addendHigh(slot: number): number {
    return this.#high[slot] ?? 0;
  }
  #addend(slot: number): bigint {
    return (BigInt(this.addendHigh(slot)) << 32n) | BigInt(this.addendLow(slot));
  }

  /** The pointer at `offset`; null if there is none, or a relocation of another kind. */
  at(offset: number): Pointer | null {
    const slot = this.find(offset);
    return slot < 0 ? null : { symbol: this.symbol(slot), addend: this.#addend(slot), type: this.#absolute };
  }

  /** Where the pointer at `offset` leads, {@link LEADS}; the place is put into `place`. */
  lead(offset: number, symbols: SymbolTable, place: PlaceCursor): number {
    const slot = this.find(offset);
    if (slot < 0) return LEADS.missing;
    const symbol = (this.#symbols[slot] as number) - 1;
    if (symbol !== this.#symbol) {
      this.#symbol = symbol;
      this.#section = symbols.sectionOf(symbol);
      this.#value = symbols.offset(symbol);
    }
    if (this.#section === null) return LEADS.nowhere;
    place.section = this.#section;
    const addend = (this.#high[slot] as number) * 0x1_0000_0000 + (this.#low[slot] as number);
    // Exact, as nearly all are.
    if (this.#value <= LARGE && Math.abs(addend) <= LARGE) {
      place.offset = this.#value + addend;
      return place.offset < 0 ? LEADS.nowhere : LEADS.place;
    }
    const exact = symbols.value(symbol) + this.#addend(slot);
    if (exact < 0n || exact > BigInt(Number.MAX_SAFE_INTEGER)) return LEADS.nowhere;
    place.offset = Number(exact);
    return LEADS.place;
  }
}
