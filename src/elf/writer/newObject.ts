// A relocatable file made from nothing: sections, symbols, relocations, put together by the ELF64 rules.

import { alignUp, OrderedView, viewOf } from "../../base/bytes.ts";
import {
  ET_REL,
  SHF_INFO_LINK,
  SHN_ABS,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
  STT_SECTION,
} from "../consts.ts";
import { EHDR, RELA, SHDR, SYM } from "../views/layout.ts";
import { NameTable, writeFileHeader, writeSectionHeader, writeSymbol } from "./tables.ts";

export interface NewSymbol {
  readonly name: string;
  /** The section that defines it; null: undefined; `absolute`: a number. */
  readonly section: NewSection | null | "absolute";
  readonly value: bigint;
  readonly size: number;
  readonly type: number;
  readonly bind: number;
  readonly other: number;
}

export interface NewRelocation {
  readonly offset: number;
  readonly type: number;
  /** Null: none. */
  readonly symbol: NewSymbol | null;
  readonly addend: bigint;
}

export interface SectionForm {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  /** The section that sh_link names (SHF_LINK_ORDER). */
  readonly link?: NewSection;
  readonly entsize: number;
}

/** A section that grows. Offsets and sizes are bytes. */
export class NewSection {
  readonly form: SectionForm;
  readonly relocations: NewRelocation[] = [];
  readonly #chunks: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #align = 1;
  #size = 0;
  #symbol: NewSymbol | null = null;

  constructor(form: SectionForm) {
    this.form = form;
  }

  get size(): number {
    return this.#size;
  }
  get align(): number {
    return this.#align;
  }

  /** Adds bytes at the next multiple of `align`; returns their offset. In a section without bytes only the size counts. */
  append(bytes: Uint8Array, align: number, size = bytes.length): number {
    const at = alignUp(this.#size, align);
    this.#align = Math.max(this.#align, align);
    this.#chunks.push({ at, bytes });
    this.#size = at + size;
    return at;
  }

  /** Puts other bytes in the place of some that were added, all at once. */
  rewrite(offset: number, other: Uint8Array): void {
    for (const { at, bytes } of this.#chunks) {
      if (offset >= at && offset + other.length <= at + bytes.length) bytes.set(other, offset - at);
    }
  }

  /** Puts another relocation, or none, in the place of each. */
  changeRelocations(change: (relocation: NewRelocation) => NewRelocation | null): void {
    const kept = this.relocations.flatMap((r) => change(r) ?? []);
    this.relocations.length = 0;
    for (const r of kept) this.relocations.push(r);
  }

  /** The symbol that stands for the section. */
  get symbol(): NewSymbol {
    this.#symbol ??= { name: "", section: this, value: 0n, size: 0, type: STT_SECTION, bind: STB_LOCAL, other: 0 };
    return this.#symbol;
  }
  get usedSymbol(): NewSymbol | null {
    return this.#symbol;
  }

  copyTo(out: Uint8Array): void {
    for (const { at, bytes } of this.#chunks) out.set(bytes, at);
  }
}

export class NewObject {
  readonly sections: NewSection[] = [];
  readonly symbols: NewSymbol[] = [];

  section(form: SectionForm): NewSection {
    const made = new NewSection(form);
    this.sections.push(made);
    return made;
  }

  symbol(symbol: NewSymbol): NewSymbol {
    this.symbols.push(symbol);
    return symbol;
  }

  /** Takes symbols out that nothing refers to any more. */
  dropSymbols(gone: { readonly has: (symbol: NewSymbol) => boolean }): void {
    const kept = this.symbols.filter((s) => !gone.has(s));
    this.symbols.length = 0;
    for (const s of kept) this.symbols.push(s);
  }

  /** The file. Same content, same bytes. */
  build(machine: number, flags: number, littleEndian: boolean): Uint8Array {
    return new Layout(this, littleEndian).build(machine, flags);
  }
}

interface Row {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
  readonly size: number;
  readonly fill: (out: Uint8Array) => void;
}

class Layout {
  readonly #object: NewObject;
  readonly #little: boolean;
  readonly #index = new Map<NewSection, number>();
  readonly #symbols = new Map<NewSymbol, number>();
  readonly #names = new NameTable();

  constructor(object: NewObject, littleEndian: boolean) {
    this.#object = object;
    this.#little = littleEndian;
  }

  build(machine: number, flags: number): Uint8Array {
    const { sections } = this.#object;
    for (const [i, section] of sections.entries()) this.#index.set(section, i + 1);
    const withRelocations = sections.filter((s) => s.relocations.length > 0);
    const symtab = sections.length + withRelocations.length + 1;
    const { rows: symbolRows, firstGlobal } = this.#symbolTable();
    const rows: Row[] = sections.map((s) => this.#contentRow(s));
    for (const s of withRelocations) rows.push(this.#relocationRow(s, symtab));
    const names = this.#names.bytes();
    const bytesRow = (name: string, type: number, bytes: Uint8Array, more: Partial<Row> = {}): Row => ({
      ...{ name, type, flags: 0n, link: 0, info: 0, align: 1, entsize: 0, size: bytes.length },
      fill: (out) => out.set(bytes),
      ...more,
    });
    rows.push(
      bytesRow(".symtab", SHT_SYMTAB, symbolRows, { link: symtab + 1, info: firstGlobal, align: 8, entsize: SYM.size }),
    );
    rows.push(bytesRow(".strtab", SHT_STRTAB, names));
    const sectionNames = new NameTable();
    for (const row of rows) sectionNames.add(row.name);
    sectionNames.add(".shstrtab");
    rows.push(bytesRow(".shstrtab", SHT_STRTAB, sectionNames.bytes()));
    return this.#write(rows, sectionNames, machine, flags);
  }

  #contentRow(section: NewSection): Row {
    const { name, type, flags, link, entsize } = section.form;
    const size = section.size;
    return {
      ...{ name, type, flags, entsize, size, info: 0, align: section.align },
      link: link === undefined ? 0 : (this.#index.get(link) ?? 0),
      fill: (out) => section.copyTo(out),
    };
  }

  #relocationRow(section: NewSection, symtab: number): Row {
    const sorted = [...section.relocations].sort((a, b) => a.offset - b.offset);
    return {
      name: `.rela${section.form.name}`,
      type: SHT_RELA,
      flags: BigInt(SHF_INFO_LINK),
      link: symtab,
      info: this.#index.get(section) ?? 0,
      align: 8,
      entsize: RELA.size,
      size: sorted.length * RELA.size,
      fill: (out) => {
        const view = viewOf(out);
        for (const [i, r] of sorted.entries()) {
          const symbol = r.symbol === null ? 0 : (this.#symbols.get(r.symbol) ?? 0);
          view.setBigUint64(i * RELA.size + RELA.offset, BigInt(r.offset), this.#little);
          view.setBigUint64(i * RELA.size + RELA.info, (BigInt(symbol) << 32n) | BigInt(r.type), this.#little);
          view.setBigInt64(i * RELA.size + RELA.addend, r.addend, this.#little);
        }
      },
    };
  }

  #symbolTable(): { rows: Uint8Array; firstGlobal: number } {
    const own = this.#object.sections.flatMap((s) => (s.usedSymbol === null ? [] : [s.usedSymbol]));
    const all = [...own, ...this.#object.symbols];
    const locals = all.filter((s) => s.bind === STB_LOCAL);
    const sorted = [...locals, ...all.filter((s) => s.bind !== STB_LOCAL)];
    const rows = new Uint8Array((sorted.length + 1) * SYM.size);
    const view = new OrderedView(rows, this.#little);
    for (const [i, s] of sorted.entries()) {
      this.#symbols.set(s, i + 1);
      writeSymbol(view, (i + 1) * SYM.size, {
        name: this.#names.add(s.name),
        info: (s.bind << 4) | s.type,
        other: s.other,
        shndx: s.section === null ? SHN_UNDEF : s.section === "absolute" ? SHN_ABS : (this.#index.get(s.section) ?? 0),
        value: s.value,
        size: s.size,
      });
    }
    return { rows, firstGlobal: locals.length + 1 };
  }

  #write(rows: readonly Row[], names: NameTable, machine: number, flags: number): Uint8Array {
    let size: number = EHDR.size;
    const offsets = rows.map((row) => {
      const at = alignUp(size, row.align);
      size = at + (row.type === SHT_NOBITS ? 0 : row.size);
      return at;
    });
    const headers = alignUp(size, 8);
    const out = new Uint8Array(headers + (rows.length + 1) * SHDR.size);
    const view = new OrderedView(out, this.#little);
    writeFileHeader(out, view, {
      ...{ type: ET_REL, machine, flags },
      ...{ sectionHeaders: headers, sectionCount: rows.length + 1 },
    });
    for (const [i, row] of rows.entries()) {
      const offset = offsets[i] ?? 0;
      if (row.type !== SHT_NOBITS) row.fill(out.subarray(offset, offset + row.size));
      const at = headers + (i + 1) * SHDR.size;
      writeSectionHeader(view, at, { ...row, name: names.add(row.name), address: 0n, offset });
    }
    return out;
  }
}
