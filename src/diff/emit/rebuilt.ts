// Tables that say nothing of what code does, and that taken code needs all the same: patch sites, unwinding, notes for objtool.

import { problem } from "../../diag/catalogue.ts";
import { SHF_LINK_ORDER } from "../../elf/consts.ts";
import type { NewSection } from "../../elf/writer/newObject.ts";
import { contentOf } from "../canon/content.ts";
import type { Relocation } from "../canon/relocations.ts";
import { alignmentOf } from "../canon/sections.ts";
import { type Target, targetOf } from "../canon/targets.ts";
import type { Item } from "../canon/unit.ts";
import type { Emitter } from "./emit.ts";
import { isMadeLater } from "./forms/form.ts";

/** Tables for objtool, which the module's link leaves out: entries of a place, with a word behind it in the annotations of 6.13 on. */
const FOR_OBJTOOL: ReadonlyMap<string, number | null> = new Map([
  [".discard.annotate_insn", 8],
  [".discard.annotate_data", 8],
  [".discard.reachable", 4],
  [".discard.unreachable", 4],
  [".discard.retpoline_safe", null],
  [".discard.instr_begin", null],
  [".discard.instr_end", null],
  [".discard.intra_function_calls", null],
  [".discard.ibt_endbr_noseal", null],
  [".discard.func_stack_frame_non_standard", null],
]);

/** Copies the entries of these tables that belong to what is taken. */
export function copyRebuilt(emitter: Emitter): void {
  const { unit } = emitter.side;
  const { sections } = unit.file;
  for (let section = 1; section < sections.count; section++) {
    const name = sections.name(section);
    if (unit.arch.siteTables.some((t) => t === name)) copySites(emitter, section);
    else if (FOR_OBJTOOL.has(name)) copyEntries(emitter, section, FOR_OBJTOOL.get(name) ?? null);
    else if (name === ".orc_unwind_ip" && !isMadeLater(emitter.parts.form, name)) copyOrc(emitter, section);
  }
}

interface Owned {
  readonly relocation: Relocation;
  readonly item: Item;
  readonly target: Target & { kind: "item" };
}

/** Relocations of a section that lead into taken functions. */
function ownedIn(emitter: Emitter, section: number): Owned[] {
  const { unit } = emitter.side;
  const found: Owned[] = [];
  for (const relocation of unit.relocations.range(section, 0, unit.file.sections.size(section))) {
    const target = targetOf(unit, relocation, 0);
    if (target.kind === "item" && target.item.kind === "function" && emitter.placeOf(target.item) !== null) {
      found.push({ relocation, item: target.item, target });
    }
  }
  return found;
}

function relocateTo(emitter: Emitter, section: NewSection, offset: number, { relocation, item, target }: Owned): void {
  const placed = emitter.placeOf(item);
  if (placed === null) return;
  const place = placed.at + item.entry - item.start + target.distance;
  // Not in a function then: no tool makes such an entry.
  if (!Number.isSafeInteger(place)) return;
  const addend = BigInt(place);
  section.relocations.push({ offset, type: relocation.type, symbol: placed.section.symbol, addend });
}

/** Bytes of an entry of a table of patch sites: one address. */
const SITE = 8;

/** Each copy keeps its site, so that it can be traced; a section a function where the input orders them by their text. */
function copySites(emitter: Emitter, section: number): void {
  const { sections } = emitter.side.unit.file;
  const isOrdered = sections.hasFlags(section, SHF_LINK_ORDER);
  const name = sections.name(section);
  for (const owned of ownedIn(emitter, section)) {
    const text = emitter.placeOf(owned.item)?.section;
    const form = {
      name,
      type: sections.type(section),
      flags: sections.flags(section),
      entsize: sections.entsize(section),
    };
    const target =
      isOrdered && text !== undefined
        ? emitter.out.section({ ...form, link: text })
        : emitter.shared(name, form.type, form.flags, form.entsize);
    relocateTo(emitter, target, target.append(new Uint8Array(SITE), SITE), owned);
  }
}

/** @param size of an entry; null: that of its field, 8 bytes for an address and 4 for a distance */
function copyEntries(emitter: Emitter, section: number, size: number | null): void {
  const { unit } = emitter.side;
  const { sections } = unit.file;
  for (const owned of ownedIn(emitter, section)) {
    const field = unit.arch.relocs.defs.get(owned.relocation.type)?.bytes ?? 4;
    const at = owned.relocation.offset;
    const { bytes } = contentOf(unit, section, at, at + (size ?? field), false);
    const target = emitter.shared(sections.name(section), sections.type(section), sections.flags(section));
    relocateTo(emitter, target, target.append(bytes, 1), owned);
  }
}

/** Bytes of struct orc_entry and of its place (arch/x86/include/asm/orc_types.h, 6.1 to 7.2). */
const ORC = { entry: 6, place: 4 } as const;

/**
 * Entries of taken functions, and behind the last one of each an entry that says "not known" (all bits zero, in all forms): what
 * lies behind it in the module is another function.
 */
function copyOrc(emitter: Emitter, section: number): void {
  const { unit } = emitter.side;
  const { sections } = unit.file;
  const data = sections.findByName(".orc_unwind");
  if (data === null || sections.size(data) / ORC.entry !== sections.size(section) / ORC.place) {
    const at = { file: unit.path, section: ".orc_unwind_ip", offset: 0 };
    const why = "the two tables of unwinding do not have as many entries";
    emitter.problems.push(problem("KLP703", at, { section: ".orc_unwind", why }));
    return;
  }
  const places = emitter.shared(".orc_unwind_ip", sections.type(section), sections.flags(section));
  const entries = emitter.shared(".orc_unwind", sections.type(data), sections.flags(data));
  const add = (bytes: Uint8Array, owned: Owned): void => {
    entries.append(bytes, entries.size === 0 ? alignmentOf(sections, data) : 1);
    relocateTo(emitter, places, places.append(new Uint8Array(ORC.place), places.size === 0 ? ORC.place : 1), owned);
  };
  const byItem = new Map<Item, Owned[]>();
  for (const owned of ownedIn(emitter, section)) byItem.set(owned.item, [...(byItem.get(owned.item) ?? []), owned]);
  for (const [item, list] of byItem) {
    list.sort((a, b) => a.target.distance - b.target.distance);
    for (const owned of list) {
      const at = (owned.relocation.offset / ORC.place) * ORC.entry;
      add(sections.data(data).slice(at, at + ORC.entry), owned);
    }
    const last = list[list.length - 1];
    if (last !== undefined)
      add(new Uint8Array(ORC.entry), { ...last, target: { ...last.target, distance: item.end - item.entry } });
  }
}
