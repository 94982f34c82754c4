// The diff object: what is taken, as one relocatable file with ordinary relocations.

import type { RewrittenField } from "../../arch/code/code.ts";
import type { Problem } from "../../diag/catalogue.ts";
import { problem } from "../../diag/catalogue.ts";
import { SHF_EXECINSTR, SHF_GROUP, SHT_NOBITS, STB_LOCAL, STB_WEAK } from "../../elf/consts.ts";
import { localEntryOffset } from "../../elf/views/symbols.ts";
import type { NewObject, NewSection, NewSymbol } from "../../elf/writer/newObject.ts";
import { contentOf, type Reference } from "../canon/content.ts";
import { alignmentOf } from "../canon/sections.ts";
import { describeTarget, type Target } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";
import type { Side } from "../compare/compare.ts";
import type { OwnedEntry } from "../compare/ownedTables.ts";
import type { Diff } from "../diff.ts";
import type { Inclusion } from "../take/include.ts";
import type { TargetObject } from "../take/refer.ts";
import { isMadeLater } from "./forms/form.ts";
import { Copies, type Elsewhere, type From, type ItemCopy, Resolver } from "./resolve.ts";
import type { SharedParts } from "./sharedParts.ts";

/** Builds the sections of what is taken. */
export class Emitter {
  readonly side: Side;
  readonly #diff: Diff;
  readonly #inclusion: Inclusion;
  readonly parts: SharedParts;
  readonly #copies = new Copies();
  readonly #resolver: Resolver;
  #entries: readonly OwnedEntry[] = [];

  /** @param parts of the new object, which the emitters of a patch share */
  constructor(
    diff: Diff,
    inclusion: Inclusion,
    target: TargetObject,
    parts: SharedParts,
    elsewhere: Elsewhere = () => null,
  ) {
    this.#diff = diff;
    this.#inclusion = inclusion;
    this.side = diff.patched;
    this.parts = parts;
    this.#resolver = new Resolver(diff, target, parts, this.#copies, elsewhere);
  }

  get out(): NewObject {
    return this.parts.out;
  }

  get problems(): Problem[] {
    return this.#resolver.problems;
  }

  /** Namespaces of the exports that taken code uses. */
  get namespaces(): ReadonlySet<string> {
    return this.#resolver.namespaces;
  }

  /** Copies what is taken. */
  place(): void {
    for (const item of this.#inclusion.items.keys()) this.#place(item);
    const isWanted = (e: OwnedEntry): boolean =>
      this.#inclusion.entries.has(e) && !isMadeLater(this.parts.form, e.table.section);
    this.#entries = this.side.tables.entries.filter(isWanted);
    for (const entry of this.#entries) this.#placeEntry(entry);
  }

  /** Relocations of the copies. Those of all emitters that share the parts have been placed. */
  relocate(): void {
    const { unit } = this.side;
    for (const [item, { section, at }] of this.#copies.items) {
      const isCode = unit.file.sections.hasFlags(item.section, SHF_EXECINSTR);
      const { references } = contentOf(unit, item.section, item.start, item.end, isCode);
      for (const r of references)
        this.#relocate(section, at + r.at, r, { section: item.section, offset: item.start + r.at, item, entry: null });
    }
    for (const entry of this.#entries) this.#relocateEntry(entry);
  }

  /** The copy of an item; null where it is not taken. */
  placeOf(item: Item): ItemCopy | null {
    return this.#copies.items.get(item) ?? null;
  }

  /** A section that several things share. */
  shared(name: string, type: number, flags: bigint, entsize = 0): NewSection {
    return this.parts.section(name, type, flags, entsize);
  }

  #place(item: Item): void {
    const { unit } = this.side;
    const { sections } = unit.file;
    if (sections.hasFlags(item.section, SHF_GROUP)) {
      const at = { file: unit.path, section: unit.sectionName(item), offset: item.entry };
      this.problems.push(problem("KLP715", at, { name: item.name }));
    }
    const section = this.out.section(this.parts.formOf(unit, item.section));
    const align = alignmentOf(sections, item.section);
    // An item of a shared section keeps its place relative to the section's alignment.
    const pad = item.start % align;
    const isNoBits = sections.type(item.section) === SHT_NOBITS;
    const isCode = sections.hasFlags(item.section, SHF_EXECINSTR);
    const { bytes } = contentOf(unit, item.section, item.start, item.end, isCode);
    const whole = new Uint8Array(isNoBits ? 0 : pad + bytes.length);
    if (!isNoBits) whole.set(bytes, pad);
    section.append(whole, align, pad + item.end - item.start);
    this.#copies.items.set(item, {
      section,
      at: pad,
      symbol: item.symbol === 0 ? null : this.#symbolOf(item, section, pad),
    });
  }

  #symbolOf(item: Item, section: NewSection, pad: number): NewSymbol {
    const { symbols } = this.side.unit;
    const isNew = !this.#diff.correlation.back.has(item);
    const bind = symbols.bind(item.symbol);
    const make = (index: number, name: string): NewSymbol =>
      this.parts.define({
        name,
        section,
        value: BigInt(pad + item.entry - item.start),
        size: symbols.size(index),
        type: symbols.type(index),
        bind: isNew ? symbols.bind(index) : STB_LOCAL,
        // The local entry point; a new global stays visible to other objects of the patch.
        other: symbols.other(index) & 0xe0,
      });
    const made = make(item.symbol, item.name);
    if (isNew && bind !== STB_LOCAL) for (const alias of item.aliases) make(alias, symbols.name(alias));
    return made;
  }

  /** @param more added to the addend: fields whose references count from elsewhere than their own place */
  #relocate(section: NewSection, offset: number, r: Reference, from: From, more = 0): void {
    const { unit } = this.side;
    const { code } = unit.arch;
    const { type } = r;
    if (r.isConstant === true) {
      const at = { file: unit.path, section: unit.file.sections.name(from.section), offset: from.offset };
      this.problems.push(problem("KLP745", at, { name: from.item.name, constant: describeTarget(r.target, unit) }));
      return;
    }
    if (type === null || r.relocation === null) {
      this.#rewrite(section, offset, branchTarget(unit, r), from, code.farBranch(this.#code(from), from.offset));
      return;
    }
    if (code.gotTypes.has(type)) {
      const rewritten = isNothing(this.side, r.target) ? null : code.withoutGot(this.#code(from), from.offset, type);
      this.#rewrite(section, offset, r, from, rewritten);
      return;
    }
    if (code.tocTypes.has(type) && r.target.kind !== "toc") {
      this.#resolver.refuse(
        from,
        r.target,
        "data by a distance from the TOC, out of a module's reach: compile with -mcmodel=large",
      );
      return;
    }
    const named = this.#resolver.resolve(r.target, r.bias, r, from);
    if (named === null) return;
    const addend = named.addend + more;
    if (!Number.isSafeInteger(addend)) {
      this.#resolver.tooFar(from, r.target);
      return;
    }
    section.relocations.push({ offset, type, symbol: named.symbol, addend: BigInt(addend) });
  }

  #code({ section }: From): Uint8Array {
    return this.side.unit.file.sections.data(section);
  }

  /** A reference in another form than the input's. @param field null: there is none that reaches */
  #rewrite(section: NewSection, offset: number, r: Reference, from: From, field: RewrittenField | null): void {
    if (field === null) {
      const why =
        r.relocation === null
          ? "in another function of the same section, by a distance that cannot be farther: compile with -ffunction-sections"
          : "a table of addresses that modules do not have: compile with -fno-pie -fno-pic";
      this.#resolver.refuse(from, r.target, why);
      return;
    }
    // An addend of the input counts from the field already.
    const isBranch = r.isBranch || this.side.unit.arch.code.branchTypes.has(field.type);
    const bias = r.relocation === null ? field.bias : r.bias;
    const named = this.#resolver.resolve(r.target, bias, { ...r, isBranch }, from);
    if (named === null) return;
    if (field.bytes !== null) section.rewrite(offset - field.bytes.before, field.bytes.content);
    const addend = BigInt(named.addend);
    section.relocations.push({ offset: offset + field.moved, type: field.type, symbol: named.symbol, addend });
  }

  #placeEntry(entry: OwnedEntry): void {
    const { unit } = this.side;
    const { bytes } = contentOf(unit, entry.section, entry.at, entry.at + entry.size, false);
    const section = this.parts.sectionLike(unit, entry.section);
    const align = alignmentOf(unit.file.sections, entry.section);
    // Entries follow one another without a gap, whatever the section's alignment is.
    if (section.size === 0) section.append(new Uint8Array(0), align);
    this.#copies.entries.set(entry, { section, at: section.append(bytes, 1) });
    const { piece } = entry;
    if (piece === null) return;
    if (this.#copies.ofPiece(piece) !== undefined) return;
    const target = this.parts.sectionLike(unit, piece.section);
    const content = contentOf(unit, piece.section, piece.start, piece.end, true);
    this.#copies.addPiece(piece, {
      section: target,
      at: target.append(content.bytes, alignmentOf(unit.file.sections, piece.section)),
    });
  }

  #relocateEntry(entry: OwnedEntry): void {
    const { unit } = this.side;
    const placed = this.#copies.entries.get(entry);
    const item = entry.owner;
    if (placed === undefined || item === null) return;
    const { references } = contentOf(unit, entry.section, entry.at, entry.at + entry.size, false);
    for (const r of references) {
      // Where references count from the entry's start, the field's own place is in the addend.
      const more = entry.table.fromEntry === true ? r.at : 0;
      const target =
        more === 0 || r.target.kind !== "item" ? r.target : { ...r.target, distance: r.target.distance - more };
      const fixed = target.kind === "item" && more !== 0 ? { ...target, ...homeOf(this.side, target) } : target;
      this.#relocate(
        placed.section,
        placed.at + r.at,
        { ...r, target: fixed },
        { section: entry.section, offset: entry.at + r.at, item, entry },
        more,
      );
    }
    const { piece } = entry;
    const copy = piece === null ? undefined : this.#copies.ofPiece(piece);
    if (piece === null || copy === undefined) return;
    const content = contentOf(unit, piece.section, piece.start, piece.end, true);
    for (const r of content.references) {
      this.#relocate(copy.section, copy.at + r.at, r, {
        section: piece.section,
        offset: piece.start + r.at,
        item,
        entry: null,
      });
    }
  }
}

/** A branch that the assembler resolved leads to the local entry point, where the function has one of its own. */
function branchTarget(unit: Unit, r: Reference): Reference {
  if (r.target.kind !== "item" || !r.isBranch) return r;
  const { item, distance } = r.target;
  const local = unit.arch.hasToc && item.symbol !== 0 ? localEntryOffset(unit.symbols.other(item.symbol)) : 0;
  return local !== 0 && distance === local ? { ...r, target: { ...r.target, distance: 0 } } : r;
}

/** A weak symbol that the object does not define: its address may be zero, which no distance is. */
const isNothing = ({ unit }: Side, target: Target): boolean =>
  target.kind === "undefined" && unit.symbols.bind(target.symbol) === STB_WEAK;

/** The item that a place of a section is in, once its distance was put right. */
function homeOf({ unit }: Side, { item, distance }: Target & { kind: "item" }): { item: Item; distance: number } {
  const at = item.entry + distance;
  const home = unit.itemAt(item.section, at) ?? item;
  return { item: home, distance: at - home.entry };
}
