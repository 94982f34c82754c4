// Range lists and location lists of code that was moved apart: DWARF 5, 2.6.2, 2.17.3, 7.25 and 7.29; DWARF 4, 2.6.2 and
// 2.17.3 for the pairs of addresses of .debug_ranges and .debug_loc.

import {
  DW_LLE_base_address,
  DW_LLE_base_addressx,
  DW_LLE_default_location,
  DW_LLE_end_of_list,
  DW_LLE_GNU_view_pair,
  DW_LLE_offset_pair,
  DW_LLE_start_end,
  DW_LLE_start_length,
  DW_LLE_startx_endx,
  DW_LLE_startx_length,
  DW_RLE_base_address,
  DW_RLE_base_addressx,
  DW_RLE_end_of_list,
  DW_RLE_offset_pair,
  DW_RLE_start_end,
  DW_RLE_start_length,
  DW_RLE_startx_endx,
  DW_RLE_startx_length,
} from "../consts.ts";
import { Cursor, type DebugSection } from "../cursor.ts";
import { encodePaddedUleb128 } from "../leb128.ts";
import type { DwarfUnit, UnitReader } from "../units.ts";
import type { AddressMove } from "./addresses.ts";
import type { Draft } from "./draft.ts";

/** What an entry of a list is, whether of ranges or of locations. */
type Kind = "end" | "base" | "basex" | "pair" | "pairx" | "length" | "lengthx" | "offsets" | "default" | "views";

const RANGE_KINDS: ReadonlyMap<number, Kind> = new Map([
  [DW_RLE_end_of_list, "end"],
  [DW_RLE_base_addressx, "basex"],
  [DW_RLE_startx_endx, "pairx"],
  [DW_RLE_startx_length, "lengthx"],
  [DW_RLE_offset_pair, "offsets"],
  [DW_RLE_base_address, "base"],
  [DW_RLE_start_end, "pair"],
  [DW_RLE_start_length, "length"],
]);
const LOCATION_KINDS: ReadonlyMap<number, Kind> = new Map([
  [DW_LLE_end_of_list, "end"],
  [DW_LLE_base_addressx, "basex"],
  [DW_LLE_startx_endx, "pairx"],
  [DW_LLE_startx_length, "lengthx"],
  [DW_LLE_offset_pair, "offsets"],
  [DW_LLE_default_location, "default"],
  [DW_LLE_base_address, "base"],
  [DW_LLE_start_end, "pair"],
  [DW_LLE_start_length, "length"],
  [DW_LLE_GNU_view_pair, "views"],
]);

/** A list of version 5 that is being read. */
interface List {
  readonly unit: DwarfUnit;
  readonly section: DebugSection;
  readonly cursor: Cursor;
  readonly draft: Draft;
  /** What offsets count from, unless the list says otherwise: first the unit's own base. */
  base: number;
}

/** Reads lists of one file and drafts what changes in them. All errors are DwarfErrors. */
export class ListMover {
  readonly #reader: UnitReader;
  readonly #move: AddressMove;
  /** Whether a relocation makes the number at an offset of a section an address. */
  readonly #isRelocated: (section: DebugSection, at: number) => boolean;

  constructor(reader: UnitReader, move: AddressMove, isRelocated: (section: DebugSection, at: number) => boolean) {
    this.#reader = reader;
    this.#move = move;
    this.#isRelocated = isRelocated;
  }

  /** The address at entry `index` of the unit's part of .debug_addr, and where it stands. */
  indexed(unit: DwarfUnit, index: number): { readonly address: number; readonly at: number } {
    return { address: this.#reader.indexedAddress(unit, index), at: unit.addrBase + index * unit.addressSize };
  }

  /** The end of [start, end) is entry `at` of .debug_addr. */
  indexedEnd(start: number, at: number, end: number, draft: Draft): void {
    const section = this.#reader.sections.find("addr");
    if (section !== null) draft.end(section, at, this.#move.shiftOfEnd(start, end));
  }

  /** A list of version 5. */
  moveList(unit: DwarfUnit, section: DebugSection, offset: number, hasLocations: boolean, draft: Draft): void {
    const cursor = new Cursor(section, this.#reader.littleEndian, offset);
    const kinds = hasLocations ? LOCATION_KINDS : RANGE_KINDS;
    const list: List = { unit, section, cursor, draft, base: unit.lowPc };
    for (;;) {
      this.#reader.budget.spend(cursor);
      const kind = kinds.get(cursor.u8());
      if (kind === "end") return;
      if (kind === undefined) {
        cursor.at--;
        throw cursor.error("an unknown list entry");
      }
      if (this.#moveEntry(kind, list) && hasLocations) cursor.skip(cursor.uleb());
    }
  }

  /** Whether the entry is of a range, so that a location may follow. */
  #moveEntry(kind: Exclude<Kind, "end">, list: List): boolean {
    const { unit, section, cursor, draft } = list;
    switch (kind) {
      case "base":
        list.base = cursor.uint(unit.addressSize);
        return false;
      case "basex":
        list.base = this.#startx(unit, cursor, draft);
        return false;
      case "views":
        cursor.uleb();
        cursor.uleb();
        return false;
      case "default":
        return true;
      case "offsets":
        this.#moveOffsets(list);
        return true;
      case "length":
        this.#moveLength(list, cursor.uint(unit.addressSize));
        return true;
      case "lengthx":
        this.#moveLength(list, this.#startx(unit, cursor, draft));
        return true;
      case "pair": {
        const start = cursor.uint(unit.addressSize);
        const at = cursor.at;
        const end = cursor.uint(unit.addressSize);
        this.#check(cursor, start, end);
        draft.end(section, at, this.#move.shiftOfEnd(start, end));
        return true;
      }
      case "pairx": {
        const start = this.#startx(unit, cursor, draft);
        const end = this.indexed(unit, cursor.uleb());
        this.#check(cursor, start, end.address);
        this.indexedEnd(start, end.at, end.address, draft);
        return true;
      }
    }
  }

  /** Two distances from the base. */
  #moveOffsets({ cursor, draft, base }: List): void {
    const at = cursor.at;
    const start = cursor.uleb();
    const middle = cursor.at;
    const end = cursor.uleb();
    const [from, to] = this.#offsets(cursor, base, start, end);
    if (from !== start) draft.replace(cursor, at, middle - at, encodePaddedUleb128(from, middle - at));
    if (to !== end) draft.replace(cursor, middle, cursor.at - middle, encodePaddedUleb128(to, cursor.at - middle));
  }

  /** The length of what begins at `start`. */
  #moveLength({ cursor, draft }: List, start: number): void {
    const at = cursor.at;
    const length = cursor.uleb();
    this.#check(cursor, start, start + length);
    const now = this.#move.length(start, length);
    if (now !== length) draft.replace(cursor, at, cursor.at - at, encodePaddedUleb128(now, cursor.at - at));
  }

  /** A list of version 2 to 4: pairs of addresses, each relocated or counted from a base. */
  movePairs(unit: DwarfUnit, section: DebugSection, offset: number, hasLocations: boolean, draft: Draft): void {
    const size = unit.addressSize;
    const cursor = new Cursor(section, this.#reader.littleEndian, offset);
    const highest = size === 8 ? 2 ** 64 : 0xffff_ffff;
    for (let base = unit.lowPc; ; ) {
      this.#reader.budget.spend(cursor);
      const at = cursor.at;
      const start = cursor.uint(size);
      const end = cursor.uint(size);
      // Two relocated addresses are not the end of the list, even if both are 0.
      const isAddress = this.#isRelocated(section, at);
      if (isAddress !== this.#isRelocated(section, at + size) && start !== highest) {
        throw cursor.error("a range of which one end is relocated");
      }
      if (start === 0 && end === 0 && !isAddress) return;
      if (start === highest) {
        base = end;
        continue;
      }
      if (isAddress) {
        this.#check(cursor, start, end);
        draft.end(section, at + size, this.#move.shiftOfEnd(start, end));
      } else {
        const [from, to] = this.#offsets(cursor, base, start, end);
        if (from !== start) draft.number(cursor, at, size, from);
        if (to !== end) draft.number(cursor, at + size, size, to);
      }
      if (hasLocations) cursor.skip(cursor.u16());
    }
  }

  #startx(unit: DwarfUnit, cursor: Cursor, draft: Draft): number {
    const { address, at } = this.indexed(unit, cursor.uleb());
    draft.start(at);
    return address;
  }

  /** A range by its distances from `base`, in the new layout. */
  #offsets(cursor: Cursor, base: number, start: number, end: number): [number, number] {
    const move = this.#move;
    this.#check(cursor, base, base + start);
    this.#check(cursor, base + start, base + end);
    const own = move.shift(base);
    return [start + move.shift(base + start) - own, end + move.shiftOfEnd(base + start, base + end) - own];
  }

  #check(cursor: Cursor, start: number, end: number): void {
    if (!this.#move.isWhole(start, end)) throw cursor.error("a range that is not in one section");
  }
}
