// kpatch's intermediate sections (kpatch-build/kpatch-intermediate.h), finished as create-klp-module does, without
// its limits: names of any length, sections told apart by index instead of by name, all offsets 64 bits wide.

import { getUint64, viewOf } from "../../base/bytes.ts";
import { problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_INFO_LINK, SHT_PROGBITS, SHT_RELA } from "../../elf/consts.ts";
import { RELA } from "../../elf/views/layout.ts";
import type { SectionHandle } from "../../elf/writer/edits.ts";
import type { RelocationFields } from "../../elf/writer/relocationEdits.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import type { Finish } from "./intermediate.ts";
import { LEADS, PlaceCursor, Pointers } from "./pointers.ts";
import { KPATCH_RELOCATION_SIZE, KPATCH_RELOCATIONS, KPATCH_SYMBOLS } from "./producer.ts";

/** Field offsets of struct kpatch_symbol and struct kpatch_relocation (64-bit), bytes. */
const SYMBOL = { size: 40, position: 8, bind: 16, type: 17, name: 24, object: 32 } as const;
const RELOCATION = { size: KPATCH_RELOCATION_SIZE, dest: 0, type: 8, addend: 16, object: 24, symbol: 32 } as const;
/** struct kpatch_arch: kernels before 5.8 apply alternatives of patched modules from `.klp.arch` sections. */
const ARCH = { size: 16, section: 0, object: 8 } as const;
const ARCH_SECTION = ".kpatch.arch";
/** sizeof(struct paravirt_patch_site): the last entry of a section lacks its padding. */
const PARAVIRT_SITE_SIZE = 16;

export function finishKpatch(finish: Finish, keep: boolean, path: string): void {
  const { sections } = finish.file;
  const relocations = sections.findByName(KPATCH_RELOCATIONS);
  const symbols = sections.findByName(KPATCH_SYMBOLS);
  if (relocations === null || symbols === null) {
    finish.malformed(null, 0, `${relocations === null ? KPATCH_RELOCATIONS : KPATCH_SYMBOLS} is missing`);
    return;
  }
  for (const [section, size] of [
    [relocations, RELOCATION.size],
    [symbols, SYMBOL.size],
  ] as const) {
    const bytes = sections.data(section).length;
    if (bytes % size !== 0) finish.malformed(section, bytes - (bytes % size), `${bytes} bytes, no multiple of ${size}`);
  }
  new Entries(finish, relocations, symbols).finishAll();
  const arch = sections.findByName(ARCH_SECTION);
  // Since 5.8 the loader applies these sections itself, after the livepatch relocations of vmlinux.
  const hasArch = finish.hasKlpArch ?? !hasFact(finish.version, "vmlinuxAtLoad");
  if (arch !== null && hasArch) makeArchSections(finish, arch);
  else if (arch !== null && finish.version === null && finish.hasKlpArch === null && !keep) {
    const at = { file: path, section: ARCH_SECTION, offset: 0 };
    finish.problems.push(problem("KLP461", at, { entries: Math.floor(sections.data(arch).length / ARCH.size) }));
  }
  if (keep) return;
  for (const section of [relocations, symbols, arch]) if (section !== null) finish.drop(section);
}

/** Entries of `.kpatch.relocations`: each becomes a relocation of a livepatch section. */
class Entries {
  readonly #finish: Finish;
  readonly #section: SectionHandle;
  readonly #symbols: SectionHandle;
  readonly #pointers: Pointers;
  readonly #reader: SymbolReader;
  // Where the pointers of an entry lead.
  readonly #dest = new PlaceCursor();
  readonly #object = new PlaceCursor();
  readonly #source = new PlaceCursor();

  constructor(finish: Finish, section: SectionHandle, symbols: SectionHandle) {
    this.#finish = finish;
    this.#section = section;
    this.#symbols = symbols;
    this.#pointers = new Pointers(finish.file, section, finish.absolute);
    this.#reader = new SymbolReader(finish, symbols);
  }

  finishAll(): void {
    const { file } = this.#finish;
    const data = file.sections.data(this.#section);
    const view = viewOf(data);
    for (let at = 0; at + RELOCATION.size <= data.length; at += RELOCATION.size) this.#finishEntry(at, view);
  }

  #malformed(at: number, what: string): void {
    this.#finish.malformed(this.#section, at, what);
  }

  /** Where a pointer leads, {@link LEADS}. */
  #lead(at: number, what: string, place: PlaceCursor): number {
    const found = this.#pointers.lead(at, this.#finish.symbols, place);
    if (found === LEADS.missing) this.#malformed(at, `no pointer for ${what}`);
    return found;
  }

  #finishEntry(at: number, view: DataView): void {
    const finish = this.#finish;
    const place = this.#dest;
    const dest = this.#lead(at + RELOCATION.dest, "the place to relocate", place);
    const objectAt = this.#lead(at + RELOCATION.object, "the object", this.#object);
    const source = this.#lead(at + RELOCATION.symbol, "the symbol", this.#source);
    if (dest === LEADS.missing || objectAt === LEADS.missing || source === LEADS.missing) return;
    if (dest === LEADS.nowhere) {
      this.#malformed(at + RELOCATION.dest, "the place to relocate is in no section of this file");
      return;
    }
    const outside = finish.placeFault(place);
    if (outside !== null) {
      this.#malformed(at + RELOCATION.dest, outside);
      return;
    }
    const object = objectAt === LEADS.nowhere ? null : finish.objectAt(this.#object);
    if (object === null) {
      this.#malformed(at + RELOCATION.object, "the object's name is not a string of this file");
      return;
    }
    if (!finish.checkObject(object, this.#section, at + RELOCATION.object)) return;
    const symbol = this.#symbolOf(source === LEADS.place, at + RELOCATION.symbol);
    if (symbol < 0) return;
    const { littleEndian } = finish.file;
    const [low, high] = littleEndian ? [0, 4] : [4, 0];
    const type = view.getUint32(at + RELOCATION.type, littleEndian);
    const addendLow = view.getUint32(at + RELOCATION.addend + low, littleEndian);
    const addendHigh = view.getUint32(at + RELOCATION.addend + high, littleEndian);
    finish.router.place(place.section, object).add(place.offset, symbol, type, addendLow, addendHigh);
  }

  /** The livepatch symbol of an entry; -1 after a problem was reported. */
  #symbolOf(isPlace: boolean, at: number): number {
    const { section, offset } = this.#source;
    if (!isPlace || section !== this.#symbols) {
      this.#malformed(at, `the symbol is not in ${KPATCH_SYMBOLS}`);
      return -1;
    }
    if (offset % SYMBOL.size === 0) return this.#reader.symbol(offset);
    const what = `the symbol is at ${offset} of ${KPATCH_SYMBOLS}, where no entry of ${SYMBOL.size} bytes begins`;
    this.#malformed(at, what);
    return -1;
  }
}

/** Reads entries of `.kpatch.symbols` by their offset; each gives one livepatch symbol. */
class SymbolReader {
  readonly #finish: Finish;
  readonly #section: SectionHandle;
  readonly #pointers: Pointers;
  readonly #data: Uint8Array;
  readonly #view: DataView;
  /** By entry: the handle of its symbol, and 2; 1: it gives none; 0: not read yet. */
  readonly #known: Uint32Array;
  /** Offsets behind the section's end that were asked for. */
  readonly #beyond = new Set<number>();
  readonly #name = new PlaceCursor();
  readonly #object = new PlaceCursor();

  constructor(finish: Finish, section: SectionHandle) {
    this.#finish = finish;
    this.#section = section;
    this.#pointers = new Pointers(finish.file, section, finish.absolute);
    this.#data = finish.file.sections.data(section);
    this.#view = viewOf(this.#data);
    this.#known = new Uint32Array(Math.floor(this.#data.length / SYMBOL.size));
  }

  /** The symbol of the entry at an offset, a multiple of its size; -1 if it gives none, which is reported once. */
  symbol(offset: number): number {
    const entry = offset / SYMBOL.size;
    if (entry >= this.#known.length) {
      if (!this.#beyond.has(offset)) this.#malformed(offset, "the symbol lies behind the section's end");
      this.#beyond.add(offset);
      return -1;
    }
    const known = this.#known[entry] as number;
    if (known !== 0) return known - 2;
    const symbol = this.#read(offset);
    this.#known[entry] = symbol + 2;
    return symbol;
  }

  #malformed(at: number, what: string): number {
    this.#finish.malformed(this.#section, at, what);
    return -1;
  }

  #read(at: number): number {
    const finish = this.#finish;
    const isNamed = this.#pointers.lead(at + SYMBOL.name, finish.symbols, this.#name) === LEADS.place;
    const length = isNamed ? finish.stringLength(this.#name) : -1;
    if (length < 0) this.#malformed(at + SYMBOL.name, "no string for the symbol's name");
    const hasObject = this.#pointers.lead(at + SYMBOL.object, finish.symbols, this.#object) === LEADS.place;
    const object = hasObject ? finish.objectAt(this.#object) : null;
    if (object === null) this.#malformed(at + SYMBOL.object, "no string for the symbol's object");
    if (length < 0 || object === null || !finish.checkObject(object, this.#section, at + SYMBOL.object)) return -1;
    const position = getUint64(this.#view, at + SYMBOL.position, finish.file.littleEndian);
    if (position > Number.MAX_SAFE_INTEGER) {
      const exact = this.#view.getBigUint64(at + SYMBOL.position, finish.file.littleEndian);
      return this.#malformed(at + SYMBOL.position, `position ${exact} is none that a symbol can have`);
    }
    const bind = this.#data[at + SYMBOL.bind] as number;
    const type = this.#data[at + SYMBOL.type] as number;
    if (bind > 15 || type > 15)
      return this.#malformed(at + SYMBOL.bind, `binding ${bind} and type ${type} are not ELF values`);
    return finish.klpSymbol(object, position, this.#name, length, (bind << 4) | type);
  }
}

/** A section `.klp.arch.OBJECT.SECTION` that is put together. */
interface ArchSection {
  readonly parts: Uint8Array[];
  size: number;
  readonly relocations: RelocationFields[];
}

/** `.klp.arch.OBJECT.SECTION` from the sections that `.kpatch.arch` names; the originals go. */
function makeArchSections(finish: Finish, arch: SectionHandle): void {
  const { sections } = finish.file;
  const pointers = new Pointers(finish.file, arch, finish.absolute);
  const size = sections.data(arch).length;
  const made = new Map<string, ArchSection>();
  const replaced = new Set<SectionHandle>();
  const [place, object] = [new PlaceCursor(), new PlaceCursor()];
  for (let at = 0; at + ARCH.size <= size; at += ARCH.size) {
    const hasPlace = pointers.lead(at + ARCH.section, finish.symbols, place) === LEADS.place;
    const hasObject = pointers.lead(at + ARCH.object, finish.symbols, object) === LEADS.place;
    const objectName = hasObject ? finish.stringAt(object) : null;
    if (!hasPlace || objectName === null) {
      finish.malformed(arch, at, "the section or the object is missing");
      continue;
    }
    if (place.offset !== 0) {
      const what = `a section is named by its place ${place.offset}, where it does not begin`;
      finish.malformed(arch, at + ARCH.section, what);
      continue;
    }
    if (!finish.checkObject(objectName, arch, at + ARCH.object)) continue;
    const name = `.klp.arch.${objectName}.${sections.name(place.section)}`;
    const merged = made.get(name) ?? { parts: [], size: 0, relocations: [] };
    made.set(name, merged);
    addPart(finish, merged, place.section);
    replaced.add(place.section);
  }
  for (const [name, merged] of made) addArchSection(finish, name, merged);
  for (const section of replaced) finish.drop(section);
}

/** Puts a section's bytes and relocations behind those of others. */
function addPart(finish: Finish, merged: ArchSection, section: SectionHandle): void {
  const { sections, relocations } = finish.file;
  if (sections.name(section) === ".parainstructions") {
    const padding = (PARAVIRT_SITE_SIZE - (merged.size % PARAVIRT_SITE_SIZE)) % PARAVIRT_SITE_SIZE;
    merged.parts.push(new Uint8Array(padding));
    merged.size += padding;
  }
  for (const table of relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const relocation = finish.edits.relocation(table, row);
      if (relocation === null) continue;
      merged.relocations.push({ ...relocation, offset: relocation.offset + merged.size });
    }
  }
  merged.parts.push(sections.data(section));
  merged.size += sections.data(section).length;
}

function addArchSection({ edits, symbols }: Finish, name: string, { parts, relocations }: ArchSection): void {
  const section = edits.addSection({
    ...{ name, type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), link: 0, info: 0, addralign: 8, entsize: 1 },
    data: Buffer.concat(parts),
  });
  const table = edits.addSection({
    ...{ name: `.rela${name}`, type: SHT_RELA, flags: BigInt(SHF_INFO_LINK), link: symbols.section, info: section },
    ...{ addralign: 8, entsize: RELA.size, data: new Uint8Array(0) },
  });
  for (const relocation of relocations) edits.addRelocation(table, relocation);
}
