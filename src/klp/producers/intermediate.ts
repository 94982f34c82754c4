// What all producers' formats come down to: livepatch symbols, and relocations against them that wait for an object.

import { NumberSet } from "../../base/numberSet.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_INFO_LINK, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_REL, SHT_RELA } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { StringTable } from "../../elf/views/strings.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits, SectionHandle, SymbolHandle } from "../../elf/writer/edits.ts";
import { longer } from "../../elf/writer/namePool.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { formatKlpSymbol, type KlpSymbolName } from "../symbols/names.ts";
import { KlpNames } from "../symbols/pooledNames.ts";
import { RelocationRouter } from "../symbols/router.ts";
import type { FilePlace } from "./pointers.ts";
import { isIntermediate, type Producer } from "./producer.ts";

/** What finishing a file needs, and what it has done. Nothing is changed but the edits. */
export class Finish {
  readonly file: ElfFile;
  readonly edits: ElfEdits;
  readonly symbols: SymbolTable;
  readonly router: RelocationRouter;
  readonly producer: Producer;
  /** The architecture's 64-bit absolute relocation type. */
  readonly absolute: number;
  readonly version: KernelVersion | null;
  /** The kernel that the module is for; null if nothing was given. */
  readonly kernel: Kernel | null;
  /** Whether tables of patched modules go to `.klp.arch` sections; null: the version decides. */
  readonly hasKlpArch: boolean | null;
  readonly problems: Problem[] = [];
  /** Livepatch symbols made. */
  symbolCount = 0;
  readonly #path: string;
  /** By number of a livepatch symbol's name: its handle, and 1; null: those of the file are not among them yet. */
  #made: Uint32Array | null = null;
  readonly #names: KlpNames;
  /** By section: its bytes, as strings are read from them. */
  readonly #strings = new Map<SectionHandle, StringTable>();
  /** The place that an object's name was read from last: most entries name the same. */
  #object: (FilePlace & { readonly name: string | null }) | null = null;
  /** The section that was measured last, and its size: most places lie in the same. */
  #measured = -1;
  #size = 0;
  readonly #dropped = new Set<SectionHandle>();
  readonly #goodObjects = new Set<string>();
  #lastGoodObject: string | null = null;

  constructor(
    edits: ElfEdits,
    producer: Producer,
    where: {
      readonly path: string;
      readonly absolute: number;
      readonly version: KernelVersion | null;
      readonly kernel: Kernel | null;
      readonly hasKlpArch?: boolean | null;
    },
  ) {
    this.edits = edits;
    this.file = edits.file;
    this.symbols = edits.symbolTable();
    this.router = new RelocationRouter(edits);
    this.producer = producer;
    this.absolute = where.absolute;
    this.version = where.version;
    this.kernel = where.kernel;
    this.hasKlpArch = where.hasKlpArch ?? null;
    this.#path = where.path;
    this.#names = new KlpNames(edits.names);
  }

  /** The producer's own data contradict the format. */
  malformed(section: SectionHandle | null, offset: number, what: string): null {
    const at = { file: this.#path, ...(section === null ? {} : { section: this.file.sections.name(section), offset }) };
    this.problems.push(problem("KLP422", at, { producer: this.producer, what }));
    return null;
  }

  /** As {@link malformed} with what is wrong with an object's name; true if nothing is. */
  checkObject(name: string, section: SectionHandle | null, offset: number): boolean {
    if (name === this.#lastGoodObject) return true;
    const fault = this.#goodObjects.has(name) ? null : objectFault(name);
    if (fault !== null) {
      this.malformed(section, offset, fault);
      return false;
    }
    this.#goodObjects.add(name);
    this.#lastGoodObject = name;
    return true;
  }

  /** What is wrong with a place to relocate: it lies behind its section's end. Null: nothing. */
  placeFault({ section, offset }: FilePlace): string | null {
    if (section !== this.#measured) {
      this.#measured = section;
      this.#size = this.file.sections.size(section);
    }
    const size = this.#size;
    if (offset < size) return null;
    return `the place to relocate is at ${offset} of ${this.file.sections.name(section)}, which has ${size} bytes`;
  }

  /** The NUL-terminated string at a place; null if there is none. */
  stringAt(place: FilePlace): string | null {
    const strings = this.#stringsIn(place.section);
    return isEnded(strings, place.offset, strings.lengthAt(place.offset)) ? strings.at(place.offset) : null;
  }

  /** As {@link stringAt}, of an object's name. */
  objectAt(place: FilePlace): string | null {
    const last = this.#object;
    if (last?.section === place.section && last.offset === place.offset) return last.name;
    const name = this.stringAt(place);
    this.#object = { section: place.section, offset: place.offset, name };
    return name;
  }

  /** Length of the NUL-terminated string at a place, bytes; -1 if there is none. */
  stringLength(place: FilePlace): number {
    const strings = this.#stringsIn(place.section);
    const length = strings.lengthAt(place.offset);
    return isEnded(strings, place.offset, length) ? length : -1;
  }

  #stringsIn(section: SectionHandle): StringTable {
    let strings = this.#strings.get(section);
    if (strings === undefined) {
      strings = new StringTable(this.file.sections.data(section));
      this.#strings.set(section, strings);
    }
    return strings;
  }

  /**
   * The livepatch symbol of that name, made if the file has none.
   * @param name where its own name stands @param length of that, bytes @param info st_info of a new one
   */
  klpSymbol(object: string, position: number, name: FilePlace, length: number, info: number): SymbolHandle {
    this.#made ??= this.#livepatchSymbols();
    const { bytes } = this.#stringsIn(name.section);
    const id = this.#names.of(object, position, bytes, name.offset, name.offset + length);
    if (id >= this.#made.length) this.#made = longer(this.#made);
    const known = this.#made[id] as number;
    if (known !== 0) return known - 1;
    const made = this.edits.symbols.addReserved(id, info, SHN_LIVEPATCH);
    this.#made[id] = made + 1;
    this.symbolCount++;
    return made;
  }

  /** Those that the file has: of several of one name, the first. */
  #livepatchSymbols(): Uint32Array {
    const { names } = this.edits;
    let made = new Uint32Array(Math.max(64, names.count * 2));
    for (let i = 1; i < this.symbols.count; i++) {
      if (this.symbols.rawShndx(i) !== SHN_LIVEPATCH) continue;
      const id = names.add(this.symbols.name(i));
      if (id >= made.length) made = longer(made);
      if (made[id] === 0) made[id] = i + 1;
    }
    return made;
  }

  /** Turns a symbol of the file into a livepatch symbol: same index, another name. */
  renameToKlp(symbol: SymbolHandle, name: KlpSymbolName): void {
    const { symbols, names } = this.edits;
    symbols.setReserved(symbol, SHN_LIVEPATCH);
    symbols.setName(symbol, names.add(formatKlpSymbol(name)));
    this.symbolCount++;
  }

  /** Marks a section to be dropped by {@link dropMarked}, with its relocations and symbols. */
  drop(section: SectionHandle): void {
    this.#dropped.add(section);
  }
  isDropped(section: SectionHandle): boolean {
    return this.#dropped.has(section);
  }

  /** Drops what was marked. Something that still refers to it is reported, and nothing is dropped. */
  dropMarked(): void {
    if (this.#dropped.size === 0) return;
    const { sections } = this.file;
    const gone = new NumberSet(this.symbols.count);
    for (let i = 1; i < this.symbols.count; i++) {
      const home = this.symbols.sectionOf(i);
      if (home !== null && this.#dropped.has(home)) gone.add(i);
    }
    let inTheWay = false;
    for (const table of this.file.relocations) {
      if (this.#dropped.has(table.target)) continue;
      if (sections.link(table.section) !== this.symbols.section) continue;
      for (let row = 0; row < table.count; row++) {
        if (!gone.has(table.symbol(row))) continue;
        // Debug information is not loaded; what it says of a dropped section goes with the section.
        if (!sections.hasFlags(table.target, SHF_ALLOC)) {
          this.edits.removeRelocation(table, row);
          continue;
        }
        const name = sections.name(this.symbols.sectionOf(table.symbol(row)) ?? 0);
        this.malformed(table.target, table.offset(row), `${name} is used from here, so it cannot be dropped`);
        inTheWay = true;
      }
    }
    const tables = new Set(this.file.relocations.filter((t) => this.#dropped.has(t.target)).map((t) => t.section));
    for (let i = 1; i < sections.count; i++) {
      if (this.#dropped.has(i) || tables.has(i)) continue;
      const named = [sections.link(i), sections.hasFlags(i, SHF_INFO_LINK) ? sections.info(i) : 0];
      const other = named.find((s) => this.#dropped.has(s) || tables.has(s));
      if (other === undefined) continue;
      this.malformed(i, 0, `its header names ${sections.name(other)}, which so cannot be dropped`);
      inTheWay = true;
    }
    // A symbol defined in a relocation section would lose its home.
    for (let i = 1; i < this.symbols.count; i++) {
      const home = this.symbols.sectionOf(i);
      if (home === null || !tables.has(home) || this.#dropped.has(home)) continue;
      this.malformed(home, 0, `symbol ${this.symbols.name(i)} is defined here, so it cannot be dropped`);
      inTheWay = true;
    }
    if (inTheWay) return;
    for (const symbol of gone) this.edits.removeSymbol(symbol);
    for (const table of this.file.relocations) {
      if (this.#dropped.has(table.target) && !this.#dropped.has(table.section)) this.edits.removeSection(table.section);
    }
    for (const section of this.#dropped) this.edits.removeSection(section);
  }

  /**
   * Moves the ordinary relocations against some symbols into livepatch sections.
   * @param objects symbol -> object that its relocations wait for.
   */
  moveRelocations(objects: ReadonlyMap<SymbolHandle, string>): void {
    moveRelocations(this.edits, this.symbols, (symbol) => objects.get(symbol), this.router);
  }
}

/** A string that nothing ends goes on to the table's end. */
const isEnded = (strings: StringTable, start: number, length: number): boolean => start + length < strings.size;

/** What the kernel would not read as meant in an object's name (klp_resolve_symbols reads `%55[^.]`); null: nothing. */
function objectFault(name: string): string | null {
  if (name === "") return "an object has no name";
  if (/\.ko$/.test(name)) return `object ${name}: a livepatch names a module without its ending, ${name.slice(0, -3)}`;
  if (name.includes(".")) return `object ${name}: the kernel reads an object's name up to the first dot`;
  return name.length > 55 ? `object ${name}: the kernel reads 55 bytes of an object's name` : null;
}

/**
 * Moves the ordinary relocations of loaded sections against some symbols into livepatch sections; relocation
 * sections left empty are removed. Sections that are not loaded (debug information) are not relocated by the kernel
 * at all: their relocations stay.
 * @param objectOf the object that a symbol's relocations wait for; undefined: they stay
 */
export function moveRelocations(
  edits: ElfEdits,
  symbols: SymbolTable,
  objectOf: (symbol: SymbolHandle) => string | undefined,
  router: RelocationRouter,
): void {
  const { file } = edits;
  const { sections } = file;
  let referred: Pick<NumberSet, "has"> | null = null;
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    if (sections.link(table.section) !== symbols.section || sections.type(table.section) !== SHT_RELA) continue;
    if (isIntermediate(sections.name(table.target))) continue;
    const left = moveRows(edits, table, objectOf, router);
    const added = edits.relocationEdits.get(table.section)?.added.length ?? 0;
    if (table.count === 0 || left + added > 0) continue;
    referred ??= referredSections(file);
    if (!referred.has(table.section)) edits.removeSection(table.section);
  }
}

/** Returns how many of a table's rows stay. */
function moveRows(
  edits: ElfEdits,
  table: RelocationTable,
  objectOf: (symbol: SymbolHandle) => string | undefined,
  router: RelocationRouter,
): number {
  const before = edits.relocationEdits.get(table.section);
  let removed: NumberSet | null = before?.removed ?? null;
  let left = 0;
  for (let row = 0; row < table.count; row++) {
    if (before?.removed.has(row) === true) continue;
    const symbol = table.symbol(row);
    const object = objectOf(symbol);
    if (object === undefined) {
      left++;
      continue;
    }
    const moved = before === undefined ? null : edits.relocation(table, row);
    const place = router.place(table.target, object);
    if (moved !== null) place.push(moved);
    else place.add(table.offset(row), symbol, table.type(row), table.addendLow(row), table.addendHigh(row));
    removed ??= edits.removedRows(table);
    removed.add(row);
  }
  return left;
}

/** Sections that a symbol is defined in, or that another section names: they cannot vanish, only become empty. */
export function referredSections({ sections, symbolTables }: ElfFile): Pick<NumberSet, "has"> {
  const referred = new NumberSet(sections.count);
  for (const table of symbolTables.values()) {
    for (let i = 0; i < table.count; i++) {
      const section = table.sectionOf(i);
      if (section !== null) referred.add(section);
    }
  }
  for (let i = 1; i < sections.count; i++) {
    referred.add(sections.link(i));
    const type = sections.type(i);
    if (type === SHT_RELA || type === SHT_REL || sections.hasFlags(i, SHF_INFO_LINK)) referred.add(sections.info(i));
  }
  return referred;
}
