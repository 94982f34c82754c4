// Variables that a compiler numbers: `cnt.2` of one build may be `cnt.4` of the next, or another variable altogether.
// The references to them tell which is which, since a number tells nothing.

import { sameBytes } from "../../base/bytes.ts";
import { type Content, instructionAt, itemContent } from "../canon/content.ts";
import { mayMention, mentioned } from "../canon/mentions.ts";
import type { Item, Unit } from "../canon/unit.ts";
import { isWritable } from "../compare/places.ts";

export interface StaticsResult {
  /** Written variables of the original that functions of it use, that stay in use by that name, and that have no certain counterpart. */
  readonly lost: readonly LostState[];
  /** Variables of the original that nothing uses any more, or that were said to be gone. */
  readonly unused: readonly Item[];
  /** Stated pairs that name no variable, or a variable twice. */
  readonly wrongPairs: readonly string[];
}

export interface LostState {
  readonly item: Item;
  /** Functions of the original that use it. */
  readonly users: readonly Item[];
  /** Variables of the patched object that it may be. */
  readonly candidates: readonly Item[];
}

/** Which items are known to be counterparts, both ways, and how two more come to be. */
export interface Pairing {
  readonly twins: ReadonlyMap<Item, Item>;
  readonly back: ReadonlyMap<Item, Item>;
  readonly pair: (a: Item, b: Item) => void;
}

/** A variable with a state. Those whose names say which they are have their counterparts already. */
const isVariable = (item: Item): boolean => item.kind === "object" && !item.isByContent;

/** An uncertain variable as one place uses it. */
interface Use {
  readonly item: Item;
  /** The function, or the variable, that refers to it, and in which object. */
  readonly by: Item;
  readonly unit: Unit;
  /** Offset of the field from the start of {@link by}. */
  readonly at: number;
}

const NO_USES: readonly Use[] = [];

/**
 * Pairs the variables that are uncertain.
 * @param stated names of the original and of the patched object that belong together
 */
export function pairStatics(
  orig: Unit,
  patched: Unit,
  pairing: Pairing,
  stated: readonly (readonly [string, string])[],
): StaticsResult {
  const { twins, back } = pairing;
  const { wrongPairs, forgotten } = pairStated(orig, patched, pairing, stated);
  const open = (unit: Unit, known: ReadonlyMap<Item, Item>): Item[] =>
    unit.items.filter((i) => isVariable(i) && !known.has(i) && !forgotten.has(i));
  if (open(orig, twins).length === 0) return { lost: [], unused: [...forgotten], wrongPairs };
  const work = new Statics(orig, patched, pairing, forgotten);
  work.pairByReferences();
  work.pairAlone(true);
  work.pairAlone(false);
  work.pairUnused();
  const { lost, unused } = work.leftovers(open(orig, twins), open(patched, back));
  return { lost, unused: [...unused, ...forgotten], wrongPairs };
}

function pairStated(
  orig: Unit,
  patched: Unit,
  { twins, back, pair }: Pairing,
  stated: readonly (readonly [string, string])[],
): { wrongPairs: string[]; forgotten: Set<Item> } {
  const wrongPairs: string[] = [];
  const forgotten = new Set<Item>();
  const find = (unit: Unit, known: ReadonlyMap<Item, Item>, name: string): Item | null => {
    const open = unit.items.filter((i) => isVariable(i) && !known.has(i));
    const exact = open.filter((i) => i.name === name);
    const [found, more] = exact.length > 0 ? exact : open.filter((i) => i.canonical === name);
    return more === undefined ? (found ?? null) : null;
  };
  for (const [one, other] of stated) {
    const a = find(orig, twins, one);
    const b = other === "" ? null : find(patched, back, other);
    if (a !== null && other === "") forgotten.add(a);
    else if (a === null || b === null) wrongPairs.push(`${one}=${other}`);
    else pair(a, b);
  }
  return { wrongPairs, forgotten };
}

const PAIRING = "pairing variables";

class Statics {
  readonly #orig: Unit;
  readonly #patched: Unit;
  readonly #twins: ReadonlyMap<Item, Item>;
  readonly #back: ReadonlyMap<Item, Item>;
  readonly #pair: Pairing["pair"];
  readonly #first = new Map<Unit, readonly Item[]>();
  readonly #names = new Map<Unit, Map<string, Item[]>>();
  readonly #sections = new Map<Unit, ReadonlySet<number>>();
  readonly #uses = new Map<Item, readonly Use[]>();
  readonly #users = new Map<Unit, Map<Item, Item[]>>();
  /** Variables of the original that were said to have no counterpart. */
  readonly #forgotten: ReadonlySet<Item>;

  constructor(orig: Unit, patched: Unit, { twins, back, pair }: Pairing, forgotten: ReadonlySet<Item>) {
    this.#forgotten = forgotten;
    this.#orig = orig;
    this.#patched = patched;
    this.#twins = twins;
    this.#back = back;
    this.#pair = pair;
  }

  /** In functions, and initialisers, that are counterparts, the n-th variable of a kind on one side is the n-th on the other. */
  pairByReferences(): void {
    // A pair that one function tells may settle what another one leaves open.
    for (let before = -1; before !== this.#twins.size; ) {
      before = this.#twins.size;
      for (const [a, b] of [...this.#twins]) {
        if (a.kind === "function") this.#pairLists(this.#open(this.#orig, a), this.#open(this.#patched, b));
      }
      for (const [a, b] of [...this.#twins]) {
        if (a.kind === "object") this.#pairLists(this.#open(this.#orig, a), this.#open(this.#patched, b));
      }
    }
  }

  /**
   * A variable that is the only one of its kind on both sides, and that functions use that are counterparts; or all of whose uses
   * moved, because functions were inlined or split on one side only.
   * @param alike of one name, size and initial value; otherwise of one name: then it changed, which is told as such
   */
  pairAlone(alike: boolean): void {
    for (const item of this.#openOf(this.#orig)) {
      const fits = (unit: Unit, i: Item): boolean =>
        alike ? isAlike(this.#orig, item, unit, i) : i.canonical === item.canonical;
      const own = this.#openLike(this.#orig, item).filter((i) => fits(this.#orig, i));
      const [candidate, more] = this.#openLike(this.#patched, item).filter((i) => fits(this.#patched, i));
      if (own.length !== 1 || candidate === undefined || more !== undefined) continue;
      const users = this.#usersOf(this.#orig, item);
      const theirs = this.#usersOf(this.#patched, candidate);
      this.#orig.work.take(users.length * theirs.length, PAIRING);
      const moved = users.some((u) => !this.#twins.has(u)) || theirs.some((u) => !this.#back.has(u));
      const shared = users.some((u) => theirs.includes(this.#twins.get(u) as Item));
      if (moved || shared) this.#pair(item, candidate);
    }
  }

  /** Variables that nothing uses, and that differ in the number of their name alone: in order, where there are as many. */
  pairUnused(): void {
    for (const item of this.#openOf(this.#orig)) {
      if (!item.isNumbered || this.#twins.has(item)) continue;
      const like = (unit: Unit): Item[] =>
        this.#openLike(unit, item).filter((i) => i.isNumbered && this.#usersOf(unit, i).length === 0);
      const [own, others] = [like(this.#orig), like(this.#patched)];
      if (own.length !== others.length) continue;
      for (const [n, one] of own.entries()) this.#pair(one, others[n] as Item);
    }
  }

  /** Variables without a counterpart. */
  #openOf(unit: Unit): Item[] {
    return this.#firstOpen(unit).filter((i) => this.#isOpen(unit, i));
  }

  /** Those of one name without numbers. */
  #openLike(unit: Unit, { canonical }: Item): Item[] {
    let names = this.#names.get(unit);
    if (names === undefined) {
      names = new Map<string, Item[]>();
      for (const item of this.#firstOpen(unit)) {
        const list = names.get(item.canonical);
        if (list === undefined) names.set(item.canonical, [item]);
        else list.push(item);
      }
      this.#names.set(unit, names);
    }
    const list = names.get(canonical) ?? [];
    unit.work.take(list.length, PAIRING);
    return list.filter((i) => this.#isOpen(unit, i));
  }

  #isOpen(unit: Unit, item: Item): boolean {
    return !(unit === this.#orig ? this.#twins : this.#back).has(item);
  }

  /** Those that had none when the work began. */
  #firstOpen(unit: Unit): readonly Item[] {
    const known = this.#first.get(unit);
    if (known !== undefined) return known;
    const found = unit.items.filter((i) => isVariable(i) && this.#isOpen(unit, i) && !this.#forgotten.has(i));
    this.#first.set(unit, found);
    return found;
  }

  /** Sections with variables that had none. */
  #openSections(unit: Unit): ReadonlySet<number> {
    const known = this.#sections.get(unit) ?? new Set(this.#firstOpen(unit).map((i) => i.section));
    this.#sections.set(unit, known);
    return known;
  }

  leftovers(mine: readonly Item[], theirs: readonly Item[]): { lost: LostState[]; unused: Item[] } {
    const lost: LostState[] = [];
    const unused: Item[] = [];
    for (const item of mine) {
      // What is never written has no state: a copy is as good.
      if (!isWritable(this.#orig, item) || item.isInit) continue;
      const users = this.#usersOf(this.#orig, item);
      this.#orig.work.take(theirs.length, PAIRING);
      const candidates = theirs.filter((i) => isWritable(this.#patched, i) && !i.isInit && this.#maybe(item, users, i));
      if (candidates.length === 0) unused.push(item);
      else lost.push({ item, users, candidates });
    }
    return { lost, unused };
  }

  /** Whether a new variable may be an old one: by its name, or by its size and use under another name. */
  #maybe(item: Item, users: readonly Item[], candidate: Item): boolean {
    if (candidate.canonical === item.canonical) return true;
    if (candidate.symbolEnd - candidate.entry !== item.symbolEnd - item.entry) return false;
    const theirs = this.#usersOf(this.#patched, candidate);
    this.#orig.work.take(users.length * theirs.length, PAIRING);
    return users.some((u) => theirs.includes(this.#twins.get(u) as Item));
  }

  #usersOf(unit: Unit, item: Item): readonly Item[] {
    let known = this.#users.get(unit);
    if (known === undefined) {
      known = new Map();
      for (const user of unit.items) {
        if (user.kind !== "function") continue;
        for (const used of new Set(this.#usesOf(unit, user).map((u) => u.item))) {
          const list = known.get(used);
          if (list === undefined) known.set(used, [user]);
          else list.push(user);
        }
      }
      this.#users.set(unit, known);
    }
    return known.get(item) ?? [];
  }

  /** Variables without a counterpart that an item refers to, each at its first use. */
  #open(unit: Unit, item: Item): Use[] {
    const known = unit === this.#orig ? this.#twins : this.#back;
    const seen = new Set<Item>();
    return this.#usesOf(unit, item).filter((use) => {
      if (known.has(use.item) || seen.has(use.item) || this.#forgotten.has(use.item)) return false;
      seen.add(use.item);
      return true;
    });
  }

  #usesOf(unit: Unit, item: Item): readonly Use[] {
    let found = this.#uses.get(item);
    if (found !== undefined) return found;
    found = NO_USES;
    if (mayMention(unit, item, this.#openSections(unit))) {
      const uses = mentioned(unit, item).filter((m) => isVariable(m.item));
      if (uses.length > 0) found = uses.map((m) => ({ item: m.item, by: item, unit, at: m.at }));
    }
    this.#uses.set(item, found);
    return found;
  }

  #pairLists(mine: readonly Use[], theirs: readonly Use[]): void {
    for (const use of mine) {
      if (this.#twins.has(use.item)) continue;
      this.#orig.work.take(mine.length + theirs.length, PAIRING);
      const like = (unit: Unit, known: ReadonlyMap<Item, Item>, list: readonly Use[]): Use[] =>
        list.filter((u) => !known.has(u.item) && isAlike(this.#orig, use.item, unit, u.item));
      const group = like(this.#orig, this.#twins, mine);
      const others = like(this.#patched, this.#back, theirs);
      const pairs =
        group.length === others.length
          ? group.map((u, i) => [u, others[i] as Use] as const)
          : subsequence(group, others, this.#orig);
      for (const [u, v] of pairs) this.#pair(u.item, v.item);
    }
  }
}

/** Whether two variables may be one: name without numbers, size, whether they are written, initial value. */
export function isAlike(one: Unit, a: Item, other: Unit, b: Item): boolean {
  return (
    a.canonical === b.canonical &&
    a.symbolEnd - a.entry === b.symbolEnd - b.entry &&
    isWritable(one, a) === isWritable(other, b) &&
    isSameValue(one, a, other, b)
  );
}

function isSameValue(one: Unit, a: Item, other: Unit, b: Item): boolean {
  one.work.take(a.end - a.start, PAIRING);
  return sameBytes(bytesOrZeros(one, a), bytesOrZeros(other, b));
}

function bytesOrZeros(unit: Unit, item: Item): Uint8Array {
  const bytes = unit.bytesOf(item);
  if (bytes.every((b) => b === 0)) return new Uint8Array(0);
  return bytes;
}

/** The instruction at a place of code, or what it is in data. */
function codeAt(content: Content, at: number): string {
  const one = instructionAt(content.instructions, at);
  if (one === null) return "data";
  return Buffer.from(content.bytes.subarray(one.at, one.at + one.size)).toString("hex");
}

/** Each with the instruction that uses it, without what is filled in. */
function withCode(list: readonly Use[]): (Use & { readonly code: string })[] {
  const contents = new Map<Item, Content>();
  return list.map((use) => {
    const content = contents.get(use.by) ?? itemContent(use.unit, use.by);
    contents.set(use.by, content);
    return { ...use, code: codeAt(content, use.at) };
  });
}

/** The longest common subsequence of two lists of uses, by the instructions that use them first; none where it is not the only one. */
function subsequence(mine: readonly Use[], theirs: readonly Use[], { work }: Unit): (readonly [Use, Use])[] {
  if (mine.length === 0 || theirs.length === 0) return [];
  const [a, b] = [withCode(mine), withCode(theirs)];
  const width = b.length + 1;
  // A cell takes four bytes.
  work.take(4 * (a.length + 1) * width, PAIRING);
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const isSame = a[i]?.code === b[j]?.code;
      const [down, right, both] = [
        lengths[(i + 1) * width + j],
        lengths[i * width + j + 1],
        lengths[(i + 1) * width + j + 1],
      ];
      lengths[i * width + j] = isSame ? (both ?? 0) + 1 : Math.max(down ?? 0, right ?? 0);
    }
  }
  const pairs: (readonly [Use, Use])[] = [];
  const counts = [a, b].map((list) => {
    const found = new Map<string, number>();
    for (const { code } of list) found.set(code, (found.get(code) ?? 0) + 1);
    return found;
  });
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as Use & { code: string }, b[j] as Use & { code: string }];
    const isUnique = counts.every((count) => count.get(one.code) === 1);
    if (one.code === other.code) {
      if (isUnique) pairs.push([one, other]);
      i++;
      j++;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i++;
    else j++;
  }
  return pairs;
}
