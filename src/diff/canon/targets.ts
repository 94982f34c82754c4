// What a relocation refers to, told by content and names in place of section offsets.

import { latin1 } from "../../base/bytes.ts";
import { SHN_ABS, SHN_COMMON, STT_SECTION } from "../../elf/consts.ts";
import type { Relocation } from "./relocations.ts";
import type { Item, Unit } from "./unit.ts";

export type Target =
  /** `distance` counts from the item's symbol. Bytes. */
  | { readonly kind: "item"; readonly item: Item; readonly distance: number }
  | { readonly kind: "undefined"; readonly symbol: number; readonly name: string; readonly distance: number }
  /** A string, or a constant of the section's entry size, that begins at `at` of the section. */
  | { readonly kind: "string" | "constant"; readonly section: number; readonly at: number; readonly distance: number }
  /** A place in a table whose entries belong to functions. */
  | { readonly kind: "table"; readonly section: number; readonly at: number }
  /** Through a TOC slot: what stands in it. */
  | { readonly kind: "toc"; readonly slot: TocSlot; readonly distance: number }
  | { readonly kind: "absolute"; readonly value: bigint; readonly distance: number }
  | { readonly kind: "common"; readonly name: string; readonly distance: number }
  /** A place in a section that is not compared, such as `.discard.addressable`. */
  | { readonly kind: "elsewhere"; readonly section: string; readonly at: number }
  /** It cannot be known; equal to nothing. */
  | { readonly kind: "unknown"; readonly why: string };

export interface TocSlot {
  readonly section: number;
  readonly at: number;
  /** What its relocation refers to; null: the bytes are a constant. */
  readonly target: Target | null;
  /** Type of that relocation; 0 for a constant. */
  readonly type: number;
  readonly bytes: Uint8Array;
}

/**
 * What a relocation of `unit` refers to.
 * @param toEnd bytes from the field to what the CPU counts from; null: not known, which matters in shared sections only
 */
export function targetOf(unit: Unit, relocation: Relocation, toEnd: number | null): Target {
  const { symbols, file, arch } = unit;
  const { symbol } = relocation;
  const addend = relocation.addend;
  if (symbol === 0) return { kind: "absolute", value: 0n, distance: addend };
  const raw = symbols.rawShndx(symbol);
  if (raw === SHN_ABS) return { kind: "absolute", value: symbols.value(symbol), distance: addend };
  if (raw === SHN_COMMON) return { kind: "common", name: symbols.name(symbol), distance: addend };
  const section = symbols.sectionOf(symbol);
  if (section === null) return { kind: "undefined", symbol, name: symbols.name(symbol), distance: addend };
  const isSection = symbols.type(symbol) === STT_SECTION;
  const base = symbols.offset(symbol);
  const bias = toEnd ?? 0;
  const at = base + addend + bias;
  const kind = unit.kinds[section];
  switch (kind) {
    case "toc":
      if (arch.code.tocTypes.has(relocation.type)) return tocTarget(unit, section, base + addend);
      return { kind: "unknown", why: "a place in .toc itself" };
    case "strings":
    case "constants": {
      const what = kind === "strings" ? "string" : "constant";
      if (isSection && toEnd === null) return { kind: "unknown", why: "an instruction that cannot be read" };
      // A symbol keeps what it stands at; only sections were put in place of symbols without a distance.
      const start = isSection ? at : base;
      if (!(start >= 0 && start < file.sections.size(section)))
        return { kind: "unknown", why: "a place outside of its section" };
      return { kind: what, section, at: start, distance: isSection ? 0 : addend + bias };
    }
    case "table":
      return { kind: "table", section, at };
    case "ignored":
    case undefined:
      return { kind: "elsewhere", section: file.sections.name(section), at };
  }
  const named = isSection ? null : unit.ofSymbol(symbol);
  const list = unit.inSection(section);
  if (named === null && list.length > 1 && toEnd === null)
    return { kind: "unknown", why: "an instruction that cannot be read" };
  const item = named ?? unit.itemAt(section, at);
  if (item === null) return { kind: "unknown", why: `a place in ${file.sections.name(section)}, which is empty` };
  return { kind: "item", item, distance: at - item.entry };
}

/** The item that a target is in, through a TOC slot; null: it is in none. */
export function itemIn(target: Target): Item | null {
  if (target.kind === "item") return target.item;
  return target.kind === "toc" && target.slot.target !== null ? itemIn(target.slot.target) : null;
}

/** The name by which a call's target is known to all files: one that is outside, or in a linked object a global one. Null: it has none. */
export function calledName(target: Target): string | null {
  if (target.kind === "undefined") return target.name;
  return target.kind === "item" && target.distance === 0 && !target.item.isLocal ? target.item.name : null;
}

const SLOT = 8;

function tocTarget(unit: Unit, section: number, at: number): Target {
  const slotAt = Math.floor(at / SLOT) * SLOT;
  const data = unit.file.sections.data(section);
  if (!(slotAt >= 0 && slotAt + SLOT <= data.length)) return { kind: "unknown", why: "a place outside of .toc" };
  const [inside, more] = unit.relocations.range(section, slotAt, slotAt + SLOT);
  if (more !== undefined || (inside !== undefined && inside.offset !== slotAt)) {
    return { kind: "unknown", why: "a TOC entry that is not an address" };
  }
  const slot: TocSlot = {
    section,
    at: slotAt,
    target: inside === undefined ? null : slotTarget(unit, inside),
    type: inside?.type ?? 0,
    bytes: data.subarray(slotAt, slotAt + SLOT),
  };
  return { kind: "toc", slot, distance: at - slotAt };
}

/** What a slot holds is an address: one that leads through the TOC again would lead anywhere, itself included. */
const slotTarget = (unit: Unit, inside: Relocation): Target =>
  unit.arch.code.tocTypes.has(inside.type)
    ? { kind: "unknown", why: "a TOC entry that is not an address" }
    : targetOf(unit, inside, 0);

/** Bytes of a character in a section of strings that states this entry size; what no character has counts as one. */
export const characterSize = (entsize: number): 1 | 2 | 4 => (entsize === 2 || entsize === 4 ? entsize : 1);

/** Bytes of a string without its end, of whatever width its characters have. */
export function stringAt(unit: Unit, section: number, at: number): Uint8Array {
  const data = unit.file.sections.data(section);
  const width = characterSize(unit.file.sections.entsize(section));
  let end = at;
  while (end < data.length) {
    let isEnd = true;
    for (let i = 0; i < width; i++) if ((data[end + i] ?? 0) !== 0) isEnd = false;
    if (isEnd) break;
    end += width;
  }
  // Any number of references may lead to one long string.
  unit.work.take(end - at, "comparing strings");
  return data.subarray(at, Math.min(end, data.length));
}

/** Bytes of a constant: the entry of its section that holds `at`. */
export function constantAt(unit: Unit, section: number, at: number): { bytes: Uint8Array; within: number } {
  const data = unit.file.sections.data(section);
  // A size that the section cannot hold stands for nothing.
  const size = Math.max(1, Math.min(unit.file.sections.entsize(section), data.length));
  const start = Math.floor(at / size) * size;
  unit.work.take(size, "comparing constants");
  return { bytes: data.subarray(start, start + size), within: at - start };
}

/** Characters shown of a string. */
const SHOWN_OF_STRING = 40;

/** A target for people. */
export function describeTarget(t: Target, unit: Unit): string {
  const plus = (n: number): string => (n === 0 ? "" : n > 0 ? `+0x${n.toString(16)}` : `-0x${(-n).toString(16)}`);
  switch (t.kind) {
    case "item":
      return `${t.item.name === "" ? "data without a name" : t.item.name}${plus(t.distance)}`;
    case "undefined":
    case "common":
      return `${t.name}${plus(t.distance)}`;
    case "string": {
      const bytes = stringAt(unit, t.section, t.at);
      const text = latin1(bytes, 0, Math.min(bytes.length, SHOWN_OF_STRING));
      return `${JSON.stringify(text)}${bytes.length > SHOWN_OF_STRING ? "…" : ""}${plus(t.distance)}`;
    }
    case "constant":
      return `the constant 0x${Buffer.from(constantAt(unit, t.section, t.at).bytes)
        .reverse()
        .toString("hex")}`;
    case "toc":
      return t.slot.target === null
        ? `the constant 0x${Buffer.from(t.slot.bytes).reverse().toString("hex")} of the TOC`
        : describeTarget(t.slot.target, unit);
    case "table":
      return "an entry of a table";
    case "absolute":
      return `0x${(t.value + BigInt(Number.isNaN(t.distance) ? 0 : t.distance)).toString(16)}`;
    case "elsewhere":
      return t.section;
    case "unknown":
      return t.why;
  }
}
