// Parts of the diff object that exist once, whatever refers to them: sections that several things share, strings and constants,
// symbols that are defined elsewhere, TOC entries.

import { SHF_GROUP, SHF_LINK_ORDER, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_NOTYPE } from "../../elf/consts.ts";
import { NewObject, type NewSection, type NewSymbol, type SectionForm } from "../../elf/writer/newObject.ts";
import { alignmentOf } from "../canon/sections.ts";
import { characterSize, type TocSlot } from "../canon/targets.ts";
import type { Unit } from "../canon/unit.ts";
import type { KlpTarget, OutsideSymbol } from "../take/refer.ts";
import type { DiffForm } from "./forms/form.ts";

/** A place that relocations can name. */
export interface Named {
  /** Null: none, the addend is an absolute value. */
  readonly symbol: NewSymbol | null;
  readonly addend: number;
}

/** The new object, and what is in it once. Forms of sections are those of the patched units. */
export class SharedParts {
  readonly out = new NewObject();
  readonly form: DiffForm;
  readonly #sections = new Map<string, NewSection>();
  readonly #constants = new Map<string, NewSymbol>();
  readonly #outside = new Map<string, NewSymbol>();
  readonly #globals = new Set<string>();
  #toc: NewSection | null = null;
  readonly #slots = new Map<string, number>();
  readonly #keys = new Map<NewSymbol | null, number>();

  constructor(form: DiffForm = "klplink") {
    this.form = form;
  }

  /** A section that several things share. */
  section(name: string, type: number, flags: bigint, entsize = 0): NewSection {
    const key = `${type} ${flags} ${entsize} ${name}`;
    const known = this.#sections.get(key);
    if (known !== undefined) return known;
    const made = this.out.section({ name, type, flags, entsize });
    this.#sections.set(key, made);
    return made;
  }

  /** What a section of the unit is as a section of the new object: out of its group, and in no order by another. */
  formOf({ file: { sections } }: Unit, section: number): SectionForm {
    const flags = sections.flags(section) & ~BigInt(SHF_GROUP) & ~BigInt(SHF_LINK_ORDER);
    return {
      name: sections.name(section),
      type: sections.type(section),
      flags,
      entsize: Math.min(sections.entsize(section), sections.size(section)),
    };
  }

  /** A section of the unit, as one that several things share. */
  sectionLike(unit: Unit, section: number): NewSection {
    const { name, type, flags, entsize } = this.formOf(unit, section);
    return this.section(name, type, flags, entsize);
  }

  /** A string or a constant, each content once, with a symbol: a linker that merges it must know where it begins. */
  constant(unit: Unit, section: number, bytes: Uint8Array, isString: boolean): NewSymbol {
    const { sections } = unit.file;
    const form = this.formOf(unit, section);
    const align = alignmentOf(sections, section);
    const name = isString ? `.rodata.str${characterSize(form.entsize)}.${align}` : form.name;
    const key = `${form.type} ${form.flags} ${form.entsize} ${name}:${Buffer.from(bytes).toString("hex")}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const entsize = isString ? characterSize(form.entsize) : form.entsize;
    const target = this.section(name, form.type, form.flags, entsize);
    const ended = new Uint8Array(bytes.length + (isString ? characterSize(form.entsize) : 0));
    ended.set(bytes);
    const value = BigInt(target.append(ended, align));
    const symbol = this.out.symbol({
      ...{
        name: `.LC${this.#constants.size}`,
        section: target,
        value,
        size: 0,
        type: STT_NOTYPE,
        bind: STB_LOCAL,
        other: 0,
      },
    });
    this.#constants.set(key, symbol);
    return symbol;
  }

  /** A symbol of a copy. Of several globals of one name, as those of a file that two modules have, the first one stays global. */
  define(symbol: NewSymbol): NewSymbol {
    if (symbol.bind === STB_LOCAL) return this.out.symbol(symbol);
    const bind = this.#globals.has(symbol.name) ? STB_LOCAL : symbol.bind;
    this.#globals.add(symbol.name);
    return this.out.symbol({ ...symbol, bind });
  }

  /** Symbols that the livepatch core resolves, and what they stand for. */
  readonly klpTargets = new Map<NewSymbol, KlpTarget>();

  /** An undefined symbol: weak where the livepatch core resolves it. */
  outside({ name, isWeak, klp }: OutsideSymbol): NewSymbol {
    const symbol = this.#once(name, () => ({
      ...{ name, section: null, value: 0n, size: 0, type: STT_NOTYPE, other: 0 },
      bind: isWeak ? STB_WEAK : STB_GLOBAL,
    }));
    if (klp !== null && !this.klpTargets.has(symbol)) this.klpTargets.set(symbol, klp);
    return symbol;
  }

  /** A symbol that is a number. */
  absolute(value: bigint): NewSymbol {
    return this.#once(`=${value}`, () => ({
      ...{ name: `.Labs_${value.toString(16)}`, section: "absolute" as const, value, size: 0 },
      ...{ type: STT_NOTYPE, bind: STB_LOCAL, other: 0 },
    }));
  }

  #once(key: string, make: () => NewSymbol): NewSymbol {
    const known = this.#outside.get(key) ?? this.out.symbol(make());
    this.#outside.set(key, known);
    return known;
  }

  /** The new `.toc`, of the form that it has in the unit that needs it first. */
  toc({ file: { sections } }: Unit): NewSection {
    const input = sections.findByName(".toc");
    this.#toc ??=
      input === null ? this.section(".toc", 1, 3n) : this.section(".toc", sections.type(input), sections.flags(input));
    return this.#toc;
  }

  /**
   * The offset of a TOC entry in the new `.toc`: one for each thing that entries refer to.
   * @param address what the entry holds the address of; null: the slot's bytes, which are a constant
   */
  slot(unit: Unit, slot: TocSlot, address: Named | null): number {
    const content =
      address === null ? Buffer.from(slot.bytes).toString("hex") : `${this.#keyOf(address.symbol)}+${address.addend}`;
    const key = `${slot.type}:${content}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const toc = this.toc(unit);
    const at = toc.append(address === null ? slot.bytes : new Uint8Array(8), 8);
    if (address !== null) {
      const { symbol, addend } = address;
      toc.relocations.push({ offset: at, type: slot.type, symbol, addend: BigInt(addend) });
    }
    this.#slots.set(key, at);
    return at;
  }

  #keyOf(symbol: NewSymbol | null): number {
    const known = this.#keys.get(symbol) ?? this.#keys.size;
    this.#keys.set(symbol, known);
    return known;
  }
}
