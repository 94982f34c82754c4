// .debug_info: the headers of units, abbreviations, and the attributes of single entries (DWARF 5, 7.5; DWARF 4, 7.5).

import { firstIndex } from "../../base/search.ts";
import {
  DW_AT_addr_base,
  DW_AT_comp_dir,
  DW_AT_high_pc,
  DW_AT_language,
  DW_AT_loclists_base,
  DW_AT_low_pc,
  DW_AT_name,
  DW_AT_ranges,
  DW_AT_rnglists_base,
  DW_AT_stmt_list,
  DW_AT_str_offsets_base,
  DW_FORM_addr,
  DW_FORM_implicit_const,
  DW_FORM_line_strp,
  DW_FORM_ref_addr,
  DW_FORM_rnglistx,
  DW_FORM_string,
  DW_FORM_strp,
  DW_RLE_base_address,
  DW_RLE_base_addressx,
  DW_RLE_end_of_list,
  DW_RLE_offset_pair,
  DW_RLE_start_end,
  DW_RLE_start_length,
  DW_RLE_startx_endx,
  DW_RLE_startx_length,
  DW_UT_skeleton,
  DW_UT_split_compile,
  DW_UT_split_type,
  DW_UT_type,
} from "./consts.ts";
import { type Budget, Cursor, type DebugSection, type DwarfError } from "./cursor.ts";
import { type FormSizes, isAddressIndex, isStringIndex, isUnitReference, readForm } from "./forms.ts";
import type { DebugSections } from "./sections.ts";

export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Triples: attribute, form, implicit constant. */
  readonly attributes: readonly number[];
}

/** One attribute's value as {@link readForm} gives it. */
export interface AttributeValue {
  readonly form: number;
  readonly value: number;
}

/** An entry's attributes by number. */
export type Attributes = ReadonlyMap<number, AttributeValue>;

/** A half-open range of made-up addresses (see sections.ts). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A unit of .debug_info with what its first entry says. Offsets are bytes in .debug_info. */
export interface DwarfUnit extends FormSizes {
  readonly info: DebugSection;
  readonly start: number;
  readonly end: number;
  /** Offset of the first entry. */
  readonly firstEntry: number;
  readonly abbreviations: ReadonlyMap<number, Abbreviation>;
  readonly tag: number;
  readonly name: string | null;
  readonly directory: string | null;
  /** DW_AT_language; 0 if the unit does not tell. */
  readonly language: number;
  /** Offset in .debug_line; null if the unit has no lines. */
  readonly lines: number | null;
  readonly lowPc: number;
  readonly strOffsetsBase: number;
  readonly addrBase: number;
  readonly rnglistsBase: number;
  readonly loclistsBase: number;
  /** What the unit covers; empty if it does not tell. */
  readonly ranges: readonly Range[];
}

/** Reads units and entries. All errors are {@link DwarfError}. */
export class UnitReader {
  readonly sections: DebugSections;
  readonly littleEndian: boolean;
  readonly budget: Budget;
  /** Units that were passed over, because their version is not one of 2 to 5. */
  readonly unknownUnits: { readonly section: DebugSection; readonly at: number; readonly version: number }[] = [];
  readonly #abbreviations = new Map<number, ReadonlyMap<number, Abbreviation>>();
  /** The units of each section, of lists that references were looked up in. */
  readonly #homes = new WeakMap<readonly DwarfUnit[], Map<DebugSection, readonly DwarfUnit[]>>();

  constructor(sections: DebugSections, littleEndian: boolean, budget: Budget) {
    this.sections = sections;
    this.littleEndian = littleEndian;
    this.budget = budget;
  }

  /** All units with code, in the order of the file. Those of an unknown version are passed over: `unknownUnits`. */
  units(): DwarfUnit[] {
    return [...this.eachUnit()];
  }

  /** As {@link units}, one after the other: an error leaves those before it. */
  *eachUnit(): Generator<DwarfUnit> {
    for (const info of this.sections.all("info")) {
      let at = 0;
      while (at < info.bytes.length) {
        const { unit, next } = this.unitAt(info, at);
        if (unit !== null) yield unit;
        at = next;
      }
    }
  }

  /** The unit at `start` of a .debug_info, and where the next one begins. Null for one without code, or of an unknown version. */
  unitAt(info: DebugSection, start: number): { unit: DwarfUnit | null; next: number } {
    const cursor = new Cursor(info, this.littleEndian, start);
    const { length, offsetSize } = cursor.unitLength();
    const end = cursor.at + length;
    if (end > info.bytes.length) throw cursor.error("a unit that is longer than the section");
    cursor.end = end;
    this.budget.spend(cursor, 4);
    const version = cursor.u16();
    if (version < 2 || version > 5) {
      this.unknownUnits.push({ section: info, at: start, version });
      return { unit: null, next: end };
    }
    let type = 0;
    let addressSize: number;
    let abbrevOffset: number;
    if (version >= 5) {
      type = cursor.u8();
      addressSize = cursor.u8();
      abbrevOffset = cursor.uint(offsetSize);
      if (type === DW_UT_skeleton || type === DW_UT_split_compile) cursor.skip(8);
      else if (type === DW_UT_type || type === DW_UT_split_type) return { unit: null, next: end };
    } else {
      abbrevOffset = cursor.uint(offsetSize);
      addressSize = cursor.u8();
    }
    if (addressSize !== 4 && addressSize !== 8) throw cursor.error(`addresses of ${addressSize} bytes`);
    const bare = {
      info,
      start,
      end,
      version,
      offsetSize,
      addressSize,
      firstEntry: cursor.at,
      abbreviations: this.#abbreviationsAt(abbrevOffset),
    };
    return { unit: this.#withRoot(bare, cursor), next: end };
  }

  #withRoot(
    bare: Omit<
      DwarfUnit,
      | "tag"
      | "name"
      | "directory"
      | "language"
      | "lines"
      | "lowPc"
      | "strOffsetsBase"
      | "addrBase"
      | "rnglistsBase"
      | "loclistsBase"
      | "ranges"
    >,
    cursor: Cursor,
  ): DwarfUnit | null {
    const abbreviation = bare.abbreviations.get(cursor.uleb());
    if (abbreviation === undefined) return null;
    const root = this.attributes(cursor, abbreviation, bare);
    // Where a unit does not state a base, its tables begin behind one header (DWARF 5, 7.26 to 7.29).
    const header = bare.offsetSize === 8 ? 16 : 8;
    const number = (at: number): number | null => root.get(at)?.value ?? null;
    const unit: DwarfUnit = {
      ...bare,
      tag: abbreviation.tag,
      name: null,
      directory: null,
      language: number(DW_AT_language) ?? 0,
      lines: number(DW_AT_stmt_list),
      lowPc: 0,
      strOffsetsBase: number(DW_AT_str_offsets_base) ?? header,
      addrBase: number(DW_AT_addr_base) ?? header,
      rnglistsBase: number(DW_AT_rnglists_base) ?? (bare.offsetSize === 8 ? 20 : 12),
      loclistsBase: number(DW_AT_loclists_base) ?? (bare.offsetSize === 8 ? 20 : 12),
      ranges: [],
    };
    const low = root.get(DW_AT_low_pc);
    const based = { ...unit, lowPc: low === undefined ? 0 : this.address(unit, low) };
    return {
      ...based,
      name: this.string(based, root.get(DW_AT_name)),
      directory: this.string(based, root.get(DW_AT_comp_dir)),
      ranges: this.ranges(based, root),
    };
  }

  /** .debug_abbrev at `offset`, up to its end mark. */
  #abbreviationsAt(offset: number): ReadonlyMap<number, Abbreviation> {
    const known = this.#abbreviations.get(offset);
    if (known !== undefined) return known;
    const section = this.sections.find("abbrev") ?? { name: ".debug_abbrev", bytes: new Uint8Array() };
    const cursor = new Cursor(section, this.littleEndian, offset);
    const table = new Map<number, Abbreviation>();
    for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
      const tag = cursor.uleb();
      const hasChildren = cursor.u8() !== 0;
      const attributes: number[] = [];
      for (;;) {
        this.budget.spend(cursor);
        const attribute = cursor.uleb();
        const form = cursor.uleb();
        const implicit = form === DW_FORM_implicit_const ? cursor.sleb() : 0;
        if (attribute === 0 && form === 0) break;
        attributes.push(attribute, form, implicit);
      }
      table.set(code, { tag, hasChildren, attributes });
    }
    this.#abbreviations.set(offset, table);
    return table;
  }

  /** The attributes of the entry whose abbreviation code was just read; leaves the cursor behind them. */
  attributes(cursor: Cursor, abbreviation: Abbreviation, sizes: FormSizes): Attributes {
    const found = new Map<number, AttributeValue>();
    const list = abbreviation.attributes;
    for (let i = 0; i + 2 < list.length; i += 3) {
      const form = list[i + 1] ?? 0;
      found.set(list[i] ?? 0, { form, value: readForm(cursor, form, sizes, list[i + 2] ?? 0) });
    }
    return found;
  }

  /** Steps over the attributes of an entry. */
  skipAttributes(cursor: Cursor, abbreviation: Abbreviation, sizes: FormSizes): void {
    const list = abbreviation.attributes;
    for (let i = 0; i + 2 < list.length; i += 3) readForm(cursor, list[i + 1] ?? 0, sizes, 0);
  }

  /** An attribute of class string; null if it is absent or lies in a file that is not at hand. */
  string(unit: DwarfUnit, value: AttributeValue | undefined): string | null {
    if (value === undefined) return null;
    switch (value.form) {
      case DW_FORM_string:
        return this.#stringAt(unit.info, value.value);
      case DW_FORM_strp:
        return this.#stringAt(this.sections.find("str"), value.value);
      case DW_FORM_line_strp:
        return this.#stringAt(this.sections.find("line_str"), value.value);
    }
    if (!isStringIndex(value.form)) return null;
    const offsets = this.sections.find("str_offsets");
    if (offsets === null) return null;
    const entry = new Cursor(offsets, this.littleEndian, unit.strOffsetsBase + value.value * unit.offsetSize);
    return this.#stringAt(this.sections.find("str"), entry.uint(unit.offsetSize));
  }

  #stringAt(section: DebugSection | null, offset: number): string | null {
    if (section === null) return null;
    const cursor = new Cursor(section, this.littleEndian, offset);
    const text = cursor.string();
    // Any number of entries may name one long string.
    this.budget.spend(cursor, text.length >> 2);
    return text;
  }

  /** An attribute of class address. */
  address(unit: DwarfUnit, value: AttributeValue): number {
    return isAddressIndex(value.form) ? this.indexedAddress(unit, value.value) : value.value;
  }

  /** Entry `index` of the unit's part of .debug_addr. */
  indexedAddress(unit: DwarfUnit, index: number): number {
    const section = this.sections.find("addr") ?? { name: ".debug_addr", bytes: new Uint8Array() };
    return new Cursor(section, this.littleEndian, unit.addrBase + index * unit.addressSize).uint(unit.addressSize);
  }

  /** What an entry covers: DW_AT_low_pc and DW_AT_high_pc, or DW_AT_ranges. */
  ranges(unit: DwarfUnit, attributes: Attributes): readonly Range[] {
    const ranges = attributes.get(DW_AT_ranges);
    if (ranges !== undefined) {
      return unit.version >= 5 ? this.#rnglist(unit, ranges) : this.#rangesOfVersion4(unit, ranges.value);
    }
    const low = attributes.get(DW_AT_low_pc);
    const high = attributes.get(DW_AT_high_pc);
    if (low === undefined || high === undefined) return [];
    const start = this.address(unit, low);
    // An address, or a distance from low_pc, by its form (DWARF 4, 2.17.2).
    const isAddress = high.form === DW_FORM_addr || isAddressIndex(high.form);
    const end = isAddress ? this.address(unit, high) : start + high.value;
    return end > start ? [{ start, end }] : [];
  }

  /** .debug_ranges (DWARF 4, 2.17.3). */
  #rangesOfVersion4(unit: DwarfUnit, offset: number): Range[] {
    const section = this.sections.find("ranges") ?? { name: ".debug_ranges", bytes: new Uint8Array() };
    const cursor = new Cursor(section, this.littleEndian, offset);
    const highest = unit.addressSize === 8 ? 2 ** 64 : 0xffff_ffff;
    const ranges: Range[] = [];
    for (let base = unit.lowPc; ; ) {
      this.budget.spend(cursor);
      const start = cursor.uint(unit.addressSize);
      const end = cursor.uint(unit.addressSize);
      if (start === 0 && end === 0) return ranges;
      // The largest address opens a new base; 2^64 - 1 is rounded to 2^64 here.
      if (start === highest) base = end;
      else if (end > start) ranges.push({ start: base + start, end: base + end });
    }
  }

  /** .debug_rnglists (DWARF 5, 2.17.3 and 7.25). */
  #rnglist(unit: DwarfUnit, value: AttributeValue): Range[] {
    const section = this.sections.find("rnglists") ?? { name: ".debug_rnglists", bytes: new Uint8Array() };
    let offset = value.value;
    if (value.form === DW_FORM_rnglistx) {
      const entry = new Cursor(section, this.littleEndian, unit.rnglistsBase + offset * unit.offsetSize);
      offset = unit.rnglistsBase + entry.uint(unit.offsetSize);
    }
    const cursor = new Cursor(section, this.littleEndian, offset);
    const ranges: Range[] = [];
    const add = (start: number, end: number): void => {
      if (end > start) ranges.push({ start, end });
    };
    for (let base = unit.lowPc; ; ) {
      this.budget.spend(cursor);
      const kind = cursor.u8();
      switch (kind) {
        case DW_RLE_end_of_list:
          return ranges;
        case DW_RLE_base_addressx:
          base = this.indexedAddress(unit, cursor.uleb());
          break;
        case DW_RLE_base_address:
          base = cursor.uint(unit.addressSize);
          break;
        case DW_RLE_offset_pair: {
          const start = cursor.uleb();
          add(base + start, base + cursor.uleb());
          break;
        }
        case DW_RLE_startx_endx: {
          const start = this.indexedAddress(unit, cursor.uleb());
          add(start, this.indexedAddress(unit, cursor.uleb()));
          break;
        }
        case DW_RLE_startx_length: {
          const start = this.indexedAddress(unit, cursor.uleb());
          add(start, start + cursor.uleb());
          break;
        }
        case DW_RLE_start_end: {
          const start = cursor.uint(unit.addressSize);
          add(start, cursor.uint(unit.addressSize));
          break;
        }
        case DW_RLE_start_length: {
          const start = cursor.uint(unit.addressSize);
          add(start, start + cursor.uleb());
          break;
        }
        default:
          throw cursor.error(`the unknown range list entry ${kind}`);
      }
    }
  }

  /** The unit in whose entries an offset of .debug_info lies. */
  #unitOf(units: readonly DwarfUnit[], info: DebugSection, at: number): DwarfUnit | undefined {
    const homes = this.#homes.get(units) ?? new Map<DebugSection, readonly DwarfUnit[]>();
    this.#homes.set(units, homes);
    // Units of a section stand one behind the other.
    const own = homes.get(info) ?? units.filter((u) => u.info === info);
    homes.set(info, own);
    const found = own[firstIndex(own.length, (i) => (own[i]?.end ?? 0) > at)];
    return found !== undefined && at >= found.firstEntry ? found : undefined;
  }

  /** The entry that a reference points to, with its unit; null if it lies in a file that is not at hand. */
  target(
    units: readonly DwarfUnit[],
    unit: DwarfUnit,
    value: AttributeValue,
  ): { unit: DwarfUnit; attributes: Attributes } | null {
    return this.entry(units, unit, value);
  }

  /** As {@link target}, with the entry's tag and the offset of what follows it: its children, if it has any. */
  entry(
    units: readonly DwarfUnit[],
    unit: DwarfUnit,
    value: AttributeValue,
  ): { unit: DwarfUnit; tag: number; attributes: Attributes; hasChildren: boolean; next: number } | null {
    let at: number;
    let home: DwarfUnit | undefined = unit;
    if (isUnitReference(value.form)) at = unit.start + value.value;
    else if (value.form === DW_FORM_ref_addr) {
      at = value.value;
      home = this.#unitOf(units, unit.info, at);
    } else return null;
    if (home === undefined || at < home.firstEntry || at >= home.end) return null;
    const cursor = new Cursor(home.info, this.littleEndian, at, home.end);
    const abbreviation = home.abbreviations.get(cursor.uleb());
    if (abbreviation === undefined) return null;
    const attributes = this.attributes(cursor, abbreviation, home);
    // Many references may lead to one long entry.
    this.budget.spend(cursor, 1 + ((cursor.at - at) >> 4));
    const { tag, hasChildren } = abbreviation;
    return { unit: home, tag, attributes, hasChildren, next: cursor.at };
  }
}

export type { DwarfError };
