// .debug_info of code that was moved apart: what its entries say of code in numbers of their own, and the lists they
// refer to. Addresses are relocated and follow by themselves, but the end of a range must not follow what begins there.

import {
  DW_AT_call_pc,
  DW_AT_call_return_pc,
  DW_AT_entry_pc,
  DW_AT_frame_base,
  DW_AT_GNU_locviews,
  DW_AT_high_pc,
  DW_AT_location,
  DW_AT_loclists_base,
  DW_AT_low_pc,
  DW_AT_ranges,
  DW_AT_return_addr,
  DW_AT_rnglists_base,
  DW_AT_segment,
  DW_AT_start_scope,
  DW_AT_static_link,
  DW_AT_stmt_list,
  DW_AT_string_length,
  DW_AT_use_location,
  DW_AT_vtable_elem_location,
  DW_FORM_addr,
  DW_FORM_data1,
  DW_FORM_data2,
  DW_FORM_data4,
  DW_FORM_data8,
  DW_FORM_implicit_const,
  DW_FORM_indirect,
  DW_FORM_loclistx,
  DW_FORM_rnglistx,
  DW_FORM_sdata,
  DW_FORM_sec_offset,
  DW_FORM_udata,
  DW_TAG_call_site,
  DW_TAG_GNU_call_site,
} from "../consts.ts";
import { Cursor, DwarfError } from "../cursor.ts";
import { isAddressIndex, readForm } from "../forms.ts";
import type { DwarfUnit, UnitReader } from "../units.ts";
import type { AddressMove } from "./addresses.ts";
import type { Draft } from "./draft.ts";

/** Sections that entries refer to and that may grow. */
export type Grown = "line" | "rnglists" | "loclists";

/** Attributes that may refer to a location list (DWARF 5, table 7.5). */
const LOCATIONS = new Set([
  DW_AT_location,
  DW_AT_string_length,
  DW_AT_return_addr,
  DW_AT_frame_base,
  DW_AT_segment,
  DW_AT_static_link,
  DW_AT_use_location,
  DW_AT_vtable_elem_location,
]);
/** Attributes that refer into a section by an offset, and to what. */
const OFFSETS: ReadonlyMap<number, Grown> = new Map<number, Grown>([
  [DW_AT_stmt_list, "line"],
  [DW_AT_ranges, "rnglists"],
  [DW_AT_start_scope, "rnglists"],
  [DW_AT_rnglists_base, "rnglists"],
  [DW_AT_loclists_base, "loclists"],
  [DW_AT_GNU_locviews, "loclists"],
  ...[...LOCATIONS].map((at) => [at, "loclists"] as const),
]);
const ADDRESSES = new Set([DW_AT_low_pc, DW_AT_high_pc, DW_AT_entry_pc, DW_AT_call_pc, DW_AT_call_return_pc]);
/** Constants that stand in the entry itself, and their bytes. */
const CONSTANTS: ReadonlyMap<number, number> = new Map([
  [DW_FORM_data1, 1],
  [DW_FORM_data2, 2],
  [DW_FORM_data4, 4],
  [DW_FORM_data8, 8],
]);
const OTHER_CONSTANTS = new Set([DW_FORM_udata, DW_FORM_sdata, DW_FORM_implicit_const]);

interface Found {
  readonly form: number;
  readonly value: number;
  /** Offset of the value in .debug_info. */
  readonly at: number;
}

/** Called for what the entries refer to. */
export interface EntryVisitor {
  /** A range list or location list: an offset in its section, or an index if the form is an indexed one. */
  list(unit: DwarfUnit, form: number, value: number, hasLocations: boolean): void;
  /** A plain number at `at` that is an offset in a section. */
  offset(cursor: Cursor, at: number, size: number, into: Grown, value: number): void;
  /** Runs `work` with a draft of its own, and keeps it. */
  piece(work: (draft: Draft) => void): void;
  /** Entry `index` of the unit's part of .debug_addr is the end of what begins at `start`. */
  indexedEnd(unit: DwarfUnit, index: number, start: number, draft: Draft): void;
  /** Something begins at that entry. */
  indexedStart(unit: DwarfUnit, index: number, draft: Draft): void;
  /** Whether a relocation stands at an offset of the section that the entries are in. */
  isRelocated(at: number): boolean;
}

/**
 * Visits all entries of a unit and drafts their changes, entry by entry.
 * @throws DwarfError where the entries cannot be read further; what was committed before stays
 */
export function moveEntries(reader: UnitReader, unit: DwarfUnit, move: AddressMove, visitor: EntryVisitor): void {
  const cursor = new Cursor(unit.info, reader.littleEndian, unit.firstEntry, unit.end);
  const found = new Map<number, Found>();
  for (let depth = 0; cursor.at < cursor.end; ) {
    reader.budget.spend(cursor);
    const code = cursor.uleb();
    if (code === 0) {
      if (--depth <= 0) break;
      continue;
    }
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
    const list = abbreviation.attributes;
    found.clear();
    for (let i = 0; i + 2 < list.length; i += 3) {
      const attribute = list[i] ?? 0;
      const form = list[i + 1] ?? 0;
      const at = cursor.at;
      const value = readForm(cursor, form, unit, list[i + 2] ?? 0);
      if (ADDRESSES.has(attribute) || OFFSETS.has(attribute)) found.set(attribute, { form, value, at });
    }
    if (found.size > 0) new Entry({ reader, unit, move, visitor }, cursor, abbreviation.tag, found).move();
    if (abbreviation.hasChildren) depth++;
    else if (depth === 0) break;
  }
}

/** What all entries of a unit have in common. */
interface EntryContext {
  readonly reader: UnitReader;
  readonly unit: DwarfUnit;
  readonly move: AddressMove;
  readonly visitor: EntryVisitor;
}

/** One entry. */
class Entry {
  readonly #reader: UnitReader;
  readonly #unit: DwarfUnit;
  readonly #move: AddressMove;
  readonly #visitor: EntryVisitor;
  readonly #cursor: Cursor;
  readonly #tag: number;
  readonly #found: ReadonlyMap<number, Found>;

  constructor(
    { reader, unit, move, visitor }: EntryContext,
    cursor: Cursor,
    tag: number,
    found: ReadonlyMap<number, Found>,
  ) {
    this.#reader = reader;
    this.#unit = unit;
    this.#move = move;
    this.#visitor = visitor;
    this.#cursor = cursor;
    this.#tag = tag;
    this.#found = found;
  }

  move(): void {
    for (const [attribute, value] of this.#found) {
      if (value.form === DW_FORM_indirect) throw this.#error(value, "an indirect form");
      const into = OFFSETS.get(attribute);
      if (into !== undefined) this.#offset(attribute, value, into);
    }
    this.#visitor.piece((draft) => {
      this.#low(draft);
      this.#high(draft);
      this.#entryPoint(draft);
      this.#returnAddress(draft, this.#found.get(DW_AT_call_return_pc));
      for (const attribute of [DW_AT_call_pc, DW_AT_entry_pc]) {
        const value = this.#found.get(attribute);
        if (value !== undefined && isAddressIndex(value.form)) {
          this.#visitor.indexedStart(this.#unit, value.value, draft);
        }
      }
    });
  }

  #error({ at }: Found, what: string): DwarfError {
    return new DwarfError(this.#unit.info.name, at, what);
  }

  #offset(attribute: number, value: Found, into: Grown): void {
    const unit = this.#unit;
    const hasLocations = LOCATIONS.has(attribute);
    if (value.form === DW_FORM_rnglistx || value.form === DW_FORM_loclistx) {
      this.#visitor.list(unit, value.form, value.value, hasLocations);
      return;
    }
    // Before version 4, offsets have the form of a constant.
    const isOldOffset = unit.version < 4 && (value.form === DW_FORM_data4 || value.form === DW_FORM_data8);
    if (value.form !== DW_FORM_sec_offset && !isOldOffset) return;
    const size = value.form === DW_FORM_data8 ? 8 : value.form === DW_FORM_data4 ? 4 : unit.offsetSize;
    // The lists of older versions stand in sections that keep their size.
    if ((into === "line" || unit.version >= 5) && !this.#visitor.isRelocated(value.at)) {
      this.#visitor.offset(this.#cursor, value.at, size, into, value.value);
    }
    if (attribute === DW_AT_ranges || attribute === DW_AT_start_scope || hasLocations) {
      this.#visitor.list(unit, value.form, value.value, hasLocations);
    }
  }

  #address(value: Found): number {
    return this.#reader.address(this.#unit, value);
  }

  /** The beginning of what the entry describes; of a call site of GNU's DWARF 4, where the call returns to. */
  #low(draft: Draft): void {
    const low = this.#found.get(DW_AT_low_pc);
    if (low === undefined) return;
    if (this.#tag === DW_TAG_GNU_call_site || this.#tag === DW_TAG_call_site) this.#returnAddress(draft, low);
    else if (isAddressIndex(low.form)) this.#visitor.indexedStart(this.#unit, low.value, draft);
  }

  /** The address behind a call belongs to the call. */
  #returnAddress(draft: Draft, value: Found | undefined): void {
    if (value === undefined) return;
    const address = this.#address(value);
    if (isAddressIndex(value.form)) this.#visitor.indexedEnd(this.#unit, value.value, address - 1, draft);
    else if (value.form === DW_FORM_addr) {
      draft.end(this.#unit.info, value.at, this.#move.shiftOfEnd(address - 1, address));
    }
  }

  #high(draft: Draft): void {
    const low = this.#found.get(DW_AT_low_pc);
    const high = this.#found.get(DW_AT_high_pc);
    if (low === undefined || high === undefined) return;
    const move = this.#move;
    const start = this.#address(low);
    if (isAddressIndex(high.form)) {
      this.#visitor.indexedEnd(this.#unit, high.value, start, draft);
      return;
    }
    const length = high.form === DW_FORM_addr ? high.value - start : high.value;
    if (!move.isWhole(start, start + length)) throw this.#error(high, "a range that is not in one section");
    if (high.form === DW_FORM_addr) {
      draft.end(this.#unit.info, high.at, move.shiftOfEnd(start, high.value));
      return;
    }
    this.#constant(draft, high, move.length(start, length));
  }

  /** DW_AT_entry_pc as a distance from the entry's first address (DWARF 5, 2.18). */
  #entryPoint(draft: Draft): void {
    const entry = this.#found.get(DW_AT_entry_pc);
    if (entry === undefined || entry.form === DW_FORM_addr || isAddressIndex(entry.form)) return;
    const attributes = new Map([...this.#found].map(([at, { form, value }]) => [at, { form, value }]));
    const low = this.#found.get(DW_AT_low_pc);
    const base = low === undefined ? this.#reader.ranges(this.#unit, attributes)[0]?.start : this.#address(low);
    if (base === undefined) throw this.#error(entry, "an entry point that is not known where it counts from");
    const now = entry.value + this.#move.shift(base + entry.value) - this.#move.shift(base);
    this.#constant(draft, entry, now);
  }

  #constant(draft: Draft, value: Found, now: number): void {
    if (now === value.value) return;
    const size = CONSTANTS.get(value.form);
    if (size === undefined) {
      const form = OTHER_CONSTANTS.has(value.form)
        ? "a constant of no fixed size"
        : `form 0x${value.form.toString(16)}`;
      throw this.#error(value, `a length that changes, as ${form}`);
    }
    draft.number(this.#cursor, value.at, size, now);
  }
}
