// A quick answer for most items of a linked object: the same bytes, and relocations that are the same as they stand. What it does not
// know it leaves to the whole comparison.

import { sameBytes } from "../../base/bytes.ts";
import { SHF_EXECINSTR, STT_SECTION } from "../../elf/consts.ts";
import type { Relocation } from "../canon/relocations.ts";
import { runtimeConstants } from "../canon/runtime.ts";
import { stringAt } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";

/**
 * Bytes from a relative field to the end of its instruction, as far as instructions of x86_64 go: nothing behind it, or an immediate of
 * 1, 2 or 4 bytes.
 */
const TO_END = [4, 5, 6, 8];

export class PlainComparison {
  readonly #orig: Unit;
  readonly #patched: Unit;
  readonly #twins: ReadonlyMap<Item, Item>;
  /** By the numbers of two sections. */
  readonly #layouts = new Map<number, boolean>();

  constructor(orig: Unit, patched: Unit, twins: ReadonlyMap<Item, Item>) {
    this.#orig = orig;
    this.#patched = patched;
    this.#twins = twins;
  }

  /** Whether two items are certainly the same; false: they may be. */
  isSame(a: Item, b: Item): boolean {
    const [one, other] = [this.#orig, this.#patched];
    const isSameForm =
      a.end - a.start === b.end - b.start && a.entry - a.start === b.entry - b.start && a.kind === b.kind;
    if (!isSameForm || a.symbolEnd - a.entry !== b.symbolEnd - b.entry) return false;
    const isCode = one.file.sections.hasFlags(a.section, SHF_EXECINSTR);
    // A distance that the assembler resolved is the same number, but need not lead to the same function.
    if (isCode && !this.#isSameLayout(a.section, b.section)) return false;
    // What the kernel writes into code when it starts, the bytes do not show.
    if (isCode && (runtimeConstants(one).isIn(a.section) || runtimeConstants(other).isIn(b.section))) return false;
    if (!sameBytes(one.bytesOf(a), other.bytesOf(b))) return false;
    const mine = one.relocations.range(a.section, a.start, a.end);
    const theirs = other.relocations.range(b.section, b.start, b.end);
    return (
      mine.length === theirs.length &&
      mine.every((r, i) => {
        const s = theirs[i] as Relocation;
        return r.offset - a.start === s.offset - b.start && r.type === s.type && this.#isSameTarget(r, s, isCode);
      })
    );
  }

  /** Whether two sections have counterparts at the same places: then a distance within them leads to the same. */
  #isSameLayout(section: number, there: number): boolean {
    const [mine, theirs] = [this.#orig.inSection(section), this.#patched.inSection(there)];
    if (mine.length < 2 && theirs.length < 2) return true;
    if (mine.length !== theirs.length) return false;
    const key = section * this.#patched.file.sections.count + there;
    let found = this.#layouts.get(key);
    if (found === undefined) {
      found = mine.every((a, i) => {
        const b = theirs[i] as Item;
        const isNameless = a.kind === "anonymous" && b.kind === "anonymous";
        return (
          a.start === b.start && a.end === b.end && a.entry === b.entry && (isNameless || this.#twins.get(a) === b)
        );
      });
      this.#layouts.set(key, found);
    }
    return found;
  }

  /** The bytes of both places are the same, so whatever stands around the fields is the same on both sides, too. */
  #isSameTarget(r: Relocation, s: Relocation, isCode: boolean): boolean {
    const [one, other] = [this.#orig.symbols, this.#patched.symbols];
    if (Number.isNaN(r.addend) || Number.isNaN(s.addend)) return false;
    if (r.symbol === 0 || s.symbol === 0) return r.symbol === s.symbol && r.addend === s.addend;
    if (one.isUndefined(r.symbol) || other.isUndefined(s.symbol)) {
      const isBoth = one.isUndefined(r.symbol) && other.isUndefined(s.symbol);
      return isBoth && r.addend === s.addend && one.name(r.symbol) === other.name(s.symbol);
    }
    const sections = [one.sectionOf(r.symbol), other.sectionOf(s.symbol)] as const;
    if (sections[0] === null || sections[1] === null) return false;
    const isSection = one.type(r.symbol) === STT_SECTION;
    if (isSection !== (other.type(s.symbol) === STT_SECTION)) return false;
    const at = [one.offset(r.symbol) + r.addend, other.offset(s.symbol) + s.addend] as const;
    const [kind, kindThere] = [this.#orig.kinds[sections[0]], this.#patched.kinds[sections[1]]];
    if (kind !== kindThere) return false;
    const { code } = this.#orig.arch;
    const isRelative = isCode && code.countsFromField && code.relativeTypes.has(r.type);
    const places = isSection && isRelative ? TO_END : [0];
    if (kind === "strings") return isSection && places.every((more) => this.#isSameString(sections, at, more));
    if (kind !== "text" && kind !== "data") return false;
    if (!isSection) {
      const [mine, theirs] = [this.#orig.ofSymbol(r.symbol), this.#patched.ofSymbol(s.symbol)];
      return this.#areTwins(mine, theirs, at);
    }
    return places.every((more) => {
      const mine = this.#orig.itemAt(sections[0] as number, at[0] + more);
      const theirs = this.#patched.itemAt(sections[1] as number, at[1] + more);
      return this.#areTwins(mine, theirs, at);
    });
  }

  #areTwins(mine: Item | null, theirs: Item | null, at: readonly [number, number]): boolean {
    if (mine === null || theirs === null || this.#twins.get(mine) !== theirs) return false;
    return at[0] - mine.entry === at[1] - theirs.entry;
  }

  #isSameString(
    sections: readonly [number | null, number | null],
    at: readonly [number, number],
    more: number,
  ): boolean {
    const [one, other] = [this.#orig, this.#patched];
    const [mine, theirs] = sections as readonly [number, number];
    const isInside = (unit: Unit, section: number, place: number): boolean =>
      place >= 0 && place < unit.file.sections.size(section);
    return (
      isInside(one, mine, at[0] + more) &&
      isInside(other, theirs, at[1] + more) &&
      one.file.sections.entsize(mine) === other.file.sections.entsize(theirs) &&
      sameBytes(stringAt(one, mine, at[0] + more), stringAt(other, theirs, at[1] + more))
    );
  }
}
