// Addresses of string literals that go across the border between the livepatch, which has a copy of each, and the kernel.

import type { PointerUse } from "../../arch/code/code.ts";
import { latin1 } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { instructionAt, itemContent } from "../canon/content.ts";
import { mentioners } from "../canon/mentions.ts";
import { stringAt, type Target } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";
import type { Diff } from "../diff.ts";
import type { Inclusion } from "./include.ts";

/** A reference of an item to a string. */
interface Literal {
  readonly text: string;
  /** Offset in the item's section. Bytes. */
  readonly at: number;
  readonly uses: readonly PointerUse[];
}

/**
 * Literals whose address is compared on one side, and held on the other: in the kernel by its data, by a function that stores it or hands it
 * on, or compared there with what taken code stores.
 */
export function literalProblems(diff: Diff, { items, replaced }: Inclusion): Problem[] {
  const unit = diff.patched.unit;
  const told: { item: Item; literal: Literal }[] = [];
  for (const item of items.keys()) {
    if (item.kind !== "function") continue;
    for (const literal of literalsOf(unit, item)) if (literal.uses.length > 0) told.push({ item, literal });
  }
  if (told.length === 0) return [];
  const texts = new Set(told.map((t) => t.literal.text));
  const there = new Holders(diff.orig.unit, new Set(replaced.map((r) => r.orig)), texts);
  return told.flatMap(({ item, literal: { text, at, uses } }) =>
    uses.flatMap((use) => {
      const holders = use === "compare" ? there.holding(text) : there.comparing(text);
      unit.work.take(holders.length, LOOKING);
      if (holders.length === 0) return [];
      const place = { file: unit.path, section: unit.sectionName(item), offset: at };
      return [problem("KLP744", place, { name: item.name, text, use, holders })];
    }),
  );
}

interface Holder {
  readonly name: string;
  readonly isData: boolean;
  /** It is a function that does not run any more. */
  readonly isReplaced: boolean;
  readonly literal: Literal;
}

const LOOKING = "looking for strings";

/** Which functions and data of the original have the address of a string. */
class Holders {
  /** By string. */
  readonly #all = new Map<string, Holder[]>();
  readonly #holding = new Map<string, readonly string[]>();
  readonly #comparing = new Map<string, readonly string[]>();

  constructor(unit: Unit, replaced: ReadonlySet<Item>, texts: ReadonlySet<string>) {
    for (const item of mentioners(unit, sectionsWith(unit, texts))) {
      if (item.name === "" || item.isByContent || item.isInit) continue;
      const isData = item.kind === "object";
      for (const literal of literalsOf(unit, item)) {
        const list = this.#all.get(literal.text) ?? [];
        this.#all.set(literal.text, list);
        list.push({ name: item.name, isData, isReplaced: replaced.has(item), literal });
      }
    }
  }

  /** Data, functions that go on, and what functions stored before they were replaced. */
  holding(text: string): readonly string[] {
    return this.#names(
      this.#holding,
      text,
      (h) => h.isData || h.literal.uses.includes("store") || (!h.isReplaced && h.literal.uses.length === 0),
    );
  }

  /** Functions that go on and compare it. */
  comparing(text: string): readonly string[] {
    return this.#names(this.#comparing, text, (h) => !h.isReplaced && h.literal.uses.includes("compare"));
  }

  #names(known: Map<string, readonly string[]>, text: string, passes: (holder: Holder) => boolean): readonly string[] {
    let names = known.get(text);
    if (names === undefined) {
      names = [...new Set((this.#all.get(text) ?? []).filter(passes).map((h) => h.name))];
      known.set(text, names);
    }
    return names;
  }
}

/** Sections of strings in which one of some stands. */
function sectionsWith({ file, kinds, work }: Unit, texts: ReadonlySet<string>): Set<number> {
  const found = new Set<number>();
  for (const [section, kind] of kinds.entries()) {
    if (kind !== "strings") continue;
    const data = file.sections.data(section);
    const all = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    work.take(texts.size * (1 + (data.length >> 4)), LOOKING);
    if ([...texts].some((text) => all.includes(`${text}\0`, 0, "latin1"))) found.add(section);
  }
  return found;
}

function literalsOf(unit: Unit, item: Item): Literal[] {
  const { bytes, references, instructions } = itemContent(unit, item);
  return references.flatMap((r) => {
    const place = stringIn(r.target);
    if (place === null) return [];
    const start = item.kind === "function" ? instructionAt(instructions, r.at) : null;
    const uses = start === null ? [] : unit.arch.code.pointerUse(bytes, r.at, start.at);
    const text = stringAt(unit, place.section, place.at);
    return [{ text: latin1(text, 0, text.length), at: item.start + r.at, uses }];
  });
}

/** The string that a target is the beginning of, also through the TOC. */
function stringIn(target: Target): { readonly section: number; readonly at: number } | null {
  if (target.kind === "string") return target.distance === 0 ? target : null;
  return target.kind === "toc" && target.slot.target !== null ? stringIn(target.slot.target) : null;
}
