// A linked ELF64 file, as far as a kernel's symbols and tables need it: vmlinux.

import { getUint64, hex, latin1, viewOf } from "../base/bytes.ts";
import { ELFCLASS64, ELFDATA2LSB, SHN_LORESERVE, SHN_XINDEX, SHT_STRTAB, SHT_SYMTAB } from "./consts.ts";
import { ElfError } from "./error.ts";
import { EHDR, SHDR, SYM } from "./views/layout.ts";
import { SectionTable } from "./views/sections.ts";
import { StringTable } from "./views/strings.ts";
import { SymbolTable } from "./views/symbols.ts";

export interface ElfExecutable {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly machine: number;
  readonly sections: SectionTable;
  /** SHT_SYMTAB; null if the file is stripped. */
  readonly symbols: SymbolTable | null;
}

/** e_type of an ELF file; null for other bytes. */
export function elfType(bytes: Uint8Array): number | null {
  if (bytes.length < EHDR.size || latin1(bytes, 0, 4) !== "\x7fELF") return null;
  return viewOf(bytes).getUint16(EHDR.type, bytes[5] === ELFDATA2LSB);
}

/** e_machine of an ELF file; null for other bytes. */
export function elfMachine(bytes: Uint8Array): number | null {
  return elfType(bytes) === null ? null : viewOf(bytes).getUint16(EHDR.machine, bytes[5] === ELFDATA2LSB);
}

/**
 * Reads the sections and the symbol table of a linked ELF64 file of either byte order. Sections that reach beyond the
 * file are an error; what they hold is not looked at.
 * @throws ElfError with the file offset of the field that is wrong.
 */
export function readExecutable(bytes: Uint8Array): ElfExecutable {
  const fail = (offset: number, what: string): ElfError => new ElfError("malformed", offset, what);
  if (bytes.length < EHDR.size || bytes[4] !== ELFCLASS64) throw fail(4, "no ELF64 file");
  const littleEndian = bytes[5] === ELFDATA2LSB;
  const view = viewOf(bytes);
  const start = getUint64(view, EHDR.shoff, littleEndian);
  const shentsize = view.getUint16(EHDR.shentsize, littleEndian);
  if (start === 0 || start + SHDR.size > bytes.length) throw fail(EHDR.shoff, "the file has no section headers");
  if (shentsize !== SHDR.size) throw fail(EHDR.shentsize, `e_shentsize is ${shentsize}, not ${SHDR.size}`);
  const stored = view.getUint16(EHDR.shnum, littleEndian);
  const count = stored === 0 ? getUint64(view, start + SHDR.sizeField, littleEndian) : stored;
  if (count === 0 || count * SHDR.size > bytes.length - start) {
    throw fail(EHDR.shnum, `${count} section headers at ${hex(start)} do not fit in the file`);
  }
  const sections = new SectionTable(bytes, view, start, count, littleEndian);
  for (let i = 1; i < count; i++) {
    if (!sections.hasBytes(i)) continue;
    if (sections.offset(i) + sections.size(i) > bytes.length) {
      throw fail(sections.headerOffset(i) + SHDR.offset, `section ${i} reaches beyond the file's end`);
    }
  }
  const shstrndx = view.getUint16(EHDR.shstrndx, littleEndian);
  const nameIndex = shstrndx === SHN_XINDEX ? view.getUint32(start + SHDR.link, littleEndian) : shstrndx;
  if (nameIndex >= count) throw fail(EHDR.shstrndx, `the section name table's index ${nameIndex} is too large`);
  if (nameIndex !== 0 && sections.type(nameIndex) === SHT_STRTAB) {
    sections.setNames(new StringTable(sections.data(nameIndex)));
  }
  let symbols: SymbolTable | null = null;
  for (let i = 1; i < count && symbols === null; i++) {
    if (sections.type(i) !== SHT_SYMTAB) continue;
    const link = sections.link(i);
    if (sections.entsize(i) !== SYM.size || link >= count || sections.type(link) !== SHT_STRTAB) {
      throw fail(sections.headerOffset(i), "the symbol table's header contradicts itself");
    }
    symbols = new SymbolTable(i, sections.data(i), new StringTable(sections.data(link)), null, littleEndian);
    for (let k = 1; k < symbols.count; k++) {
      const row = sections.offset(i) + k * SYM.size;
      const home = symbols.rawShndx(k);
      // The file has no SHT_SYMTAB_SHNDX that would be read: an index beyond the reserved ones has nowhere to stand.
      if (home === SHN_XINDEX || (home < SHN_LORESERVE && home >= count))
        throw fail(row + SYM.shndx, `symbol ${k} is in section ${home}, and the file has ${count}`);
    }
  }
  return { bytes, littleEndian, machine: view.getUint16(EHDR.machine, littleEndian), sections, symbols };
}
