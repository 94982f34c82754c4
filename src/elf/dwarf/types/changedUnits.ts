// Types of two builds of a linked object, of those units only that are not the same: all of a kernel's would be hundreds of millions of
// entries.

import { sameBytes } from "../../../base/bytes.ts";
import type { TypeTable } from "../../typeTable.ts";
import type { RelocationTable } from "../../views/relas.ts";
import { DW_FORM_implicit_const } from "../consts.ts";
import type { UnitPlace, UnitSlices } from "../unitSlices.ts";
import { otherUnits, tableOfUnit } from "./typeTable.ts";

/** The tables of a unit, of the original and of the patched file. */
export interface UnitTypes {
  readonly before: TypeTable;
  readonly after: TypeTable;
  /** The source file without its folders; null: the tables are of a whole file. */
  readonly source: string | null;
}

/**
 * Types of each unit that is in both files and not the same, one after the other. Units are paired by their names, in order; those with
 * code before those without: optimising several files together adds a unit for what was taken from another one.
 * @throws DwarfError
 */
export function* changedUnits(orig: UnitSlices, patched: UnitSlices): Generator<UnitTypes> {
  const same = new SameUnits(orig, patched);
  const others = [otherUnits(orig), otherUnits(patched)] as const;
  for (const [a, b, name] of pairUnits(orig, patched)) {
    if (same.areSame(a, b)) continue;
    const [one, other] = [tableOfUnit(orig, a, `${name}:`, others[0]), tableOfUnit(patched, b, `${name}:`, others[1])];
    if (one !== null && other !== null)
      yield { before: one, after: other, source: name.slice(name.lastIndexOf("/") + 1) };
  }
}

type Pair = readonly [UnitPlace, UnitPlace, string];

function pairUnits(orig: UnitSlices, patched: UnitSlices): Pair[] {
  const named = (slices: UnitSlices): { place: UnitPlace; key: string; name: string }[] => {
    const seen = new Map<string, number>();
    return slices.units.flatMap((place) => {
      const unit = slices.headOf(place);
      if (unit === null) return [];
      const name = unit.name ?? "";
      const kind = `${unit.ranges.length > 0 ? "code" : "none"} ${name}`;
      const count = seen.get(kind) ?? 0;
      seen.set(kind, count + 1);
      return [{ place, name, key: `${count} ${kind}` }];
    });
  };
  const theirs = new Map(named(patched).map((u) => [u.key, u.place]));
  return named(orig).flatMap(({ place, key, name }) => {
    const other = theirs.get(key);
    return other === undefined ? [] : [[place, other, name] as const];
  });
}

/** What a relocation of .debug_info refers to, as far as types depend on it. */
const NOTHING = 0;
const STRING = 1;
const ABBREVIATIONS = 2;
/** Indices of strings mean what another section says. */
const INDIRECT = 3;
/** An entry, by its place in .debug_info. */
const ENTRY = 4;

/** Whether units say the same: bytes, strings, and the abbreviations that the bytes are written in. */
class SameUnits {
  readonly #orig: UnitSlices;
  readonly #patched: UnitSlices;
  readonly #kinds: readonly [Uint8Array, Uint8Array];
  readonly #strings: readonly [Uint8Array, Uint8Array];
  readonly #abbreviations: readonly [Uint8Array, Uint8Array];
  /** What the units of both files, and their rows, are read into. */
  readonly #into: readonly [Uint8Array, Uint8Array];

  constructor(orig: UnitSlices, patched: UnitSlices) {
    this.#orig = orig;
    this.#patched = patched;
    this.#kinds = [kindsOf(orig), kindsOf(patched)];
    const bytes = (slices: UnitSlices, name: string): Uint8Array =>
      slices.sections.find(name)?.bytes ?? new Uint8Array();
    this.#strings = [bytes(orig, "str"), bytes(patched, "str")];
    this.#abbreviations = [bytes(orig, "abbrev"), bytes(patched, "abbrev")];
    const most = Math.max(mostOfUnit(orig), mostOfUnit(patched));
    this.#into = [new Uint8Array(most), new Uint8Array(most)];
  }

  areSame(a: UnitPlace, b: UnitPlace): boolean {
    const count = a.rows[1] - a.rows[0];
    if (count !== b.rows[1] - b.rows[0] || a.end - a.start !== b.end - b.start) return false;
    const [into, intoOther] = this.#into;
    if (!sameBytes(this.#orig.rawOf(a, into), this.#patched.rawOf(b, intoOther))) return false;
    const [one, other] = [this.#orig.rowsOf(a, into), this.#patched.rowsOf(b, intoOther)];
    for (let i = 0; i < count; i++) if (!this.#isSameRow(one, other, i, [a, b])) return false;
    return true;
  }

  #isSameRow(
    one: RelocationTable,
    other: RelocationTable,
    row: number,
    [a, b]: readonly [UnitPlace, UnitPlace],
  ): boolean {
    const moved = b.start - a.start;
    if (one.offset(row) + moved !== other.offset(row) || one.type(row) !== other.type(row)) return false;
    const [symbol, twin] = [one.symbol(row), other.symbol(row)];
    const kind = this.#kinds[0][symbol] ?? NOTHING;
    if (kind !== (this.#kinds[1][twin] ?? NOTHING) || kind === INDIRECT) return false;
    if (kind === NOTHING) return true;
    const [at, there] = [
      this.#orig.symbols.offset(symbol) + one.addendNumber(row),
      this.#patched.symbols.offset(twin) + other.addendNumber(row),
    ];
    if (kind === ABBREVIATIONS) return isSameTable(this.#abbreviations, at, there);
    // What another unit says may differ.
    if (kind === ENTRY) return at >= a.start && at < a.end && there - at === moved;
    return isSameText(this.#strings, at, there);
  }
}

/** The most bytes that a unit, or its relocations, have. */
function mostOfUnit(slices: UnitSlices): number {
  let most = 0;
  for (const { start, end, rows } of slices.units)
    most = Math.max(most, end - start, (rows[1] - rows[0]) * slices.rowSize);
  return most;
}

function kindsOf({ symbols, file: { sections } }: UnitSlices): Uint8Array {
  const kinds = new Uint8Array(symbols.count);
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    const name = section === null || section >= sections.count ? "" : sections.name(section);
    if (!name.startsWith(".debug") && !name.startsWith(".zdebug")) continue;
    if (name.endsWith("debug_str")) kinds[i] = STRING;
    else if (name.endsWith("debug_abbrev")) kinds[i] = ABBREVIATIONS;
    else if (name.endsWith("debug_str_offsets") || name.endsWith("debug_addr")) kinds[i] = INDIRECT;
    else if (name.endsWith("debug_info")) kinds[i] = ENTRY;
  }
  return kinds;
}

function isSameText([one, other]: readonly [Uint8Array, Uint8Array], a: number, b: number): boolean {
  for (let i = 0; ; i++) {
    const [x, y] = [one[a + i], other[b + i]];
    if (x !== y || x === undefined) return false;
    if (x === 0) return true;
  }
}

/** Whether two tables of abbreviations have the same bytes. */
function isSameTable([one, other]: readonly [Uint8Array, Uint8Array], a: number, b: number): boolean {
  const end = endOfTable(one, a);
  return b + end - a <= other.length && sameBytes(one.subarray(a, end), other.subarray(b, b + end - a));
}

/** Where the table of abbreviations at `start` ends (DWARF 5, 7.5.3). */
function endOfTable(bytes: Uint8Array, start: number): number {
  let at = start;
  const leb = (): boolean => {
    let isZero = true;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if ((byte & 0x7f) !== 0) isZero = false;
      if (byte < 0x80) break;
    }
    at++;
    return isZero;
  };
  while (at < bytes.length && !leb()) {
    leb();
    at++;
    for (;;) {
      const isLast = leb();
      const form = bytes[at];
      if (leb() && isLast) break;
      if (form === DW_FORM_implicit_const) leb();
      if (at >= bytes.length) break;
    }
  }
  return Math.min(at, bytes.length);
}
