// kpatch's intermediate sections (kpatch-build/kpatch-intermediate.h), finished as create-klp-module does, without
// its limits: names of any length, sections told apart by index instead of by name, all offsets 64 bits wide.

import { viewOf } from "../../base/bytes.ts";
import { problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_INFO_LINK, SHT_PROGBITS, SHT_RELA } from "../../elf/consts.ts";
import { RELA } from "../../elf/views/layout.ts";
import type { RelocationFields, SectionHandle } from "../../elf/writer/edits.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { type FilePlace, type Finish, type Pointer, Pointers } from "./intermediate.ts";
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
  readonly #readSymbol: (offset: number) => number | null;

  constructor(finish: Finish, section: SectionHandle, symbols: SectionHandle) {
    this.#finish = finish;
    this.#section = section;
    this.#symbols = symbols;
    this.#pointers = new Pointers(finish.file, section, finish.absolute);
    this.#readSymbol = symbolReader(finish, symbols);
  }

  finishAll(): void {
    const { file } = this.#finish;
    const data = file.sections.data(this.#section);
    const view = viewOf(data);
    for (let at = 0; at + RELOCATION.size <= data.length; at += RELOCATION.size) {
      const entry = this.#read(at);
      if (entry === null) continue;
      this.#finish.klpRelocation(entry.place.section, entry.object, {
        offset: entry.place.offset,
        symbol: entry.symbol,
        type: view.getUint32(at + RELOCATION.type, file.littleEndian),
        addend: view.getBigInt64(at + RELOCATION.addend, file.littleEndian),
      });
    }
  }

  #malformed(at: number, what: string): null {
    return this.#finish.malformed(this.#section, at, what);
  }

  #pointer(at: number, what: string): Pointer | null {
    return this.#pointers.at(at) ?? this.#malformed(at, `no pointer for ${what}`);
  }

  /** What the pointers of an entry lead to; null after a problem was reported. */
  #read(at: number): { readonly place: FilePlace; readonly object: string; readonly symbol: number } | null {
    const finish = this.#finish;
    const dest = this.#pointer(at + RELOCATION.dest, "the place to relocate");
    const objectAt = this.#pointer(at + RELOCATION.object, "the object");
    const source = this.#pointer(at + RELOCATION.symbol, "the symbol");
    if (dest === null || objectAt === null || source === null) return null;
    const place = finish.resolve(dest);
    if (place === null)
      return this.#malformed(at + RELOCATION.dest, "the place to relocate is in no section of this file");
    const outside = finish.placeFault(place);
    if (outside !== null) return this.#malformed(at + RELOCATION.dest, outside);
    const object = finish.objectAt(objectAt);
    if (object === null)
      return this.#malformed(at + RELOCATION.object, "the object's name is not a string of this file");
    if (!finish.checkObject(object, this.#section, at + RELOCATION.object)) return null;
    const symbol = this.#symbolOf(source, at + RELOCATION.symbol);
    return symbol === null ? null : { place, object, symbol };
  }

  #symbolOf(source: Pointer, at: number): number | null {
    const entry = this.#finish.resolve(source);
    if (entry === null || entry.section !== this.#symbols)
      return this.#malformed(at, `the symbol is not in ${KPATCH_SYMBOLS}`);
    if (entry.offset % SYMBOL.size === 0) return this.#readSymbol(entry.offset);
    const what = `the symbol is at ${entry.offset} of ${KPATCH_SYMBOLS}, where no entry of ${SYMBOL.size} bytes begins`;
    return this.#malformed(at, what);
  }
}

/** Reads entries of `.kpatch.symbols` by their offset; each gives one livepatch symbol. */
function symbolReader(finish: Finish, section: SectionHandle): (offset: number) => number | null {
  const { sections } = finish.file;
  const pointers = new Pointers(finish.file, section, finish.absolute);
  const data = sections.data(section);
  const view = viewOf(data);
  const known = new Map<number, number | null>();
  const read = (at: number): number | null => {
    if (at + SYMBOL.size > data.length) {
      return finish.malformed(section, at, "the symbol lies behind the section's end");
    }
    const nameAt = pointers.at(at + SYMBOL.name);
    const name = nameAt === null ? null : finish.stringAt(nameAt);
    if (name === null) finish.malformed(section, at + SYMBOL.name, "no string for the symbol's name");
    const objectAt = pointers.at(at + SYMBOL.object);
    const object = objectAt === null ? null : finish.objectAt(objectAt);
    if (object === null) finish.malformed(section, at + SYMBOL.object, "no string for the symbol's object");
    if (name === null || object === null || !finish.checkObject(object, section, at + SYMBOL.object)) return null;
    const position = view.getBigUint64(at + SYMBOL.position, finish.file.littleEndian);
    if (position > BigInt(Number.MAX_SAFE_INTEGER)) {
      return finish.malformed(section, at + SYMBOL.position, `position ${position} is none that a symbol can have`);
    }
    const bind = view.getUint8(at + SYMBOL.bind);
    const type = view.getUint8(at + SYMBOL.type);
    if (bind > 15 || type > 15) {
      return finish.malformed(section, at + SYMBOL.bind, `binding ${bind} and type ${type} are not ELF values`);
    }
    return finish.klpSymbol({ object, name, position: Number(position) }, (bind << 4) | type);
  };
  return (offset) => {
    const found = known.get(offset);
    if (found !== undefined) return found;
    const symbol = read(offset);
    known.set(offset, symbol);
    return symbol;
  };
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
  for (let at = 0; at + ARCH.size <= size; at += ARCH.size) {
    const section = pointers.at(at + ARCH.section);
    const object = pointers.at(at + ARCH.object);
    const place = section === null ? null : finish.resolve(section);
    const objectName = object === null ? null : finish.stringAt(object);
    if (place === null || objectName === null) {
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
