// kpatch's intermediate sections (kpatch-build/kpatch-intermediate.h), finished as create-klp-module does, without
// its limits: names of any length, sections told apart by index instead of by name, all offsets 64 bits wide.

import { viewOf } from "../../base/bytes.ts";
import { problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_INFO_LINK, SHT_PROGBITS, SHT_RELA } from "../../elf/consts.ts";
import { RELA } from "../../elf/views/layout.ts";
import type { Relocation, SectionHandle } from "../../elf/writer/edits.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { type Finish, type Pointer, Pointers } from "./intermediate.ts";
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
  const pointers = new Pointers(finish.file, relocations, finish.absolute);
  const readSymbol = symbolReader(finish, symbols);
  const data = sections.data(relocations);
  const view = viewOf(data);
  for (let at = 0; at + RELOCATION.size <= data.length; at += RELOCATION.size) {
    const field = (offset: number, what: string): Pointer | null =>
      pointers.at(at + offset) ?? finish.malformed(relocations, at + offset, `no pointer for ${what}`);
    const dest = field(RELOCATION.dest, "the place to relocate");
    const object = field(RELOCATION.object, "the object");
    const source = field(RELOCATION.symbol, "the symbol");
    if (dest === null || object === null || source === null) continue;
    const place = finish.resolve(dest);
    if (place === null) {
      finish.malformed(relocations, at + RELOCATION.dest, "the place to relocate is in no section of this file");
      continue;
    }
    const outside = finish.placeFault(place);
    if (outside !== null) {
      finish.malformed(relocations, at + RELOCATION.dest, outside);
      continue;
    }
    const objectName = finish.stringAt(object);
    if (objectName === null) {
      finish.malformed(relocations, at + RELOCATION.object, "the object's name is not a string of this file");
      continue;
    }
    if (!finish.checkObject(objectName, relocations, at + RELOCATION.object)) continue;
    const entry = finish.resolve(source);
    if (entry === null || entry.section !== symbols) {
      finish.malformed(relocations, at + RELOCATION.symbol, `the symbol is not in ${KPATCH_SYMBOLS}`);
      continue;
    }
    if (entry.offset % SYMBOL.size !== 0) {
      const what = `the symbol is at ${entry.offset} of ${KPATCH_SYMBOLS}, where no entry of ${SYMBOL.size} bytes begins`;
      finish.malformed(relocations, at + RELOCATION.symbol, what);
      continue;
    }
    const symbol = readSymbol(entry.offset);
    if (symbol === null) continue;
    finish.klpRelocation(place.section, objectName, {
      offset: place.offset,
      symbol,
      type: view.getUint32(at + RELOCATION.type, finish.file.littleEndian),
      addend: view.getBigInt64(at + RELOCATION.addend, finish.file.littleEndian),
    });
  }
  const arch = sections.findByName(ARCH_SECTION);
  // Since 5.8 the loader applies these sections itself, after the livepatch relocations of vmlinux.
  if (arch !== null && !hasFact(finish.version, "vmlinuxAtLoad")) makeArchSections(finish, arch);
  else if (arch !== null && finish.version === null && !keep) {
    const at = { file: path, section: ARCH_SECTION, offset: 0 };
    finish.problems.push(problem("KLP461", at, { entries: Math.floor(sections.data(arch).length / ARCH.size) }));
  }
  if (keep) return;
  for (const section of [relocations, symbols, arch]) if (section !== null) finish.drop(section);
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
    const text = (field: number, what: string): string | null => {
      const pointer = pointers.at(at + field);
      const value = pointer === null ? null : finish.stringAt(pointer);
      return value ?? finish.malformed(section, at + field, `no string for ${what}`);
    };
    const name = text(SYMBOL.name, "the symbol's name");
    const object = text(SYMBOL.object, "the symbol's object");
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

/** `.klp.arch.OBJECT.SECTION` from the sections that `.kpatch.arch` names; the originals go. */
function makeArchSections(finish: Finish, arch: SectionHandle): void {
  const { sections } = finish.file;
  const pointers = new Pointers(finish.file, arch, finish.absolute);
  const size = sections.data(arch).length;
  const made = new Map<string, { parts: Uint8Array[]; size: number; relocations: Relocation[] }>();
  const replaced: SectionHandle[] = [];
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
    const base = sections.name(place.section);
    const name = `.klp.arch.${objectName}.${base}`;
    let merged = made.get(name);
    if (merged === undefined) {
      merged = { parts: [], size: 0, relocations: [] };
      made.set(name, merged);
    }
    if (base === ".parainstructions") {
      const padding = (PARAVIRT_SITE_SIZE - (merged.size % PARAVIRT_SITE_SIZE)) % PARAVIRT_SITE_SIZE;
      merged.parts.push(new Uint8Array(padding));
      merged.size += padding;
    }
    for (const table of finish.file.relocations) {
      if (table.target !== place.section) continue;
      for (let row = 0; row < table.count; row++) {
        const relocation = finish.edits.relocation(table, row);
        if (relocation === null) continue;
        merged.relocations.push({ ...relocation, offset: relocation.offset + merged.size });
      }
    }
    merged.parts.push(sections.data(place.section));
    merged.size += sections.data(place.section).length;
    replaced.push(place.section);
  }
  for (const [name, { parts, relocations }] of made) {
    const section = finish.edits.addSection({
      name,
      type: SHT_PROGBITS,
      flags: BigInt(SHF_ALLOC),
      link: 0,
      info: 0,
      addralign: 8,
      entsize: 1,
      data: Buffer.concat(parts),
    });
    const table = finish.edits.addSection({
      name: `.rela${name}`,
      type: SHT_RELA,
      flags: BigInt(SHF_INFO_LINK),
      link: finish.symbols.section,
      info: section,
      addralign: 8,
      entsize: RELA.size,
      data: new Uint8Array(0),
    });
    for (const relocation of relocations) finish.edits.addRelocation(table, relocation);
  }
  for (const section of new Set(replaced)) finish.drop(section);
}
