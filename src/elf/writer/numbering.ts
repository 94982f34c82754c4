import { printable } from "../../base/bytes.ts";
import { SHN_LORESERVE, SHT_SYMTAB_SHNDX, STB_LOCAL } from "../consts.ts";
import { ElfError } from "../error.ts";
import type { ElfFile } from "../reader.ts";
import type { ElfEdits, SectionFields, SectionHandle, SymbolHandle } from "./edits.ts";
import { GIVEN } from "./symbolEdits.ts";

/** Which sections and symbols the new file has, in which order: handles to new indices. */
export class Numbering {
  readonly #edits: ElfEdits;
  readonly #file: ElfFile;
  /** New index -> handle. */
  readonly sectionOrder: SectionHandle[] = [];
  /** Handle -> new index. -1: removed. */
  readonly #sectionIndex: Int32Array;
  /** Whether original sections are missing, so that the ones behind them have new indices. */
  readonly sectionsMoved: boolean;
  /** New index -> handle. */
  symbolOrder: Uint32Array = new Uint32Array(0);
  #symbolIndex: Int32Array = new Int32Array(0);
  #symbolsMoved = false;
  #localCount = 0;
  /** An SHT_SYMTAB_SHNDX section that has to be made. */
  #extended: { readonly handle: SectionHandle; readonly fields: SectionFields } | null = null;

  /** @throws ElfError when symbols are added to a table without the null symbol. */
  constructor(edits: ElfEdits) {
    this.#edits = edits;
    this.#file = edits.file;
    const count = edits.file.sections.count + edits.addedSections.length;
    // One more for an SHT_SYMTAB_SHNDX that may have to be made.
    this.#sectionIndex = new Int32Array(count + 1).fill(-1);
    this.sectionsMoved = this.#orderSections();
    this.#orderSymbols();
  }

  get extended(): { readonly handle: SectionHandle; readonly fields: SectionFields } | null {
    return this.#extended;
  }
  get symbolsMoved(): boolean {
    return this.#symbolsMoved;
  }
  /** Number of leading local symbols in the new table: its sh_info. */
  get localCount(): number {
    return this.#localCount;
  }
  /** Sections of the original and added ones. */
  get sectionHandles(): number {
    return this.#sectionIndex.length;
  }
  /** Symbols of the original and added ones. */
  get symbolHandles(): number {
    return this.#symbolIndex.length;
  }
  isRemoved(section: SectionHandle): boolean {
    return this.#sectionIndex[section] === -1;
  }
  /** The fields of an added section; null for one of the original. */
  added(handle: SectionHandle): SectionFields | null {
    if (this.#extended?.handle === handle) return this.#extended.fields;
    // A look-up below 0 would find nothing, but slowly.
    const index = handle - this.#file.sections.count;
    return index < 0 ? null : (this.#edits.addedSections[index] ?? null);
  }
  /** New index of a section, or null when it is removed. */
  sectionIndex(handle: SectionHandle): number | null {
    const index = this.#sectionIndex[handle] ?? -1;
    return index < 0 ? null : index;
  }
  /** New index of a section that must be there; `what` refers to it. @throws ElfError of kind `removed` */
  section(handle: SectionHandle, what: string): number {
    const index = this.sectionIndex(handle);
    if (index === null) throw this.#removed(`${what} refers to ${this.#sectionName(handle)}, which is removed`);
    return index;
  }
  /** New index of a symbol, or null when it is removed. */
  symbolIndex(handle: SymbolHandle): number | null {
    const index = this.#symbolIndex[handle] ?? -1;
    return index < 0 ? null : index;
  }
  /** New index of a symbol that must be there; `what` refers to it. @throws ElfError of kind `removed` */
  symbol(handle: SymbolHandle, what: string): number {
    const index = this.symbolIndex(handle);
    if (index === null) throw this.#removed(`${what} refers to ${this.#symbolName(handle)}, which is removed`);
    return index;
  }

  #removed(what: string): ElfError {
    return new ElfError("removed", this.#file.header.sectionHeaderOffset, what);
  }

  #sectionName(handle: SectionHandle): string {
    const name = handle < this.#file.sections.count ? this.#file.sections.name(handle) : this.added(handle)?.name;
    return `section ${handle}${name === undefined || name === "" ? "" : ` (${printable(name)})`}`;
  }

  #symbolName(handle: SymbolHandle): string {
    const table = this.#file.symbols;
    const name = table !== null && handle < table.count ? table.name(handle) : "";
    return `symbol ${handle}${name === "" ? "" : ` (${printable(name)})`}`;
  }

  /** Returns whether original sections are missing. */
  #orderSections(): boolean {
    const { sections } = this.#file;
    const removed = new Set(this.#edits.removedSections);
    // A group that loses its last member means nothing any more; but a section symbol may still stand for it.
    for (const group of this.#file.groups) {
      if (group.members.length === 0 || !group.members.every((m) => removed.has(m))) continue;
      if (!this.#hasSymbols(group.section)) removed.add(group.section);
    }
    for (let i = 0; i < sections.count; i++) if (!removed.has(i)) this.sectionOrder.push(i);
    for (let i = 0; i < this.#edits.addedSections.length; i++) this.sectionOrder.push(sections.count + i);
    this.#maybeMakeExtended();
    for (const [index, handle] of this.sectionOrder.entries()) this.#sectionIndex[handle] = index;
    for (const table of this.#file.relocations) {
      if (removed.has(table.target) && !removed.has(table.section)) {
        const [target, own] = [table.target, table.section].map((section) => this.#sectionName(section));
        throw this.#removed(`${target} is removed, but not its relocation section ${own}`);
      }
    }
    return removed.size > 0;
  }

  /** Whether a symbol that stays is defined in an original section. */
  #hasSymbols(section: SectionHandle): boolean {
    const table = this.#file.symbols;
    if (table === null) return false;
    for (let i = 0; i < table.count; i++) {
      if (table.sectionOf(i) === section && !this.#edits.removedSymbols.has(i)) return true;
    }
    return false;
  }

  /** From 0xff00 sections on, a symbol table needs SHT_SYMTAB_SHNDX; original ones keep theirs. */
  #maybeMakeExtended(): void {
    const table = this.#file.symbols;
    if (table === null || this.sectionOrder.length < SHN_LORESERVE) return;
    for (let i = 1; i < this.#file.sections.count; i++) {
      if (this.#edits.removedSections.has(i)) continue;
      if (this.#file.sections.type(i) === SHT_SYMTAB_SHNDX && this.#file.sections.link(i) === table.section) return;
    }
    const handle = this.#file.sections.count + this.#edits.addedSections.length;
    this.#extended = {
      handle,
      fields: {
        name: ".symtab_shndx",
        type: SHT_SYMTAB_SHNDX,
        flags: 0n,
        link: table.section,
        info: 0,
        addralign: 4,
        entsize: 4,
        data: new Uint8Array(0),
      },
    };
    this.sectionOrder.push(handle);
  }

  #orderSymbols(): void {
    const table = this.#file.symbols;
    if (table === null) return;
    const { symbols, removedSymbols } = this.#edits;
    if (table.count === 0 && symbols.added > 0) {
      const at = this.#file.sections.headerOffset(table.section);
      throw new ElfError("edit", at, "the symbol table is empty: not even the null symbol is there");
    }
    const firstGlobal = this.#file.sections.info(table.section);
    const handles = table.count + symbols.added;
    const order = new Uint32Array(handles);
    const globals = new Uint32Array(handles);
    let localCount = 0;
    let globalCount = 0;
    for (let i = 0; i < handles; i++) {
      if (removedSymbols.has(i)) continue;
      const isGiven = (symbols.given(i) & GIVEN.info) !== 0;
      const isLocal = i === 0 || (isGiven ? symbols.info(i) >> 4 === STB_LOCAL : i < firstGlobal);
      if (isLocal) order[localCount++] = i;
      else globals[globalCount++] = i;
    }
    order.set(globals.subarray(0, globalCount), localCount);
    this.#localCount = localCount;
    this.symbolOrder = order.subarray(0, localCount + globalCount);
    this.#symbolIndex = new Int32Array(handles).fill(-1);
    for (let index = 0; index < this.symbolOrder.length; index++) this.#symbolIndex[order[index] as number] = index;
    for (let i = 0; i < table.count; i++) if (this.#symbolIndex[i] !== i) this.#symbolsMoved = true;
  }
}
