// Where code stands before and after functions of a section were moved apart, in made-up addresses (../sections.ts).

import { firstIndex } from "../../../base/search.ts";
import type { ElfFile } from "../../reader.ts";
import type { SectionAddresses } from "../sections.ts";

/** Room in a section, in bytes; what begins at `at` or behind it moves. */
export interface AddedRoom {
  readonly at: number;
  readonly size: number;
}

/** The new layout of one code section, by offsets. */
export interface CodeLayout {
  /** Bytes by which what stands at `offset` moves; 0 or more, and never less than at a lower offset. */
  shift(offset: number): number;
  /** By offset. */
  readonly gaps: readonly AddedRoom[];
}

interface MovedSection {
  readonly base: number;
  readonly end: number;
  readonly layout: CodeLayout;
  /** By made-up address; rooms at one place count as one. */
  readonly rooms: readonly AddedRoom[];
}

/** The new layout of all code. All addresses are made-up ones of the old layout. */
export class AddressMove {
  readonly #sections: readonly MovedSection[];

  constructor(file: ElfFile, addresses: SectionAddresses, layouts: ReadonlyMap<number, CodeLayout>) {
    const sections: MovedSection[] = [];
    for (const [section, layout] of layouts) {
      const base = addresses.baseOf(section);
      const rooms: AddedRoom[] = [];
      for (const { at, size } of layout.gaps) {
        const last = rooms.at(-1);
        if (size === 0) continue;
        if (last?.at === base + at) rooms[rooms.length - 1] = { at: last.at, size: last.size + size };
        else rooms.push({ at: base + at, size });
      }
      if (base !== 0 && rooms.length > 0)
        sections.push({ base, end: base + file.sections.size(section), layout, rooms });
    }
    this.#sections = sections.sort((a, b) => a.base - b.base);
  }

  /** Whether nothing moves. */
  get isEmpty(): boolean {
    return this.#sections.length === 0;
  }

  #at(address: number): MovedSection | null {
    const home = this.#sections[firstIndex(this.#sections.length, (i) => (this.#sections[i]?.base ?? 0) > address) - 1];
    return home !== undefined && address <= home.end ? home : null;
  }

  /** Bytes by which what begins at `address` moves; 0 where nothing moves. */
  shift(address: number): number {
    const home = this.#at(address);
    return home === null ? 0 : home.layout.shift(address - home.base);
  }

  /** Bytes by which the end of what stands in [start, end) moves: with its last byte. */
  shiftOfEnd(start: number, end: number): number {
    return this.shift(end > start ? end - 1 : end);
  }

  /** New length of [start, start + length), with the room between its first and its last byte. */
  length(start: number, length: number): number {
    return length + this.shiftOfEnd(start, start + length) - this.shift(start);
  }

  /** Rooms behind the byte at `from` and before the one at `to`, that is with from < at <= to, by address. */
  roomsIn(from: number, to: number): readonly AddedRoom[] {
    const home = this.#at(from);
    if (home === null) return [];
    const behind = (address: number): number =>
      firstIndex(home.rooms.length, (i) => (home.rooms[i]?.at ?? 0) > address);
    return home.rooms.slice(behind(from), behind(to));
  }

  /** Whether a range that begins in a section that moves ends in the same section. */
  isWhole(start: number, end: number): boolean {
    const home = this.#at(start);
    return home === null || (end >= start && end <= home.end);
  }
}
