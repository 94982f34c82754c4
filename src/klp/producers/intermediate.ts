// What all producers' formats come down to: livepatch symbols, and relocations against them that wait for an object.

import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_INFO_LINK, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_REL, SHT_RELA } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { StringTable } from "../../elf/views/strings.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits, RelocationFields, SectionHandle, SymbolHandle } from "../../elf/writer/edits.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { formatKlpSymbol, type KlpSymbolName } from "../symbols/names.ts";
import { RelocationRouter } from "../symbols/router.ts";
import { isIntermediate, type Producer } from "./producer.ts";

/** The value of a pointer field: a place in a section, or an undefined symbol. */
export interface Pointer {
  readonly symbol: SymbolHandle;
  readonly addend: bigint;
  readonly type: number;
}

/** The relocations of one section by offset: pointer fields hold 0, their value stands in the relocation. */
export class Pointers {
  readonly #tables: RelocationTable[] = [];
  /** Of each eight bytes of the section: the last row of their beginning, and 1, counted through all tables; 0: none. */
  readonly #aligned: Uint32Array;
  /** The last rows of other places, counted in the same way. */
  readonly #others = new Map<number, number>();
  readonly #absolute: number;

  /** @param absolute the architecture's 64-bit absolute relocation type. */
  constructor(file: ElfFile, section: number, absolute: number) {
    this.#absolute = absolute;
    this.#aligned = new Uint32Array(Math.ceil(file.sections.data(section).length / 8));
    let before = 1;
    for (const table of file.relocations) {
      if (table.target !== section || file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
      for (let row = 0; row < table.count; row++) {
        const offset = table.offset(row);
        if (offset % 8 === 0 && offset / 8 < this.#aligned.length) this.#aligned[offset / 8] = before + row;
        else this.#others.set(offset, before + row);
      }
      this.#tables.push(table);
      before += table.count;
    }
  }

  /** The pointer at `offset`; null if there is none, or a relocation of another kind. */
  at(offset: number): Pointer | null {
    const isAligned = offset % 8 === 0 && offset / 8 < this.#aligned.length;
    let row = ((isAligned ? this.#aligned[offset / 8] : this.#others.get(offset)) ?? 0) - 1;
    if (row < 0) return null;
    for (const table of this.#tables) {
      if (row >= table.count) {
        row -= table.count;
        continue;
      }
      const type = table.type(row);
      return type === this.#absolute ? { symbol: table.symbol(row), addend: table.addend(row), type } : null;
    }
    return null;
  }
}

/** The value of a pointer's symbol and its addend; null if no offset in a file is so large. */
function placeOffset(symbols: SymbolTable, { symbol, addend }: Pointer): number | null {
  const [value, more] = [symbols.offset(symbol), Number(addend)];
  // Exact, as nearly all are.
  const sum = value <= LARGE && Math.abs(more) <= LARGE ? value + more : null;
  if (sum !== null) return sum < 0 ? null : sum;
  const exact = symbols.value(symbol) + addend;
  return exact < 0n || exact > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(exact);
}

/** Two numbers up to here have a sum that is exact. */
const LARGE = 2 ** 52 - 1;

/** An offset in a section of the file. */
export interface FilePlace {
  readonly section: SectionHandle;
  readonly offset: number;
}

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
  readonly #made = new Map<string, SymbolHandle>();
  /** By section: its bytes, as strings are read from them. */
  readonly #strings = new Map<SectionHandle, StringTable>();
  /** The place that an object's name was read from last: most entries name the same. */
  #object: (FilePlace & { readonly name: string | null }) | null = null;
  readonly #dropped = new Set<SectionHandle>();
  readonly #goodObjects = new Set<string>();
  #known = false;

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
  }

  /** The producer's own data contradict the format. */
  malformed(section: SectionHandle | null, offset: number, what: string): null {
    const at = { file: this.#path, ...(section === null ? {} : { section: this.file.sections.name(section), offset }) };
    this.problems.push(problem("KLP422", at, { producer: this.producer, what }));
    return null;
  }

  /** As {@link malformed} with what is wrong with an object's name; true if nothing is. */
  checkObject(name: string, section: SectionHandle | null, offset: number): boolean {
    if (this.#goodObjects.has(name)) return true;
    const fault = objectFault(name);
    if (fault === null) this.#goodObjects.add(name);
    else this.malformed(section, offset, fault);
    return fault === null;
  }

  /** A place in a section of this file that a pointer names; null if it names none. */
  resolve(pointer: Pointer): FilePlace | null {
    const section = this.symbols.sectionOf(pointer.symbol);
    if (section === null) return null;
    const offset = placeOffset(this.symbols, pointer);
    return offset === null ? null : { section, offset };
  }

  /** What is wrong with a place to relocate: it lies behind its section's end. Null: nothing. */
  placeFault({ section, offset }: FilePlace): string | null {
    const size = this.file.sections.size(section);
    if (offset < size) return null;
    return `the place to relocate is at ${offset} of ${this.file.sections.name(section)}, which has ${size} bytes`;
  }

  /** The NUL-terminated string that a pointer names; null if there is none. */
  stringAt(pointer: Pointer): string | null {
    const place = this.resolve(pointer);
    return place === null ? null : this.#stringIn(place);
  }

  /** As {@link stringAt}, of an object's name. */
  objectAt(pointer: Pointer): string | null {
    const place = this.resolve(pointer);
    if (place === null) return null;
    const last = this.#object;
    if (last?.section === place.section && last.offset === place.offset) return last.name;
    const name = this.#stringIn(place);
    this.#object = { ...place, name };
    return name;
  }

  #stringIn(place: FilePlace): string | null {
    let strings = this.#strings.get(place.section);
    if (strings === undefined) {
      strings = new StringTable(this.file.sections.data(place.section));
      this.#strings.set(place.section, strings);
    }
    // A string that nothing ends goes on to the table's end.
    return place.offset + strings.lengthAt(place.offset) >= strings.size ? null : strings.at(place.offset);
  }

  /** The livepatch symbol of that name, made if the file has none. @param info st_info of a new one. */
  klpSymbol(name: KlpSymbolName, info: number): SymbolHandle {
    if (!this.#known) {
      this.#known = true;
      for (let i = 1; i < this.symbols.count; i++) {
        if (this.symbols.rawShndx(i) !== SHN_LIVEPATCH) continue;
        const existing = this.symbols.name(i);
        if (!this.#made.has(existing)) this.#made.set(existing, i);
      }
    }
    const text = formatKlpSymbol(name);
    const known = this.#made.get(text);
    if (known !== undefined) return known;
    const home = { kind: "reserved", index: SHN_LIVEPATCH } as const;
    const made = this.edits.addSymbol({ name: text, info, other: 0, home, value: 0n, size: 0 });
    this.#made.set(text, made);
    this.symbolCount++;
    return made;
  }

  /** Turns a symbol of the file into a livepatch symbol: same index, another name. */
  renameToKlp(symbol: SymbolHandle, name: KlpSymbolName): void {
    this.edits.setSymbol(symbol, {
      name: formatKlpSymbol(name),
      home: { kind: "reserved", index: SHN_LIVEPATCH },
      other: 0,
      value: 0n,
    });
    this.symbolCount++;
  }

  /** @param object whose loading the relocation waits for. */
  klpRelocation(target: SectionHandle, object: string, relocation: RelocationFields): void {
    this.router.add(target, object, relocation);
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
    const gone = new Set<SymbolHandle>();
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
    moveRelocations(this.edits, this.symbols, objects, this.router);
  }
}

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
 * @param objects symbol -> object that its relocations wait for.
 */
export function moveRelocations(
  edits: ElfEdits,
  symbols: SymbolTable,
  objects: ReadonlyMap<SymbolHandle, string>,
  router: RelocationRouter,
): void {
  const { file } = edits;
  const { sections } = file;
  let referred: ReadonlySet<number> | null = null;
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    if (sections.link(table.section) !== symbols.section || sections.type(table.section) !== SHT_RELA) continue;
    if (isIntermediate(sections.name(table.target))) continue;
    let left = 0;
    for (let row = 0; row < table.count; row++) {
      const relocation = edits.relocation(table, row);
      if (relocation === null) continue;
      const object = objects.get(relocation.symbol);
      if (object === undefined) {
        left++;
        continue;
      }
      edits.removeRelocation(table, row);
      router.add(table.target, object, relocation);
    }
    const added = edits.relocationEdits.get(table.section)?.added.length ?? 0;
    if (table.count === 0 || left + added > 0) continue;
    referred ??= referredSections(file);
    if (!referred.has(table.section)) edits.removeSection(table.section);
  }
}

/** Sections that a symbol is defined in, or that another section names: they cannot vanish, only become empty. */
export function referredSections({ sections, symbolTables }: ElfFile): ReadonlySet<number> {
  const referred = new Set<number>();
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
