// Whether two items are the same: the first difference between them, or none.

import { sameBytes } from "../../base/bytes.ts";
import { type Content, contentOf, itemContent, type Reference } from "../canon/content.ts";
import { constantAt, describeTarget, stringAt, type Target } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";
import { exemptBytes, isSourceName } from "./exempt.ts";
import { isLineOnly, type LineOf, placeInString } from "./lines.ts";
import { codeOfEntry, entryTarget, type OwnedEntry, type OwnedTables, type Piece } from "./ownedTables.ts";
import { isWritable, largerAlignment, movedPlace } from "./places.ts";
import { PlainComparison } from "./plainly.ts";

/** Where two items differ first. Offsets are bytes from the items' symbols. */
export interface Difference {
  readonly what: "code" | "reference" | "size" | "table" | "place" | "initial value";
  readonly orig: { readonly section: number; readonly offset: number } | null;
  readonly patched: { readonly section: number; readonly offset: number } | null;
  /** In words, what stands there on either side, where the bytes do not tell. */
  readonly detail: string;
}

/** One side of a comparison. */
export interface Side {
  readonly unit: Unit;
  readonly tables: OwnedTables;
  /** The source line of a place in code; null: not known. */
  readonly lineOf: LineOf | null;
}

/** Items of the original and their counterparts. */
export type Twins = ReadonlyMap<Item, Item>;

/** Functions that differ in line numbers only were found equal; each is listed. */
export interface LineNote {
  readonly item: Item;
  readonly offset: number;
  readonly orig: number;
  readonly patched: number;
  /** Empty: the line stands in a string. */
  readonly callee: string;
}

const COMPARING = "comparing functions and data";
/** Items without a name that lead to one another beyond this are given up: no compiler makes such chains. */
const DEEPEST = 300;

export class Comparison {
  readonly orig: Side;
  readonly patched: Side;
  readonly twins: Twins;
  readonly lineNotes: LineNote[] = [];
  readonly #strictLines: boolean;
  readonly #plain: PlainComparison;
  readonly #contents = new WeakMap<Item, Content>();
  /** How many items without a name lead to the one that is being compared. */
  #depth = 0;
  /** Pairs of items without a twin that are being compared, or were found equal. */
  readonly #assumed = new Map<Item, Set<Item>>();
  /** The same in the order in which they came: what was found on a wrong assumption goes with it. */
  readonly #trail: (readonly [Item, Item])[] = [];

  constructor(orig: Side, patched: Side, twins: Twins, strictLines = false) {
    this.orig = orig;
    this.patched = patched;
    this.twins = twins;
    this.#strictLines = strictLines;
    this.#plain = new PlainComparison(orig.unit, patched.unit, twins);
  }

  content(side: Side, item: Item): Content {
    // What has a name is compared once; of a kernel's functions not all can be kept.
    if (!item.isByContent) return itemContent(side.unit, item);
    let found = this.#contents.get(item);
    if (found === undefined) {
      found = itemContent(side.unit, item);
      this.#contents.set(item, found);
    }
    return found;
  }

  /** The first difference between two items that are counterparts; null if they are the same. */
  difference(a: Item, b: Item): Difference | null {
    const pairs = new Map<Item, Item>();
    const isSame = this.#plain.isSame(a, b);
    const own = this.#placeDifference(a, b) ?? (isSame ? null : this.#itemDifference(a, b, pairs));
    return own ?? this.#tableDifference(a, b, pairs);
  }

  /** Moved to another kind of section, or aligned to more. */
  #placeDifference(a: Item, b: Item): Difference | null {
    const units = [this.orig.unit, this.patched.unit] as const;
    const moved = movedPlace(units, a, b);
    if (moved !== null) return this.#made("place", a, b, [0, 0], moved);
    const aligned = largerAlignment(units, a, b);
    return aligned === null ? null : this.#made("size", a, b, [0, 0], aligned);
  }

  #made(
    what: Difference["what"],
    a: Item,
    b: Item,
    [atA, atB]: readonly [number | null, number | null],
    detail: string,
  ): Difference {
    return {
      what,
      orig: atA === null ? null : { section: a.section, offset: a.start + atA },
      patched: atB === null ? null : { section: b.section, offset: b.start + atB },
      detail,
    };
  }

  #itemDifference(a: Item, b: Item, pairs: Map<Item, Item>): Difference | null {
    const [x, y] = [this.content(this.orig, a), this.content(this.patched, b)];
    const code = a.kind === "function" ? "code" : "initial value";
    if (a.entry - a.start !== b.entry - b.start) {
      const what = `${a.entry - a.start} bytes before the entry, then ${b.entry - b.start}`;
      return this.#made(code, a, b, [0, 0], what);
    }
    const sizes = [a, b].map((i) => i.end - i.start) as [number, number];
    const hasNoBytes = x.bytes.length === 0 || y.bytes.length === 0;
    if (hasNoBytes && (sizes[0] > 0 || sizes[1] > 0)) return this.#emptyDifference(a, b, x, y);
    const at = this.#firstDifference(x, y, a, b, pairs);
    if (at === null) return this.#sizeDifference(a, b);
    const place = (content: Content): number | null => (at.at < content.bytes.length ? at.at : null);
    const what = at.detail === "" ? code : "reference";
    return this.#made(what, a, b, [place(x), place(y)], at.detail);
  }

  /** An object's size counts also where what it grew by is zero. */
  #sizeDifference(a: Item, b: Item): Difference | null {
    if (a.kind === "function") return null;
    const [one, other] = [a.symbolEnd - a.entry, b.symbolEnd - b.entry];
    return one === other ? null : this.#made("size", a, b, [0, 0], `${one} bytes, then ${other}`);
  }

  /** Sections without bytes hold zeros. */
  #emptyDifference(a: Item, b: Item, x: Content, y: Content): Difference | null {
    const bySize = this.#sizeDifference(a, b);
    if (bySize !== null) return bySize;
    for (const content of [x, y]) {
      const at = content.bytes.findIndex((byte) => byte !== 0);
      const first = content.references[0];
      if (at >= 0 || first !== undefined) {
        const place = Math.min(at < 0 ? Number.POSITIVE_INFINITY : at, first?.at ?? Number.POSITIVE_INFINITY);
        return this.#made("initial value", a, b, [place, place], "zero on one side only");
      }
    }
    return null;
  }

  #firstDifference(
    x: Content,
    y: Content,
    a: Item | null,
    b: Item | null,
    pairs: Map<Item, Item>,
  ): { at: number; detail: string } | null {
    const exempt = exemptBytes(this.orig.unit, a);
    const end = Math.min(x.bytes.length, y.bytes.length);
    this.orig.unit.work.take(end + x.references.length, COMPARING);
    const limit = x.references.length < y.references.length ? x.references.length : y.references.length;
    let next = 0;
    const referenceBefore = (at: number): { at: number; detail: string } | null => {
      for (; next < limit && Math.min(x.references[next]?.at ?? 0, y.references[next]?.at ?? 0) < at; next++) {
        const [r, s] = [x.references[next] as Reference, y.references[next] as Reference];
        const detail = this.#referenceDifference(r, s, pairs);
        if (detail !== null && a !== null && b !== null && this.#lineInString(r, s, a, b)) continue;
        if (detail !== null) return { at: Math.min(r.at, s.at), detail };
      }
      const more = x.references[next] ?? y.references[next];
      if (more === undefined || more.at >= at || next < limit) return null;
      const isNew = next < y.references.length;
      const { unit } = isNew ? this.patched : this.orig;
      return {
        at: more.at,
        detail: `a reference to ${describeTarget(more.target, unit)} ${isNew ? "is new" : "is gone"}`,
      };
    };
    for (let at = 0; at < end; at++) {
      if (x.bytes[at] === y.bytes[at] || exempt(at)) continue;
      const before = referenceBefore(at);
      if (before !== null) return before;
      const line = a === null || b === null ? null : this.#lineOnly(x, y, a, b, at);
      if (line === null) return { at, detail: "" };
      at = line - 1;
    }
    const rest = referenceBefore(Number.POSITIVE_INFINITY);
    if (rest !== null) return rest;
    return x.bytes.length === y.bytes.length ? null : { at: end, detail: "" };
  }

  /** Offset behind an instruction that differs in a line number only; null if that is not all. */
  #lineOnly(x: Content, y: Content, a: Item, b: Item, at: number): number | null {
    if (this.#strictLines || a.kind !== "function" || x.bytes.length !== y.bytes.length) return null;
    const found = isLineOnly(
      { content: x, item: a, lineOf: this.orig.lineOf, code: this.orig.unit.arch.code },
      { content: y, item: b, lineOf: this.patched.lineOf, code: this.patched.unit.arch.code },
      at,
    );
    if (found === null) return null;
    this.lineNotes.push({ item: a, offset: found.at + a.start - a.entry, ...found });
    return found.behind;
  }

  /** Whether two references are to strings that differ in the line only that each of them says it stands in. */
  #lineInString(r: Reference, s: Reference, a: Item, b: Item): boolean {
    if (this.#strictLines || a.kind !== "function" || r.at !== s.at || r.type !== s.type) return false;
    const one = placeInString(this.orig.unit, r.target);
    const other = placeInString(this.patched.unit, s.target);
    if (one === null || other === null || one.file !== other.file) return false;
    if (this.orig.lineOf?.(a.section, a.start + r.at) !== one.line) return false;
    if (this.patched.lineOf?.(b.section, b.start + s.at) !== other.line) return false;
    const offset = r.at + a.start - a.entry;
    this.lineNotes.push({ item: a, offset, orig: one.line, patched: other.line, callee: "" });
    return true;
  }

  /** What is different about two references; null if they are the same. */
  #referenceDifference(r: Reference, s: Reference, pairs: Map<Item, Item>): string | null {
    const { sameOnBranches } = this.orig.unit.arch.code;
    const told = (): string =>
      `${describeTarget(r.target, this.orig.unit)}, then ${describeTarget(s.target, this.patched.unit)}`;
    if (r.at !== s.at || r.isBranch !== s.isBranch) return told();
    const isSameType =
      r.type === s.type ||
      (r.isBranch &&
        (r.type === null || sameOnBranches.has(r.type)) &&
        (s.type === null || sameOnBranches.has(s.type)));
    return isSameType && this.sameTarget(r.target, s.target, pairs) ? null : told();
  }

  /** @param pairs items without a twin that stand for each other in what is compared */
  sameTarget(t: Target, u: Target, pairs: Map<Item, Item>): boolean {
    const { unit: one } = this.orig;
    const { unit: other } = this.patched;
    switch (t.kind) {
      case "item":
        return u.kind === "item" && this.#sameItem(t, u, pairs);
      case "undefined":
        return u.kind === "undefined" && t.name === u.name && t.distance === u.distance;
      case "common":
        return u.kind === "common" && t.name === u.name && t.distance === u.distance;
      case "absolute":
        return u.kind === "absolute" && t.value === u.value && t.distance === u.distance;
      case "elsewhere":
        return u.kind === "elsewhere" && t.section === u.section && t.at === u.at;
      case "unknown":
        return false;
      case "string":
        return (
          u.kind === "string" &&
          t.distance === u.distance &&
          one.file.sections.entsize(t.section) === other.file.sections.entsize(u.section) &&
          sameBytes(stringAt(one, t.section, t.at), stringAt(other, u.section, u.at))
        );
      case "constant": {
        if (u.kind !== "constant" || t.distance !== u.distance) return false;
        const [c, d] = [constantAt(one, t.section, t.at), constantAt(other, u.section, u.at)];
        return (
          c.within === d.within &&
          sameBytes(c.bytes, d.bytes) &&
          !one.relocations.has(t.section) &&
          !other.relocations.has(u.section)
        );
      }
      case "toc":
        if (u.kind !== "toc" || t.distance !== u.distance || t.slot.type !== u.slot.type) return false;
        if (t.slot.target === null || u.slot.target === null) {
          return t.slot.target === u.slot.target && sameBytes(t.slot.bytes, u.slot.bytes);
        }
        return this.sameTarget(t.slot.target, u.slot.target, pairs);
      case "table":
        return u.kind === "table" && this.#sameEntry(t, u, pairs);
    }
  }

  #sameItem(t: Target & { kind: "item" }, u: Target & { kind: "item" }, pairs: Map<Item, Item>): boolean {
    const twin = this.twins.get(t.item);
    if (twin !== undefined) return twin === u.item && t.distance === u.distance;
    const kinds = [this.orig.unit.kinds[t.item.section], this.patched.unit.kinds[u.item.section]];
    if (kinds[0] === "pieces" || kinds[1] === "pieces") return this.#samePiecePlace(t, u, pairs);
    if (t.distance !== u.distance || !t.item.isByContent || !u.item.isByContent) return false;
    if (t.item.isSpecial !== u.item.isSpecial || t.item.canonical !== u.item.canonical) return false;
    if (isWritable(this.orig.unit, t.item) !== isWritable(this.patched.unit, u.item)) return false;
    // What one object stands for on one side, it stands for everywhere in this function.
    const known = pairs.get(t.item);
    if (known !== undefined) return known === u.item;
    this.orig.unit.work.take(pairs.size, COMPARING);
    for (const known of pairs.values()) if (known === u.item) return false;
    pairs.set(t.item, u.item);
    const assumed = this.#assumed.get(t.item) ?? new Set();
    this.#assumed.set(t.item, assumed);
    if (assumed.has(u.item)) return true;
    assumed.add(u.item);
    const mark = this.#trail.push([t.item, u.item]) - 1;
    if (++this.#depth > DEEPEST)
      this.orig.unit.work.take(Number.POSITIVE_INFINITY, "comparing data that leads to data");
    const difference = this.#itemDifference(t.item, u.item, pairs);
    this.#depth--;
    if (difference === null) return true;
    for (const [one, other] of this.#trail.splice(mark)) this.#assumed.get(one)?.delete(other);
    return false;
  }

  /** A place in code that belongs to a table entry: the same place in the same entry of functions that are counterparts. */
  #samePiecePlace(t: Target & { kind: "item" }, u: Target & { kind: "item" }, pairs: Map<Item, Item>): boolean {
    const names = [this.orig.unit.sectionName(t.item), this.patched.unit.sectionName(u.item)];
    if (names[0] !== names[1]) return false;
    // Code for the time before alternatives are applied, which modules never run.
    if (names[0] === ".altinstr_aux") return true;
    const [p, q] = [
      this.orig.tables.pieceAt(t.item.section, t.item.entry + t.distance),
      this.patched.tables.pieceAt(u.item.section, u.item.entry + u.distance),
    ];
    if (p === null || q === null) return false;
    const within = [t.item.entry + t.distance - p.piece.start, u.item.entry + u.distance - q.piece.start];
    return within[0] === within[1] && this.#entryDifference(p.entry, q.entry, pairs) === null;
  }

  /** A reference to an entry (a WARN of 7.2 on x86_64 passes one to its handler). */
  #sameEntry(t: Target & { kind: "table" }, u: Target & { kind: "table" }, pairs: Map<Item, Item>): boolean {
    const [e, f] = [this.orig.tables.entryAt(t.section, t.at), this.patched.tables.entryAt(u.section, u.at)];
    if (e === null || f === null || t.at - e.at !== u.at - f.at) return false;
    return this.#entryDifference(e, f, pairs) === null;
  }

  #tableDifference(a: Item, b: Item, pairs: Map<Item, Item>): Difference | null {
    const [mine, theirs] = [this.orig.tables.of(a), this.patched.tables.of(b)];
    if (mine.length === 0 && theirs.length === 0) return null;
    const names = new Set([...mine, ...theirs].map((e) => e.table.section));
    for (const name of [...names].sort()) {
      const [p, q] = [mine, theirs].map((list) => list.filter((e) => e.table.section === name)) as [
        OwnedEntry[],
        OwnedEntry[],
      ];
      for (let i = 0; i < Math.max(p.length, q.length); i++) {
        const [e, f] = [p[i], q[i]];
        const detail =
          e === undefined
            ? "an entry is new"
            : f === undefined
              ? "an entry is gone"
              : this.#entryDifference(e, f, pairs);
        if (detail === null) continue;
        return {
          what: "table",
          orig: e === undefined ? null : { section: e.section, offset: e.at },
          patched: f === undefined ? null : { section: f.section, offset: f.at },
          detail: `${name}: ${detail}`,
        };
      }
    }
    return null;
  }

  /** What is different about two entries of tables; null if they are the same. */
  entryDifference(e: OwnedEntry, f: OwnedEntry): string | null {
    return this.#entryDifference(e, f, new Map());
  }

  #entryDifference(e: OwnedEntry, f: OwnedEntry, pairs: Map<Item, Item>): string | null {
    if (e.table.section !== f.table.section || e.size !== f.size) return "entries of different sizes";
    const [x, y] = [this.#entryContent(this.orig, e), this.#entryContent(this.patched, f)];
    if (!sameBytes(x.bytes, y.bytes)) return "the entry differs";
    if (x.references.length !== y.references.length) return "the entry differs";
    for (const [i, r] of x.references.entries()) {
      const s = y.references[i] as Reference;
      // Without code of its own, where the field leads says nothing.
      if (r.at === e.table.piece?.at && isPieceField(this.orig.unit, r) && isPieceField(this.patched.unit, s)) continue;
      if (isEndOfPiece(e, r.at) && e.piece !== null && f.piece !== null) continue;
      const detail = this.#referenceDifference(r, s, pairs);
      if (detail !== null) return detail;
    }
    return this.#pieceDifference(farPiece(this.orig, e), farPiece(this.patched, f), pairs);
  }

  #pieceDifference(p: Piece | null, q: Piece | null, pairs: Map<Item, Item>): string | null {
    if (p === null || q === null) return p === q ? null : "code of the entry is on one side only";
    const content = (side: Side, { section, start, end }: Piece): Content =>
      contentOf(side.unit, section, start, end, true);
    const at = this.#firstDifference(content(this.orig, p), content(this.patched, q), null, null, pairs);
    return at === null ? null : at.detail === "" ? "the code of the entry differs" : at.detail;
  }

  #entryContent({ unit }: Side, entry: OwnedEntry): Content {
    const { bytes, references } = contentOf(unit, entry.section, entry.at, entry.at + entry.size, false);
    for (const { at, size, ofSize, file } of entry.table.exempt ?? []) {
      if (ofSize === entry.size && references.some((r) => r.at === file && isSourceName(unit, r.target)))
        bytes.fill(0, at, at + size);
    }
    if (entry.table.fromEntry !== true) return { bytes, references, instructions: [] };
    const moved = references.map((r) =>
      r.relocation === null ? r : { ...r, target: entryTarget(unit, entry.table, entry.at, r.relocation) },
    );
    return { bytes, references: moved, instructions: [] };
  }
}

/** The code of an entry, also where it stands behind another function: without function sections all of arm64's does behind the last. */
function farPiece({ unit }: Side, entry: OwnedEntry): Piece | null {
  if (entry.piece !== null || entry.table.piece === undefined) return entry.piece;
  const found = codeOfEntry(unit, entry.table, entry.section, entry);
  return found === null || found.item === entry.owner ? null : found.piece;
}

const isPieceField = (unit: Unit, r: Reference): boolean =>
  r.target.kind === "item" && unit.kinds[r.target.item.section] === "pieces";

function isEndOfPiece(e: OwnedEntry, at: number): boolean {
  const size = e.table.piece?.size;
  return size !== undefined && "end" in size && size.end === at;
}
