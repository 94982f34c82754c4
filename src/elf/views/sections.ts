import { type Addr, addr } from "../../base/brand.ts";
import { getUint64 } from "../../base/bytes.ts";
import { SHT_NOBITS, SHT_NULL } from "../consts.ts";
import { SHDR } from "./layout.ts";
import { HeldBytes, type SectionBytes } from "./sectionBytes.ts";
import { LONG_NAME, type StringTable } from "./strings.ts";

/**
 * Section headers read in place. Indices run from 0 (the null section) to `count - 1`.
 * Offsets and sizes are bytes in the file.
 */
export class SectionTable {
  readonly count: number;
  readonly #file: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #littleEndian: boolean;
  #names: StringTable | null = null;
  /** The first section of each name, from when one is first asked for. */
  #byName: Map<string, number> | null = null;
  /** Sections whose bytes are not in `file`. */
  #apart: ReadonlyMap<number, SectionBytes> | null = null;
  /** Names that were asked for, but for very long ones: rules ask for the same ones again and again. */
  readonly #known: (string | undefined)[] = [];

  constructor(file: Uint8Array, view: DataView, start: number, count: number, littleEndian: boolean) {
    this.#file = file;
    this.#view = view;
    this.#start = start;
    this.count = count;
    this.#littleEndian = littleEndian;
  }

  /** Called once by the reader when the section name table has been found and checked. */
  setNames(names: StringTable): void {
    this.#names = names;
    this.#byName = null;
  }

  /** Says of which sections the bytes are not in memory: `data` reads such a one whole, `bytesOf` in parts. */
  setApart(apart: ReadonlyMap<number, SectionBytes>): void {
    this.#apart = apart;
  }

  /** File offset of the header of section `i`. */
  headerOffset(i: number): number {
    return this.#start + i * SHDR.size;
  }
  #u32(i: number, field: number): number {
    return this.#view.getUint32(this.headerOffset(i) + field, this.#littleEndian);
  }
  #u64(i: number, field: number): number {
    return getUint64(this.#view, this.headerOffset(i) + field, this.#littleEndian);
  }

  /** sh_name: offset in bytes in the section name table. */
  nameOffset(i: number): number {
    return this.#u32(i, SHDR.name);
  }
  name(i: number): string {
    let name = this.#known[i];
    if (name === undefined) {
      if (this.#names === null) return "";
      name = this.#names.at(this.nameOffset(i));
      if (name.length <= LONG_NAME && i < this.count) this.#known[i] = name;
    }
    return name;
  }
  type(i: number): number {
    return this.#u32(i, SHDR.type);
  }
  /** sh_flags, all 64 bits. */
  flags(i: number): bigint {
    return this.#view.getBigUint64(this.headerOffset(i) + SHDR.flags, this.#littleEndian);
  }
  /** Whether all bits of `mask` (below 2^32) are set in sh_flags. */
  hasFlags(i: number, mask: number): boolean {
    const at = this.headerOffset(i) + SHDR.flags + (this.#littleEndian ? 0 : 4);
    return (this.#view.getUint32(at, this.#littleEndian) & mask) >>> 0 === mask >>> 0;
  }
  addr(i: number): Addr {
    return addr(this.#view.getBigUint64(this.headerOffset(i) + SHDR.addr, this.#littleEndian));
  }
  offset(i: number): number {
    return this.#u64(i, SHDR.offset);
  }
  size(i: number): number {
    return this.#u64(i, SHDR.sizeField);
  }
  link(i: number): number {
    return this.#u32(i, SHDR.link);
  }
  info(i: number): number {
    return this.#u32(i, SHDR.info);
  }
  addralign(i: number): number {
    return this.#u64(i, SHDR.addralign);
  }
  entsize(i: number): number {
    return this.#u64(i, SHDR.entsize);
  }

  /** Whether the section has bytes in the file (SHT_NULL and SHT_NOBITS have none). */
  hasBytes(i: number): boolean {
    const type = this.type(i);
    return type !== SHT_NULL && type !== SHT_NOBITS;
  }

  /** Whether the section's bytes are not in memory. */
  isApart(i: number): boolean {
    return this.#apart?.has(i) ?? false;
  }

  /** The section's bytes, to be had in parts. */
  bytesOf(i: number): SectionBytes {
    return this.#apart?.get(i) ?? new HeldBytes(this.data(i));
  }

  /** The section's bytes in the file: a view, not a copy, unless they are read from it now; empty for SHT_NULL and SHT_NOBITS. */
  data(i: number): Uint8Array {
    const apart = this.#apart?.get(i);
    if (apart !== undefined) return apart.part(0, apart.length);
    if (!this.hasBytes(i)) return this.#file.subarray(0, 0);
    const start = this.offset(i);
    return this.#file.subarray(start, start + this.size(i));
  }

  /** Index of the first section called `name`, or null. */
  findByName(name: string): number | null {
    if (this.#byName === null) {
      // Many are asked for, each by name.
      this.#byName = new Map();
      for (let i = this.count - 1; i > 0; i--) this.#byName.set(this.name(i), i);
    }
    return this.#byName.get(name) ?? null;
  }
}
