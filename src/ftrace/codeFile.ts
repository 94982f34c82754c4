// One view of code for the search for patch sites: a relocatable file (module, object) or a linked one (vmlinux).
// A place in code is a section and an offset in it, in both.

import type { ArchName } from "../base/archName.ts";
import { viewOf } from "../base/bytes.ts";
import { firstIndex } from "../base/search.ts";
import { SHT_RELA } from "../elf/consts.ts";
import type { ElfExecutable } from "../elf/executable.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { SectionTable } from "../elf/views/sections.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import { type CodeFunction, readCodeFunctions } from "./functions.ts";

/** A relocation of an instruction, as far as a site needs it. */
export interface CodeRelocation {
  readonly type: number;
  readonly symbol: string;
  readonly symbolIndex: number;
  readonly addend: bigint;
}

/** A place that a word in a table refers to. */
export interface CodePlace {
  readonly section: number;
  readonly offset: number;
}

/** Code, symbols and relocations by section. */
export class CodeFile {
  readonly arch: ArchName;
  readonly sections: SectionTable;
  /** Whether addresses are final: a linked file. */
  readonly isLinked: boolean;
  readonly littleEndian: boolean;
  /** All functions, by section and offset; one entry an offset. */
  readonly functions: readonly CodeFunction[];
  readonly #symbols: SymbolTable | null;
  readonly #relocations = new Map<number, RelocationTable[]>();
  readonly #rows = new Map<number, Map<number, CodeRelocation>>();
  readonly #bySection = new Map<number, CodeFunction[]>();
  #spans: { readonly start: bigint; readonly end: bigint; readonly section: number }[] | null = null;

  constructor(file: ElfFile | ElfExecutable, arch: ArchName) {
    this.arch = arch;
    this.sections = file.sections;
    this.littleEndian = file.littleEndian;
    this.isLinked = !("header" in file);
    this.#symbols = file.symbols;
    if ("header" in file) {
      for (const table of file.relocations) {
        const list = this.#relocations.get(table.target);
        if (list === undefined) this.#relocations.set(table.target, [table]);
        else list.push(table);
      }
    }
    this.functions = readCodeFunctions(this.sections, this.#symbols, arch, this.isLinked);
    for (const f of this.functions) {
      const list = this.#bySection.get(f.section);
      if (list === undefined) this.#bySection.set(f.section, [f]);
      else list.push(f);
    }
  }

  get symbols(): SymbolTable | null {
    return this.#symbols;
  }

  /** Functions of a section, by offset. */
  inSection(section: number): readonly CodeFunction[] {
    return this.#bySection.get(section) ?? [];
  }

  /** The nearest function at or before `offset`; null if there is none. */
  functionAt(section: number, offset: number): CodeFunction | null {
    return this.inSection(section)[this.#firstBehind(section, offset) - 1] ?? null;
  }

  /** Where the function behind `f` begins, or its section ends: the size that the kernel gives it. */
  nextStart(f: CodeFunction): number {
    return this.inSection(f.section)[this.#firstBehind(f.section, f.start)]?.start ?? this.sections.size(f.section);
  }

  /** The first function that begins behind `offset`; null if there is none. */
  functionBehind(section: number, offset: number): CodeFunction | null {
    return this.inSection(section)[this.#firstBehind(section, offset)] ?? null;
  }

  #firstBehind(section: number, offset: number): number {
    const list = this.inSection(section);
    return firstIndex(list.length, (i) => (list[i]?.start ?? 0) > offset);
  }

  /** The bytes of a section: a view. */
  bytes(section: number): Uint8Array {
    return this.sections.data(section);
  }

  /** The word at a place, or null outside the section. */
  word(section: number, offset: number): number | null {
    const data = this.sections.data(section);
    if (offset < 0 || offset + 4 > data.length) return null;
    return viewOf(data).getUint32(offset, this.littleEndian);
  }

  /** The relocation that writes at exactly this offset; null if there is none. */
  relocationAt(section: number, offset: number): CodeRelocation | null {
    return this.relocationsOf(section).get(offset) ?? null;
  }

  /** All relocations of a section by offset; of several at one offset the last. */
  relocationsOf(section: number): ReadonlyMap<number, CodeRelocation> {
    let rows = this.#rows.get(section);
    if (rows === undefined) {
      rows = new Map();
      for (const table of this.#relocations.get(section) ?? []) {
        for (let row = 0; row < table.count; row++) {
          const symbolIndex = table.symbol(row);
          rows.set(table.offset(row), {
            type: table.type(row),
            symbol: this.#symbols !== null && symbolIndex < this.#symbols.count ? this.#symbols.name(symbolIndex) : "",
            symbolIndex,
            addend: table.addend(row),
          });
        }
      }
      this.#rows.set(section, rows);
    }
    return rows;
  }

  /** The place that `symbol + addend` names in a relocatable file; null if it is not in a section of this file. */
  placeOf(relocation: CodeRelocation): CodePlace | null {
    const section = this.#symbols?.sectionOf(relocation.symbolIndex) ?? null;
    if (section === null || section >= this.sections.count || this.#symbols === null) return null;
    const offset = this.#symbols.value(relocation.symbolIndex) + relocation.addend;
    if (offset < 0n || offset > BigInt(this.sections.size(section))) return null;
    return { section, offset: Number(offset) };
  }

  /** The place at an address of a linked file; null if no section with bytes holds it. */
  placeAt(address: bigint): CodePlace | null {
    if (this.#spans === null) {
      this.#spans = [];
      for (let i = 1; i < this.sections.count; i++) {
        const start = this.sections.addr(i);
        if (start === 0n || !this.sections.hasBytes(i)) continue;
        this.#spans.push({ start, end: start + BigInt(this.sections.size(i)), section: i });
      }
      this.#spans.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    }
    const spans = this.#spans;
    const behind = firstIndex(spans.length, (i) => (spans[i]?.start ?? 0n) > address);
    const span = spans[behind - 1];
    return span === undefined || address >= span.end
      ? null
      : { section: span.section, offset: Number(address - span.start) };
  }

  /** Address of a place: in a linked file the final one, in a relocatable one 0 is where each section begins. */
  addressOf(section: number, offset: number): bigint {
    return this.sections.addr(section) + BigInt(offset);
  }

  /** Value of a symbol of this name (the first one); null if there is none. */
  symbolValue(name: string): bigint | null {
    const symbols = this.#symbols;
    for (let i = 1; i < (symbols?.count ?? 0); i++) if (symbols?.name(i) === name) return symbols.value(i);
    return null;
  }

  /** Dynamic relocations of a linked file: address -> addend, for addresses in [start, end). */
  dynamicAddends(start: bigint, end: bigint): ReadonlyMap<bigint, bigint> {
    const found = new Map<bigint, bigint>();
    for (let i = 1; i < this.sections.count; i++) {
      if (this.sections.type(i) !== SHT_RELA) continue;
      const data = this.sections.data(i);
      const view = viewOf(data);
      for (let at = 0; at + 24 <= data.length; at += 24) {
        const place = view.getBigUint64(at, this.littleEndian);
        if (place >= start && place < end) found.set(place, view.getBigUint64(at + 16, this.littleEndian));
      }
    }
    return found;
  }
}
