import { type Addr, addr } from "../../base/brand.ts";
import { getUint64, halvesOf, viewOf, wordsOf } from "../../base/bytes.ts";
import { SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX } from "../consts.ts";
import { SYM } from "./layout.ts";
import { LONG_NAME, type StringTable } from "./strings.ts";

/**
 * Where the parts of a row stand among its words, {@link SymbolTable.words}. The second one is st_info, st_other << 8 and
 * st_shndx << 16.
 */
export const SYMBOL_WORDS = {
  count: 6,
  name: 0,
  mixed: 1,
  valueLow: 2,
  valueHigh: 3,
  sizeLow: 4,
  sizeHigh: 5,
} as const;

/** Rows of an ELF64 symbol table, read in place. Index 0 is the undefined symbol. */
export class SymbolTable {
  /** Index of the symbol table's own section. */
  readonly section: number;
  readonly count: number;
  readonly names: StringTable;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** The rows as halfwords, where they can be read as such: null otherwise. */
  readonly #halves: Uint16Array | null;
  readonly #extended: DataView | null;
  readonly #littleEndian: boolean;
  /** Names that were asked for, but for very long ones: rules ask for the same ones again and again. */
  #known: (string | undefined)[] | null = null;
  /** What {@link words} gave. */
  #words: Int32Array | null = null;
  /** What {@link startingWith} was asked for. */
  readonly #starting = new Map<string, readonly number[]>();

  /** `extended` is the content of the SHT_SYMTAB_SHNDX section that belongs to this table, if there is one. */
  constructor(
    section: number,
    data: Uint8Array,
    names: StringTable,
    extended: Uint8Array | null,
    littleEndian: boolean,
  ) {
    this.section = section;
    this.count = Math.floor(data.length / SYM.size);
    this.names = names;
    this.#bytes = data;
    this.#view = viewOf(data);
    this.#halves = littleEndian ? halvesOf(data) : null;
    this.#extended = extended === null ? null : viewOf(extended);
    this.#littleEndian = littleEndian;
  }

  /**
   * All rows as words of 32 bits, in the order of a little-endian file: mostly a view, which is not to be changed. They are signed: V8 makes
   * an object of a larger number until it has compiled what reads it.
   */
  words(): Int32Array {
    if (this.#words === null) {
      const { buffer, byteOffset, length } = (this.#littleEndian ? wordsOf(this.#bytes) : null) ?? this.#copiedWords();
      this.#words = new Int32Array(buffer, byteOffset, length);
    }
    return this.#words;
  }

  #copiedWords(): Uint32Array {
    const { count: stride, name, mixed, valueLow, sizeLow } = SYMBOL_WORDS;
    const words = new Uint32Array(this.count * stride);
    const view = this.#view;
    const le = this.#littleEndian;
    for (let i = 0; i < this.count; i++) {
      const [from, to] = [i * SYM.size, i * stride];
      words[to + name] = this.nameOffset(i);
      words[to + mixed] = this.info(i) | (this.other(i) << 8) | (this.rawShndx(i) << 16);
      for (const [field, at] of [[SYM.value, valueLow] as const, [SYM.sizeField, sizeLow] as const]) {
        words[to + at] = view.getUint32(from + field + (le ? 0 : 4), le);
        words[to + at + 1] = view.getUint32(from + field + (le ? 4 : 0), le);
      }
    }
    return words;
  }

  /** st_name: offset in bytes in the string table. */
  nameOffset(i: number): number {
    return this.#view.getUint32(i * SYM.size + SYM.name, this.#littleEndian);
  }
  name(i: number): string {
    this.#known ??= new Array<string | undefined>(this.count);
    let name = this.#known[i];
    if (name === undefined) {
      name = this.names.at(this.nameOffset(i));
      if (name.length <= LONG_NAME && i < this.count) this.#known[i] = name;
    }
    return name;
  }
  /** Whether the name begins with some characters: without making the name, which most are never asked for. */
  nameStartsWith(i: number, text: string): boolean {
    return this.names.startsWith(this.nameOffset(i), text);
  }
  /** Whether the name is some text, as {@link nameStartsWith}. */
  nameIs(i: number, text: string): boolean {
    return this.names.is(this.nameOffset(i), text);
  }
  /** The symbols whose names begin with some text, ascending, from 1 on: none are looked at where the names do not hold it. */
  startingWith(text: string): readonly number[] {
    let found = this.#starting.get(text);
    if (found === undefined) {
      const list: number[] = [];
      if (this.names.holds(text)) for (let i = 1; i < this.count; i++) if (this.nameStartsWith(i, text)) list.push(i);
      this.#starting.set(text, list);
      found = list;
    }
    return found;
  }
  /** The symbols of that name, ascending, from 1 on, as {@link startingWith}. */
  called(name: string): readonly number[] {
    return this.startingWith(name).filter((i) => this.nameIs(i, name));
  }
  /** st_info: binding in the high four bits, type in the low four. */
  info(i: number): number {
    return this.#bytes[i * SYM.size + SYM.info] ?? 0;
  }
  bind(i: number): number {
    return this.info(i) >> 4;
  }
  type(i: number): number {
    return this.info(i) & 0xf;
  }
  /** st_other: visibility in bits 0-1; on ppc64 the local entry encoding in bits 5-7. */
  other(i: number): number {
    return this.#bytes[i * SYM.size + SYM.other] ?? 0;
  }
  visibility(i: number): number {
    return this.other(i) & 3;
  }
  /** st_shndx as stored, 16 bits: SHN_XINDEX when the index stands in SHT_SYMTAB_SHNDX. */
  rawShndx(i: number): number {
    if (this.#halves !== null) return this.#halves[i * (SYM.size / 2) + SYM.shndx / 2] ?? 0;
    return this.#view.getUint16(i * SYM.size + SYM.shndx, this.#littleEndian);
  }
  /** Index of the section that defines the symbol; null for SHN_UNDEF and the reserved indices. */
  sectionOf(i: number): number | null {
    const raw = this.rawShndx(i);
    if (raw === SHN_XINDEX && this.#extended !== null) {
      const index = this.#extended.getUint32(i * 4, this.#littleEndian);
      return index === SHN_UNDEF ? null : index;
    }
    return raw === SHN_UNDEF || raw >= SHN_LORESERVE ? null : raw;
  }
  isUndefined(i: number): boolean {
    return this.rawShndx(i) === SHN_UNDEF;
  }
  /** st_value: in a relocatable file an offset in bytes in the defining section. */
  value(i: number): Addr {
    return addr(this.#view.getBigUint64(i * SYM.size + SYM.value, this.#littleEndian));
  }
  /** st_value as a number; rounded above 2^53: compare with a section's size before use. */
  offset(i: number): number {
    return getUint64(this.#view, i * SYM.size + SYM.value, this.#littleEndian);
  }
  /** st_size in bytes. */
  size(i: number): number {
    return getUint64(this.#view, i * SYM.size + SYM.sizeField, this.#littleEndian);
  }
}

/** The three bits of st_other that encode the ppc64 ELFv2 local entry point (0 to 7; ELFv2 ABI 3.4.1). */
export function localEntryCode(other: number): number {
  return (other >> 5) & 7;
}

/**
 * Bytes from a ppc64 ELFv2 function's global to its local entry point (ELFv2 ABI 3.4.1).
 * Codes 0 and 1: one entry point, 0. Codes 2 to 6: 4 to 64. Code 7 is reserved by the ABI;
 * the kernel's formula (asm/module.h, PPC64_LOCAL_ENTRY_OFFSET) gives 128.
 */
export function localEntryOffset(other: number): number {
  return ((1 << localEntryCode(other)) >> 2) << 2;
}
