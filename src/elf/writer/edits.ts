import { alignUp, viewOf } from "../../base/bytes.ts";
import { NumberSet } from "../../base/numberSet.ts";
import {
  SHT_GROUP,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
} from "../consts.ts";
import { ElfError } from "../error.ts";
import type { ElfFile } from "../reader.ts";
import type { RelocationTable } from "../views/relas.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { NamePool } from "./namePool.ts";
import { type AddedRelocations, noChanges, type RelocationChanges, type RelocationFields } from "./relocationEdits.ts";
import { SymbolEdits, type SymbolFields } from "./symbolEdits.ts";

/** Sections that are about others: a file that is made for it may give them any name, `.toc` among them. */
const TABLES: ReadonlySet<number> = new Set([SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_REL, SHT_GROUP, SHT_SYMTAB_SHNDX]);

/**
 * Sections and symbols are named by handles: the index in the original file, or, for added ones, a number
 * from the original count on. Handles stay valid whatever is added or removed; the writer turns them into
 * indices.
 */
export type SectionHandle = number;
export type SymbolHandle = number;

export interface SectionFields {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly link: SectionHandle;
  /** sh_info: a section handle where the type or SHF_INFO_LINK says so. */
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
  readonly data: Uint8Array;
}

/** What is to change in a file; the file itself stays untouched. Carried out by {@link writeElf}. */
export class ElfEdits {
  readonly file: ElfFile;
  readonly #data = new Map<SectionHandle, Uint8Array>();
  /** Names that symbols get, and sections that are added. */
  readonly names = new NamePool();
  readonly symbols: SymbolEdits;
  readonly #removedSymbols = new NumberSet();
  readonly #addedSections: SectionFields[] = [];
  readonly #removedSections = new Set<SectionHandle>();
  readonly #relocations = new Map<SectionHandle, RelocationChanges>();

  constructor(file: ElfFile) {
    this.file = file;
    this.symbols = new SymbolEdits(this.names, file.symbols?.count ?? 0);
  }

  get isEmpty(): boolean {
    return (
      this.#data.size === 0 &&
      this.symbols.edited === 0 &&
      this.symbols.added === 0 &&
      this.#removedSymbols.size === 0 &&
      this.#addedSections.length === 0 &&
      this.#removedSections.size === 0 &&
      this.#relocations.size === 0
    );
  }

  get removedSymbols(): Pick<NumberSet, "has" | "size"> {
    return this.#removedSymbols;
  }
  get addedSections(): readonly SectionFields[] {
    return this.#addedSections;
  }
  get removedSections(): ReadonlySet<SectionHandle> {
    return this.#removedSections;
  }
  get relocationEdits(): ReadonlyMap<SectionHandle, RelocationChanges> {
    return this.#relocations;
  }
  get dataEdits(): ReadonlyMap<SectionHandle, Uint8Array> {
    return this.#data;
  }

  // Bytes of sections

  /** The section's bytes with all edits so far; do not write to them. */
  data(section: SectionHandle): Uint8Array {
    const edited = this.#data.get(section);
    if (edited !== undefined) return edited;
    const added = this.#addedSections[section - this.file.sections.count];
    return added !== undefined ? added.data : this.file.sections.data(section);
  }

  /**
   * Overwrites bytes inside a section.
   * @throws Error if they do not lie in it, or the section has no bytes in the file.
   */
  patch(section: SectionHandle, offset: number, bytes: Uint8Array): void {
    const current = this.data(section);
    if (offset < 0 || offset + bytes.length > current.length) {
      throw new Error(`patch of section ${section} at ${offset} is outside its ${current.length} bytes`);
    }
    const copy = this.#data.has(section) ? current : new Uint8Array(current);
    copy.set(bytes, offset);
    this.#data.set(section, copy);
  }

  /** Overwrites one 32-bit word, in the file's byte order. */
  patchWord(section: SectionHandle, offset: number, word: number): void {
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, word >>> 0, this.file.littleEndian);
    this.patch(section, offset, bytes);
  }

  /**
   * Gives a section other bytes, of any length.
   * @throws Error if its bytes were edited before: those edits would be lost.
   */
  replaceData(section: SectionHandle, bytes: Uint8Array): void {
    if (this.#data.has(section)) throw new Error(`section ${section} was edited before its bytes are replaced`);
    this.#data.set(section, bytes);
  }

  /**
   * Appends bytes behind a section's end, zero-filled up to `alignment`; returns their offset in it.
   * @throws ElfError if the section is SHT_NOBITS, or a table of the file itself, whatever its name.
   */
  append(section: SectionHandle, bytes: Uint8Array, alignment: number): number {
    const { sections } = this.file;
    const type = section < sections.count ? sections.type(section) : SHT_PROGBITS;
    if (type === SHT_NOBITS || TABLES.has(type)) {
      const what = type === SHT_NOBITS ? "is SHT_NOBITS: it has no bytes" : "is a table of the file, not content";
      throw new ElfError("edit", sections.headerOffset(section), `section ${section} ${what} to append to`);
    }
    const current = this.data(section);
    const offset = alignUp(current.length, alignment);
    const end = offset + bytes.length;
    // Room to grow is doubled, so that many small appends stay linear.
    const room = this.#data.has(section) ? current.buffer.byteLength - current.byteOffset : 0;
    let grown = new Uint8Array(current.buffer, current.byteOffset, Math.min(room, end));
    if (end > room) {
      grown = new Uint8Array(Math.max(end, current.length * 2)).subarray(0, end);
      grown.set(current);
    }
    grown.set(bytes, offset);
    this.#data.set(section, grown);
    return offset;
  }

  // Sections

  addSection(fields: SectionFields): SectionHandle {
    this.#addedSections.push(fields);
    return this.file.sections.count + this.#addedSections.length - 1;
  }

  /**
   * Removes a section. What refers to it (symbols defined in it, relocation sections for it) must be
   * removed as well, or the writer throws; groups lose the member by themselves.
   */
  removeSection(section: SectionHandle): void {
    if (section <= 0 || section >= this.file.sections.count) {
      throw new Error(`section ${section} is not one of the file's`);
    }
    this.#removedSections.add(section);
  }

  // Symbols, of the file's only SHT_SYMTAB

  /** @throws ElfError if the file has no symbol table, or several. */
  symbolTable(): SymbolTable {
    const table = this.file.symbols;
    if (table === null) {
      const several = this.file.symbolTables.size > 0;
      throw new ElfError("edit", 0, several ? "the file has several symbol tables" : "the file has no symbol table");
    }
    return table;
  }

  setSymbol(symbol: SymbolHandle, fields: Partial<SymbolFields>): void {
    if (symbol <= 0 || symbol >= this.symbolTable().count) throw new Error(`no symbol ${symbol} to edit`);
    this.symbols.set(symbol, fields);
  }

  addSymbol(fields: SymbolFields): SymbolHandle {
    this.symbolTable();
    return this.symbols.add(fields);
  }

  /** Removes a symbol; relocations against it must be removed as well, or the writer throws. */
  removeSymbol(symbol: SymbolHandle): void {
    if (symbol <= 0 || symbol >= this.symbolTable().count) throw new Error(`no symbol ${symbol} to remove`);
    this.#removedSymbols.add(symbol);
  }

  // Relocations

  #changes(section: SectionHandle): RelocationChanges {
    let changes = this.#relocations.get(section);
    if (changes === undefined) {
      changes = noChanges();
      this.#relocations.set(section, changes);
    }
    return changes;
  }

  /** Gives row `row` of a relocation table a new r_offset (bytes in its target section). */
  moveRelocation(table: RelocationTable, row: number, offset: number): void {
    this.#changes(table.section).moved.set(row, offset);
  }
  /** @throws Error if the table is SHT_REL, whose addends stand in the places themselves. */
  setAddend(table: RelocationTable, row: number, addend: bigint): void {
    if (!table.hasAddends) throw new Error(`section ${table.section} has no addends`);
    this.#changes(table.section).addends.set(row, addend);
  }
  removeRelocation(table: RelocationTable, row: number): void {
    this.#changes(table.section).removed.add(row);
  }
  /** Appends a relocation to an SHT_RELA section, original or added. */
  addRelocation(section: SectionHandle, relocation: RelocationFields): void {
    this.relocationsOf(section).push(relocation);
  }
  /** What is appended to an SHT_RELA section, original or added: for very many. Asked for only where something is. */
  relocationsOf(section: SectionHandle): AddedRelocations {
    const added = this.#addedSections[section - this.file.sections.count];
    const type = added !== undefined ? added.type : this.file.sections.type(section);
    if (type !== SHT_RELA) throw new Error(`section ${section} is not SHT_RELA`);
    return this.#changes(section).added;
  }
  /** The rows of a relocation table that are removed: for very many. Asked for only where one is. */
  removedRows(table: RelocationTable): NumberSet {
    return this.#changes(table.section).removed;
  }

  /** Row `row` with its edits; null if it is removed. */
  relocation(table: RelocationTable, row: number): RelocationFields | null {
    const changes = this.#relocations.get(table.section);
    if (changes?.removed.has(row)) return null;
    return {
      offset: changes?.moved.get(row) ?? table.offset(row),
      symbol: table.symbol(row),
      type: table.type(row),
      addend: changes?.addends.get(row) ?? table.addend(row),
    };
  }
}
