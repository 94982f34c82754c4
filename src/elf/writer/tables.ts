// Rows of the tables that a file made from nothing consists of: section headers, symbols, names.

import { fromLatin1, latin1, type OrderedView } from "../../base/bytes.ts";
import { ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB } from "../consts.ts";
import { EHDR, SHDR, SYM } from "../views/layout.ts";

/** Names of a string table, each once. */
export class NameTable {
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #parts: string[] = ["\0"];
  #size = 1;

  /** The offset of a name (Latin-1) in the table. */
  add(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const at = this.#size;
    this.#offsets.set(name, at);
    this.#parts.push(`${name}\0`);
    this.#size += name.length + 1;
    return at;
  }
  bytes(): Uint8Array {
    return fromLatin1(this.#parts.join(""));
  }
}

/** So many places of the index are looked at for a name: names that were made to collide are found in a map. */
const MOST_PROBES = 32;

/** Names of a string table, each once, in the order in which they are asked for first. Offsets and sizes are bytes. */
export class CopiedNames {
  readonly #from: Uint8Array;
  #bytes: Uint8Array;
  /** The empty name is there: a NUL at 0. */
  #size = 1;
  /** Where names stand in `#bytes`, by a sum of their bytes; 0: nothing. */
  readonly #index: Int32Array;
  /** Those that the index has no place for. */
  readonly #others = new Map<string, number>();

  /** @param from the table that the names are of @param most names that will be asked for */
  constructor(from: Uint8Array, most: number) {
    this.#from = from;
    // Room for any name behind as many as the other table has.
    this.#bytes = new Uint8Array((from.length + 1) * 2);
    this.#index = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(most, 8) * 2)));
  }

  /** Replaces offsets in the other table by those in this one: words `first`, `first + stride` and so on below `end`. */
  replace(words: Int32Array, first: number, stride: number, end: number): void {
    for (let k = first; k < end; k += stride) words[k] = this.#add(words[k] ?? 0);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  /** Puts a name behind the others; where it is there already, the next one takes its place. */
  #add(start: number): number {
    const from = this.#from;
    const size = this.#size;
    if ((from[start] ?? 0) === 0) return 0;
    if (size + from.length >= this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let sum = 0;
    let end = size;
    for (let at = start; at < from.length; at++) {
      const byte = from[at] ?? 0;
      if (byte === 0) break;
      bytes[end++] = byte;
      sum = (Math.imul(sum, 0x0100_0193) ^ byte) | 0;
    }
    bytes[end] = 0;
    const at = this.#placeOf(sum, size, end);
    if (at === size) this.#size = end + 1;
    return at;
  }

  /** Names may share their ends in the other table, so that more bytes may be needed than it has. */
  #grow(): void {
    const more = new Uint8Array(this.#bytes.length * 2);
    more.set(this.#bytes);
    this.#bytes = more;
  }

  /** Where the name of [start, end), whose bytes have that sum, stands for the first time. */
  #placeOf(sumOf: number, start: number, end: number): number {
    const index = this.#index;
    const sum = Math.imul(sumOf ^ (sumOf >>> 15), 0x2c1b_3c6d);
    const mask = index.length - 1;
    for (let probe = 0, at = (sum ^ (sum >>> 13)) & mask; probe < MOST_PROBES; probe++, at = (at + 1) & mask) {
      const known = index[at] ?? 0;
      if (known === 0) {
        index[at] = start;
        return start;
      }
      if (this.#isSame(known, start, end)) return known;
    }
    const name = latin1(this.#bytes, start, end);
    const other = this.#others.get(name) ?? start;
    this.#others.set(name, other);
    return other;
  }

  #isSame(known: number, start: number, end: number): boolean {
    const bytes = this.#bytes;
    for (let i = start, k = known; i <= end; i++, k++) if (bytes[i] !== bytes[k]) return false;
    return true;
  }
}

/** A section header. Offsets and sizes are bytes of the file; `name` is an offset in the table of section names. */
export interface SectionHeaderRow {
  readonly name: number;
  readonly type: number;
  readonly flags: bigint;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
}

/** Writes a section header at an offset of the file. */
export function writeSectionHeader(view: OrderedView, at: number, row: SectionHeaderRow): void {
  view.setUint32(at + SHDR.name, row.name);
  view.setUint32(at + SHDR.type, row.type);
  view.setBigUint64(at + SHDR.flags, row.flags);
  view.setBigUint64(at + SHDR.addr, row.address);
  view.setBigUint64(at + SHDR.offset, BigInt(row.offset));
  view.setBigUint64(at + SHDR.sizeField, BigInt(row.size));
  view.setUint32(at + SHDR.link, row.link);
  view.setUint32(at + SHDR.info, row.info);
  view.setBigUint64(at + SHDR.addralign, BigInt(row.align));
  view.setBigUint64(at + SHDR.entsize, BigInt(row.entsize));
}

/** A symbol. `name` is an offset in its string table, `shndx` as it stands in the file. */
export interface SymbolRow {
  readonly name: number;
  readonly info: number;
  readonly other: number;
  readonly shndx: number;
  readonly value: bigint;
  readonly size: number;
}

/** Writes a symbol at an offset of its table. */
export function writeSymbol(view: OrderedView, at: number, row: SymbolRow): void {
  view.setUint32(at + SYM.name, row.name);
  view.setUint8(at + SYM.info, row.info);
  view.setUint8(at + SYM.other, row.other);
  view.setUint16(at + SYM.shndx, row.shndx);
  view.setBigUint64(at + SYM.value, row.value);
  view.setBigUint64(at + SYM.sizeField, BigInt(row.size));
}

/** What the header of a file made from nothing says; the table of section names is its last section. */
export interface FileHeader {
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  /** File offset of the section headers, bytes. */
  readonly sectionHeaders: number;
  readonly sectionCount: number;
}

/** Writes the ELF64 header into the beginning of `out`; fields of program headers stay zero. */
export function writeFileHeader(out: Uint8Array, view: OrderedView, header: FileHeader): void {
  out.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, view.littleEndian ? ELFDATA2LSB : ELFDATA2MSB, 1]);
  view.setUint16(EHDR.type, header.type);
  view.setUint16(EHDR.machine, header.machine);
  view.setUint32(EHDR.version, 1);
  view.setBigUint64(EHDR.shoff, BigInt(header.sectionHeaders));
  view.setUint32(EHDR.flags, header.flags);
  view.setUint16(EHDR.ehsize, EHDR.size);
  view.setUint16(EHDR.shentsize, SHDR.size);
  view.setUint16(EHDR.shnum, header.sectionCount);
  view.setUint16(EHDR.shstrndx, header.sectionCount - 1);
}
