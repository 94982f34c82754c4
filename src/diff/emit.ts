// The diff object: what is taken, as one relocatable file with ordinary relocations.

import type { Problem } from "../diag/catalogue.ts";
import { problem } from "../diag/catalogue.ts";
import {
  SHF_EXECINSTR,
  SHF_GROUP,
  SHF_LINK_ORDER,
  SHT_NOBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_NOTYPE,
} from "../elf/consts.ts";
import { NewObject, type NewSection, type NewSymbol } from "../elf/writer/newObject.ts";
import { describe, type Side } from "./compare.ts";
import { contentOf, type Reference } from "./content.ts";
import type { Diff } from "./diff.ts";
import type { Inclusion } from "./include.ts";
import type { TableEntry } from "./ownedTables.ts";
import type { Found, Target as Kernel, OutsideSymbol } from "./refer.ts";
import { alignmentOf } from "./sections.ts";
import { characterSize, constantAt, stringAt, type Target, type TocSlot } from "./targets.ts";
import type { Item } from "./unit.ts";

/** A place that relocations can name. */
export interface Named {
  readonly symbol: NewSymbol | null;
  readonly addend: number;
}

/** Where in the input a reference stands, for messages. */
interface From {
  readonly section: number;
  readonly offset: number;
  /** The taken item that it belongs to. */
  readonly item: Item;
  /** The entry of a table that it stands in; null: in the item itself. */
  readonly entry: TableEntry | null;
}

interface Placed {
  readonly section: NewSection;
  /** Offset in the new section of the item's start. */
  readonly at: number;
  readonly symbol: NewSymbol | null;
}

/** Builds the sections of what is taken. */
export class Emitter {
  readonly out = new NewObject();
  readonly problems: Problem[] = [];
  readonly side: Side;
  readonly #diff: Diff;
  readonly #inclusion: Inclusion;
  readonly #kernel: Kernel;
  readonly #placed = new Map<Item, Placed>();
  readonly #outside = new Map<string, NewSymbol>();
  readonly #strings = new Map<string, NewSymbol>();
  readonly #shared = new Map<string, NewSection>();
  readonly #slots = new Map<string, number>();
  readonly #entries = new Map<TableEntry, { section: NewSection; at: number }>();
  readonly #pieces = new Map<string, { section: NewSection; at: number }>();
  readonly namespaces = new Set<string>();

  constructor(diff: Diff, inclusion: Inclusion, kernel: Kernel) {
    this.#diff = diff;
    this.#inclusion = inclusion;
    this.#kernel = kernel;
    this.side = diff.patched;
  }

  /** All sections but those of klp_patch. */
  emit(): void {
    const { unit } = this.side;
    for (const item of this.#inclusion.items.keys()) this.#place(item);
    const entries = this.side.tables.entries.filter((e) => this.#inclusion.entries.has(e));
    for (const entry of entries) this.#placeEntry(entry);
    for (const [item, { section, at }] of this.#placed) {
      const isCode = unit.file.sections.hasFlags(item.section, SHF_EXECINSTR);
      const { references } = contentOf(unit, item.section, item.start, item.end, isCode);
      for (const r of references)
        this.#relocate(section, at + r.at, r, { section: item.section, offset: item.start + r.at, item, entry: null });
    }
    for (const entry of entries) this.#relocateEntry(entry);
  }

  placeOf(item: Item): Placed | null {
    return this.#placed.get(item) ?? null;
  }

  /** A section that several things share. */
  shared(name: string, type: number, flags: bigint, entsize = 0): NewSection {
    const known = this.#shared.get(name);
    if (known !== undefined) return known;
    const made = this.out.section({ name, type, flags, entsize });
    this.#shared.set(name, made);
    return made;
  }

  #form(section: number) {
    const { sections } = this.side.unit.file;
    const flags = sections.flags(section) & ~BigInt(SHF_GROUP) & ~BigInt(SHF_LINK_ORDER);
    return {
      name: sections.name(section),
      type: sections.type(section),
      flags,
      entsize: Math.min(sections.entsize(section), sections.size(section)),
    };
  }

  #place(item: Item): void {
    const { unit } = this.side;
    const { sections } = unit.file;
    if (sections.hasFlags(item.section, SHF_GROUP)) {
      const at = { file: unit.path, section: unit.sectionName(item), offset: item.entry };
      this.problems.push(problem("KLP715", at, { name: item.name }));
    }
    const section = this.out.section(this.#form(item.section));
    const align = alignmentOf(sections, item.section);
    // An item of a shared section keeps its place relative to the section's alignment.
    const pad = item.start % align;
    const isNoBits = sections.type(item.section) === SHT_NOBITS;
    const isCode = sections.hasFlags(item.section, SHF_EXECINSTR);
    const { bytes } = contentOf(unit, item.section, item.start, item.end, isCode);
    const whole = new Uint8Array(isNoBits ? 0 : pad + bytes.length);
    if (!isNoBits) whole.set(bytes, pad);
    section.append(whole, align, pad + item.end - item.start);
    this.#placed.set(item, { section, at: pad, symbol: item.symbol === 0 ? null : this.#symbolOf(item, section, pad) });
  }

  #symbolOf(item: Item, section: NewSection, pad: number): NewSymbol {
    const { symbols } = this.side.unit;
    const isNew = !this.#diff.correlation.back.has(item);
    const bind = symbols.bind(item.symbol);
    const make = (index: number, name: string): NewSymbol =>
      this.out.symbol({
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

  /** A name for a place in the new file; null after a problem was reported. */
  #resolve(target: Target, bias: number, r: Reference, from: From): Named | null {
    switch (target.kind) {
      case "item":
        return this.#resolveItem(target, bias, r, from);
      case "undefined":
        return this.#outsideOr(
          this.#kernel.foreign(target.name),
          target.distance,
          from,
          this.side.unit.symbols.bind(target.symbol) === STB_WEAK ? target.name : null,
        );
      case "string": {
        const bytes = stringAt(this.side.unit, target.section, target.at);
        return { symbol: this.#constant(target.section, bytes, true), addend: target.distance - bias };
      }
      case "constant": {
        const { bytes, within } = constantAt(this.side.unit, target.section, target.at);
        if (this.side.unit.relocations.has(target.section))
          return this.#refuse(from, target, "a constant that holds an address");
        return { symbol: this.#constant(target.section, bytes, false), addend: target.distance + within - bias };
      }
      case "toc": {
        const at = this.#slot(target.slot, r, from);
        return at === null ? null : { symbol: this.#toc.symbol, addend: at + target.distance };
      }
      case "table": {
        const entry = this.side.tables.entryAt(target.section, target.at);
        const placed = entry === null ? undefined : this.#entries.get(entry);
        if (entry === null || placed === undefined)
          return this.#refuse(from, target, "an entry of a table that is not taken");
        return { symbol: placed.section.symbol, addend: placed.at + target.at - entry.at - bias };
      }
      case "absolute": {
        if (target.value === 0n) return { symbol: null, addend: target.distance };
        const symbol = this.#once(`=${target.value}`, () => ({
          ...{ name: `.Labs_${target.value.toString(16)}`, section: "absolute" as const, value: target.value, size: 0 },
          ...{ type: STT_NOTYPE, bind: STB_LOCAL, other: 0 },
        }));
        return { symbol, addend: target.distance };
      }
      case "common":
        return this.#refuse(from, target, "a common symbol: compile with -fno-common");
      case "elsewhere":
        return this.#refuse(from, target, `a place in ${target.section}, which is not taken`);
      case "unknown":
        return this.#refuse(from, target, target.why);
    }
  }

  #resolveItem(target: Target & { kind: "item" }, bias: number, r: Reference, from: From): Named | null {
    const { item, distance } = target;
    const { unit } = this.side;
    if (unit.kinds[item.section] === "pieces") return this.#resolvePiece(target, bias, from);
    const twin = this.#diff.correlation.back.get(item) ?? null;
    const placed = this.#placed.get(item);
    const isPointer = item.kind === "function" && twin !== null && distance === 0 && !r.isBranch && from.entry === null;
    if (placed !== undefined && !isPointer) {
      if (placed.symbol !== null) return { symbol: placed.symbol, addend: distance - bias };
      return { symbol: placed.section.symbol, addend: placed.at + item.entry - item.start + distance - bias };
    }
    if (item.isInit) return this.#refuse(from, target, "init code or data, which is gone from a running kernel");
    if (twin === null) return this.#refuse(from, target, "something that is not taken");
    if (item.kind === "function" && distance !== 0)
      return this.#refuse(from, target, "the middle of a function whose layout is that of another build");
    return this.#outsideOr(this.#kernel.own(this.#diff.orig.unit, twin), distance - bias, from, null);
  }

  /** Code of table entries: a place in the copy; what no module runs leads to the function itself. */
  #resolvePiece(target: Target & { kind: "item" }, bias: number, from: From): Named | null {
    const at = target.item.entry + target.distance;
    const found = this.side.tables.pieceAt(target.item.section, at);
    const placed = found === null ? undefined : this.#pieces.get(`${found.piece.section}+${found.piece.start}`);
    if (found !== null && placed !== undefined) {
      return { symbol: placed.section.symbol, addend: placed.at + at - found.piece.start - bias };
    }
    const entry = from.entry;
    const isMeaningless = entry !== null && entry.piece === null && entry.table.piece !== undefined;
    const owner = this.#placed.get(from.item);
    if ((isMeaningless || this.side.unit.sectionName(target.item) === ".altinstr_aux") && owner?.symbol != null) {
      return { symbol: owner.symbol, addend: -bias };
    }
    if (entry?.piece != null && entry.piece.section === target.item.section && at === entry.piece.end) {
      const own = this.#pieces.get(`${entry.piece.section}+${entry.piece.start}`);
      if (own !== undefined) return { symbol: own.section.symbol, addend: own.at + at - entry.piece.start - bias };
    }
    return this.#refuse(from, target, "code of a table that no entry of it names");
  }

  #outsideOr(found: Found, addend: number, from: From, weak: string | null): Named | null {
    const { unit } = this.side;
    const at = { file: unit.path, section: unit.file.sections.name(from.section), offset: from.offset };
    if (!found.ok) {
      // A weak symbol that nothing defines is zero, there as here.
      if (weak !== null && found.why === "missing")
        return { symbol: this.#symbolFor({ name: weak, isKlp: true, gate: null }), addend };
      const { name, object, count } = found;
      this.problems.push(
        found.why === "missing"
          ? problem("KLP709", at, { name, object })
          : problem("KLP708", at, { name, object, count, inModules: found.why === "many" }),
      );
      return null;
    }
    const { symbol } = found;
    if (symbol.gate !== null && symbol.gate !== "vmlinux" && from.entry !== null) {
      const name = /^[^,]*\.([^,]+),/.exec(symbol.name)?.[1] ?? symbol.name;
      this.problems.push(
        problem("KLP713", at, {
          section: from.entry.table.section,
          name,
          object: symbol.gate,
          function: from.item.name,
        }),
      );
      return null;
    }
    if (!symbol.isKlp) {
      const namespace = this.#kernel.namespaceOf(symbol.name);
      if (namespace !== null && namespace !== "") this.namespaces.add(namespace);
    }
    return { symbol: this.#symbolFor(symbol), addend };
  }

  #symbolFor({ name, isKlp }: OutsideSymbol): NewSymbol {
    return this.#once(name, () => ({
      ...{ name, section: null, value: 0n, size: 0, type: STT_NOTYPE, other: 0 },
      bind: isKlp ? STB_WEAK : STB_GLOBAL,
    }));
  }

  #once(key: string, make: () => NewSymbol): NewSymbol {
    const known = this.#outside.get(key) ?? this.out.symbol(make());
    this.#outside.set(key, known);
    return known;
  }

  #refuse(from: From, target: Target, why: string): null {
    const { unit } = this.side;
    const at = { file: unit.path, section: unit.file.sections.name(from.section), offset: from.offset };
    this.problems.push(problem("KLP711", at, { name: from.item.name, target: describe(target, unit), why }));
    return null;
  }

  /** A string or a constant, each content once, with a symbol: a linker that merges it must know where it begins. */
  #constant(section: number, bytes: Uint8Array, isString: boolean): NewSymbol {
    const { sections } = this.side.unit.file;
    const form = this.#form(section);
    const align = alignmentOf(sections, section);
    const name = isString ? `.rodata.str${characterSize(form.entsize)}.${align}` : form.name;
    const key = `${name}:${Buffer.from(bytes).toString("hex")}`;
    const known = this.#strings.get(key);
    if (known !== undefined) return known;
    const entsize = isString ? characterSize(form.entsize) : form.entsize;
    const target = this.shared(name, form.type, form.flags, entsize);
    const ended = new Uint8Array(bytes.length + (isString ? characterSize(form.entsize) : 0));
    ended.set(bytes);
    const value = BigInt(target.append(ended, align));
    const symbol = this.out.symbol({
      ...{
        name: `.LC${this.#strings.size}`,
        section: target,
        value,
        size: 0,
        type: STT_NOTYPE,
        bind: STB_LOCAL,
        other: 0,
      },
    });
    this.#strings.set(key, symbol);
    return symbol;
  }

  get #toc(): NewSection {
    const { sections } = this.side.unit.file;
    const input = sections.findByName(".toc");
    return this.shared(".toc", input === null ? 1 : sections.type(input), input === null ? 3n : sections.flags(input));
  }

  #tooFar(from: From, target: Target): null {
    return this.#refuse(from, target, "a place farther away than any module has");
  }

  /** The offset of a TOC entry in the new file: one for each thing that entries refer to. */
  #slot(slot: TocSlot, r: Reference, from: From): number | null {
    const resolved = slot.target === null ? null : this.#resolve(slot.target, 0, { ...r, isBranch: false }, from);
    if (slot.target !== null && resolved === null) return null;
    if (resolved !== null && !Number.isSafeInteger(resolved.addend)) return this.#tooFar(from, slot.target ?? r.target);
    const content =
      resolved === null
        ? Buffer.from(slot.bytes).toString("hex")
        : `${this.#keyOf(resolved.symbol)}+${resolved.addend}`;
    const key = `${slot.type}:${content}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const at = this.#toc.append(resolved === null ? slot.bytes : new Uint8Array(8), 8);
    if (resolved !== null) {
      this.#toc.relocations.push({
        offset: at,
        type: slot.type,
        symbol: resolved.symbol,
        addend: BigInt(resolved.addend),
      });
    }
    this.#slots.set(key, at);
    return at;
  }

  readonly #keys = new Map<NewSymbol | null, number>();
  #keyOf(symbol: NewSymbol | null): number {
    const known = this.#keys.get(symbol) ?? this.#keys.size;
    this.#keys.set(symbol, known);
    return known;
  }

  /** @param more added to the addend: fields whose references count from elsewhere than their own place */
  #relocate(section: NewSection, offset: number, r: Reference, from: From, more = 0): void {
    const { unit } = this.side;
    const { code } = unit.arch;
    const type = r.type;
    if (type === null || r.relocation === null) {
      this.#refuse(
        from,
        r.target,
        "another function of the same section, by a distance: compile with -ffunction-sections",
      );
      return;
    }
    if (code.gotTypes.has(type)) {
      this.#refuse(from, r.target, "a table of addresses that modules do not have: compile with -fno-pie -fno-pic");
      return;
    }
    if (code.tocTypes.has(type) && r.target.kind !== "toc") {
      this.#refuse(
        from,
        r.target,
        "data by a distance from the TOC, out of a module's reach: compile with -mcmodel=large",
      );
      return;
    }
    const named = this.#resolve(r.target, r.bias, r, from);
    if (named === null) return;
    const addend = named.addend + more;
    if (!Number.isSafeInteger(addend)) {
      this.#tooFar(from, r.target);
      return;
    }
    section.relocations.push({ offset, type, symbol: named.symbol, addend: BigInt(addend) });
  }

  #placeEntry(entry: TableEntry): void {
    const { unit } = this.side;
    const { bytes } = contentOf(unit, entry.section, entry.at, entry.at + entry.size, false);
    const form = this.#form(entry.section);
    const section = this.shared(form.name, form.type, form.flags, form.entsize);
    const align = alignmentOf(unit.file.sections, entry.section);
    // Entries follow one another without a gap, whatever the section's alignment is.
    if (section.size === 0) section.append(new Uint8Array(0), align);
    this.#entries.set(entry, { section, at: section.append(bytes, 1) });
    const { piece } = entry;
    if (piece === null) return;
    const key = `${piece.section}+${piece.start}`;
    if (this.#pieces.has(key)) return;
    const pieceForm = this.#form(piece.section);
    const target = this.shared(pieceForm.name, pieceForm.type, pieceForm.flags, pieceForm.entsize);
    const content = contentOf(unit, piece.section, piece.start, piece.end, true);
    this.#pieces.set(key, {
      section: target,
      at: target.append(content.bytes, alignmentOf(unit.file.sections, piece.section)),
    });
  }

  #relocateEntry(entry: TableEntry): void {
    const { unit } = this.side;
    const placed = this.#entries.get(entry);
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
    const copy = piece === null ? undefined : this.#pieces.get(`${piece.section}+${piece.start}`);
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

/** The item that a place of a section is in, once its distance was put right. */
function homeOf({ unit }: Side, { item, distance }: Target & { kind: "item" }): { item: Item; distance: number } {
  const at = item.entry + distance;
  const home = unit.itemAt(item.section, at) ?? item;
  return { item: home, distance: at - home.entry };
}
