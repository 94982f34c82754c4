// Variables that a compiler numbers: `cnt.2` of one build may be `cnt.4` of the next, or another variable altogether.
// The references to them tell which is which, since a number tells nothing.

import { isByContent, isWritable, sameBytes } from "./compare.ts";
import { type Content, instructionAt, itemContent, type Reference } from "./content.ts";
import type { Target } from "./targets.ts";
import type { Item, Unit } from "./unit.ts";

export interface StaticsResult {
  /** Written variables of the original that functions of it use, that stay in use by that name, and that have no certain counterpart. */
  readonly lost: readonly LostState[];
  /** Variables of the original that nothing uses any more. */
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

type Pair = (a: Item, b: Item) => void;

/** A variable whose name does not say which it is. */
const isUncertain = (item: Item): boolean =>
  item.kind === "object" && item.isLocal && !isByContent(item) && item.name.includes(".");

/** An uncertain variable as one place uses it. */
interface Use {
  readonly item: Item;
  readonly reference: Reference;
  /** The instruction, without what is filled in. */
  readonly code: string;
}

/**
 * Pairs the variables that are uncertain.
 * @param stated names of the original and of the patched object that belong together
 */
export function pairStatics(
  orig: Unit,
  patched: Unit,
  twins: ReadonlyMap<Item, Item>,
  back: ReadonlyMap<Item, Item>,
  pair: Pair,
  stated: readonly (readonly [string, string])[],
): StaticsResult {
  const wrongPairs = pairStated(orig, patched, twins, back, pair, stated);
  const uncertain = [orig, patched].map((unit) => unit.items.filter(isUncertain)) as [Item[], Item[]];
  if (uncertain[0].length === 0) return { lost: [], unused: [], wrongPairs };
  const work = new Statics(orig, patched, twins, back, pair);
  work.pairByReferences();
  work.pairByUnion();
  return { ...work.leftovers(uncertain[0], uncertain[1]), wrongPairs };
}

function pairStated(
  orig: Unit,
  patched: Unit,
  twins: ReadonlyMap<Item, Item>,
  back: ReadonlyMap<Item, Item>,
  pair: Pair,
  stated: readonly (readonly [string, string])[],
): string[] {
  const wrong: string[] = [];
  const find = (unit: Unit, name: string): Item | null => {
    const found = unit.items.filter((i) => i.kind === "object" && i.name === name);
    return found.length === 1 ? (found[0] ?? null) : null;
  };
  for (const [one, other] of stated) {
    const [a, b] = [find(orig, one), find(patched, other)];
    if (a === null || b === null || twins.has(a) || back.has(b)) wrong.push(`${one}=${other}`);
    else pair(a, b);
  }
  return wrong;
}

class Statics {
  readonly #orig: Unit;
  readonly #patched: Unit;
  readonly #twins: ReadonlyMap<Item, Item>;
  readonly #back: ReadonlyMap<Item, Item>;
  readonly #pair: Pair;
  readonly #uses = new Map<Item, readonly Use[]>();

  constructor(orig: Unit, patched: Unit, twins: ReadonlyMap<Item, Item>, back: ReadonlyMap<Item, Item>, pair: Pair) {
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
   * Where functions were inlined, or split, on one side only: a variable that all its users on one side and all on the other use
   * alone, of the same name, size and initial value.
   */
  pairByUnion(): void {
    const mine = this.#orig.items.filter((i) => isUncertain(i) && !this.#twins.has(i));
    for (const item of mine) {
      const like = (unit: Unit, known: ReadonlyMap<Item, Item>): Item[] =>
        unit.items.filter((i) => isUncertain(i) && !known.has(i) && isAlike(this.#orig, item, unit, i));
      const [own, others] = [like(this.#orig, this.#twins), like(this.#patched, this.#back)];
      const [candidate] = others;
      if (own.length !== 1 || others.length !== 1 || candidate === undefined) continue;
      const users = this.#usersOf(this.#orig, item);
      const theirs = this.#usersOf(this.#patched, candidate);
      const moved = users.some((u) => !this.#twins.has(u)) || theirs.some((u) => !this.#back.has(u));
      const shared = users.some((u) => theirs.includes(this.#twins.get(u) as Item));
      if (moved || shared) this.#pair(item, candidate);
    }
  }

  leftovers(mine: readonly Item[], theirs: readonly Item[]): { lost: LostState[]; unused: Item[] } {
    const lost: LostState[] = [];
    const unused: Item[] = [];
    const open = theirs.filter((i) => !this.#back.has(i));
    for (const item of mine) {
      if (this.#twins.has(item)) continue;
      // What is never written has no state: a copy is as good.
      if (!isWritable(this.#orig, item)) continue;
      const candidates = open.filter((i) => i.canonical === item.canonical && isWritable(this.#patched, i));
      if (candidates.length === 0) unused.push(item);
      else lost.push({ item, users: this.#usersOf(this.#orig, item), candidates });
    }
    return { lost, unused };
  }

  #usersOf(unit: Unit, item: Item): Item[] {
    return unit.items.filter((i) => i.kind === "function" && this.#usesOf(unit, i).some((u) => u.item === item));
  }

  /** Variables without a counterpart that an item refers to, each at its first use. */
  #open(unit: Unit, item: Item): Use[] {
    const known = unit === this.#orig ? this.#twins : this.#back;
    const seen = new Set<Item>();
    return this.#usesOf(unit, item).filter((use) => {
      if (known.has(use.item) || seen.has(use.item)) return false;
      seen.add(use.item);
      return true;
    });
  }

  #usesOf(unit: Unit, item: Item): readonly Use[] {
    let found = this.#uses.get(item);
    if (found === undefined) {
      const content = itemContent(unit, item);
      found = content.references.flatMap((reference) => {
        const used = itemOf(reference.target);
        return used !== null && isUncertain(used)
          ? [{ item: used, reference, code: codeAt(content, reference.at) }]
          : [];
      });
      this.#uses.set(item, found);
    }
    return found;
  }

  #pairLists(mine: readonly Use[], theirs: readonly Use[]): void {
    for (const use of mine) {
      if (this.#twins.has(use.item)) continue;
      const like = (unit: Unit, known: ReadonlyMap<Item, Item>, list: readonly Use[]): Use[] =>
        list.filter((u) => !known.has(u.item) && isAlike(this.#orig, use.item, unit, u.item));
      const group = like(this.#orig, this.#twins, mine);
      const others = like(this.#patched, this.#back, theirs);
      const pairs =
        group.length === others.length
          ? group.map((u, i) => [u, others[i] as Use] as const)
          : subsequence(group, others);
      for (const [u, v] of pairs) this.#pair(u.item, v.item);
    }
  }
}

/** Whether two variables may be one: name without numbers, size, whether they are written, initial value. */
function isAlike(one: Unit, a: Item, other: Unit, b: Item): boolean {
  return (
    a.canonical === b.canonical &&
    a.symbolEnd - a.entry === b.symbolEnd - b.entry &&
    isWritable(one, a) === isWritable(other, b) &&
    sameBytes(bytesOrZeros(one, a), bytesOrZeros(other, b))
  );
}

function itemOf(target: Target): Item | null {
  if (target.kind === "item") return target.item;
  return target.kind === "toc" && target.slot.target !== null ? itemOf(target.slot.target) : null;
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

/** The longest common subsequence of two lists of uses, by the instructions that use them first; none where it is not the only one. */
function subsequence(a: readonly Use[], b: readonly Use[]): (readonly [Use, Use])[] {
  const width = b.length + 1;
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
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as Use, b[j] as Use];
    const isUnique =
      a.filter((u) => u.code === one.code).length === 1 && b.filter((u) => u.code === one.code).length === 1;
    if (one.code === other.code) {
      if (isUnique) pairs.push([one, other]);
      i++;
      j++;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i++;
    else j++;
  }
  return pairs;
}
