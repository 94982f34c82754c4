import { getUint64, hex, latin1, viewOf } from "../base/bytes.ts";
import {
  EI_CLASS,
  EI_DATA,
  EI_VERSION,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  ET_REL,
  fileTypeNames,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_DYNSYM,
  SHT_GROUP,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
} from "./consts.ts";
import { ElfError } from "./error.ts";
import { EHDR, RELA, SHDR, SYM } from "./layout.ts";
import { recognise } from "./recognise.ts";
import { RelocationTable } from "./relas.ts";
import { SectionTable } from "./sections.ts";
import { findSignature, type ModuleSignature } from "./signature.ts";
import { StringTable } from "./strings.ts";
import { SymbolTable } from "./symbols.ts";

export interface ElfHeader {
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  /** e_shoff: file offset of the section headers in bytes; 0 if there are none. */
  readonly sectionHeaderOffset: number;
  /** Number of section headers, the null section included; from section 0 when e_shnum is 0. */
  readonly sectionCount: number;
  /** Section index of the section name table; from section 0 when e_shstrndx is SHN_XINDEX. */
  readonly sectionNameIndex: number;
}

/** An SHT_GROUP section (gABI chapter 4, "Section Groups"). */
export interface SectionGroup {
  readonly section: number;
  /** The flag word: bit 0 is GRP_COMDAT. */
  readonly flags: number;
  /** Index of the signature symbol in the symbol table `symbolTable` (a section index). */
  readonly signature: number;
  readonly symbolTable: number;
  /** Section indices. */
  readonly members: readonly number[];
}

/** A relocatable ELF64 file: views on the input bytes, which are never changed. */
export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly header: ElfHeader;
  readonly sections: SectionTable;
  /** Symbol tables by section index, in section order (SHT_SYMTAB and SHT_DYNSYM). */
  readonly symbolTables: ReadonlyMap<number, SymbolTable>;
  /** The only SHT_SYMTAB; null if the file has none, or several (see `symbolTables`). */
  readonly symbols: SymbolTable | null;
  /** SHT_RELA and SHT_REL sections in section order. */
  readonly relocations: readonly RelocationTable[];
  readonly groups: readonly SectionGroup[];
  /** The signature that the kernel's build appends to a module, if there is one; part of `bytes`. */
  readonly signature: ModuleSignature | null;
}

const malformed = (offset: number, what: string): ElfError => new ElfError("malformed", offset, what);

/**
 * Reads a relocatable ELF64 file of either byte order. All sections, symbol names, symbol indices and
 * section indices are checked against the file here, so that the views can be used without further care;
 * only r_offset and st_value are not, since the specification gives them no bound.
 * Time and memory are proportional to the file's size, whatever its fields say.
 * @throws ElfError with the file offset of the field or table that is wrong.
 */
export function readElf(bytes: Uint8Array): ElfFile {
  const littleEndian = checkIdentification(bytes);
  const view = viewOf(bytes);
  const signature = findSignature(bytes);
  const header = readHeader(view, littleEndian);
  const sections = new SectionTable(bytes, view, header.sectionHeaderOffset, header.sectionCount, littleEndian);
  checkSections(sections, bytes.length);
  checkOverlap(sections, header);
  const names =
    header.sectionNameIndex === SHN_UNDEF ? null : nameTable(sections, header.sectionNameIndex, "section name table");
  if (names !== null) sections.setNames(names);
  checkSectionNames(sections, names, bytes.length);
  const symbolTables = readSymbolTables(sections, littleEndian, bytes.length);
  const relocations = readRelocations(sections, symbolTables, littleEndian);
  const groups = readGroups(sections, symbolTables, littleEndian);
  const regular = [...symbolTables.values()].filter((t) => sections.type(t.section) === SHT_SYMTAB);
  return {
    bytes,
    littleEndian,
    header,
    sections,
    symbolTables,
    symbols: regular.length === 1 ? (regular[0] ?? null) : null,
    relocations,
    groups,
    signature,
  };
}

/** Returns whether the file is little-endian. */
function checkIdentification(bytes: Uint8Array): boolean {
  if (latin1(bytes, 0, 4) !== "\x7fELF") {
    throw new ElfError("not-elf", 0, `not an ELF file: ${recognise(bytes)}`);
  }
  if (bytes.length < 16) throw malformed(bytes.length, "the file ends inside the ELF identification");
  const fileClass = bytes[EI_CLASS];
  const data = bytes[EI_DATA];
  if (fileClass === ELFCLASS32) {
    throw new ElfError("unsupported", EI_CLASS, "an ELF32 file: only ELF64 can be a module that klplink handles");
  }
  if (fileClass !== ELFCLASS64) throw malformed(EI_CLASS, `EI_CLASS is ${fileClass}: neither ELF32 (1) nor ELF64 (2)`);
  if (data !== ELFDATA2LSB && data !== ELFDATA2MSB) {
    throw malformed(EI_DATA, `EI_DATA is ${data}: neither little-endian (1) nor big-endian (2)`);
  }
  if (bytes[EI_VERSION] !== 1) throw malformed(EI_VERSION, `EI_VERSION is ${bytes[EI_VERSION]}, not 1`);
  if (bytes.length < EHDR.size) throw malformed(bytes.length, "the file ends inside the ELF header");
  return data === ELFDATA2LSB;
}

function readHeader(view: DataView, littleEndian: boolean): ElfHeader {
  const u16 = (at: number): number => view.getUint16(at, littleEndian);
  const type = u16(EHDR.type);
  if (type !== ET_REL) {
    const name = fileTypeNames.get(type) ?? `a file of unknown type ${type}`;
    throw new ElfError("unsupported", EHDR.type, `${name}: only relocatable files (ET_REL: .o, .ko) can be linked`);
  }
  const version = view.getUint32(EHDR.version, littleEndian);
  if (version !== 1) throw malformed(EHDR.version, `e_version is ${version}, not 1`);
  const ehsize = u16(EHDR.ehsize);
  if (ehsize !== EHDR.size) throw malformed(EHDR.ehsize, `e_ehsize is ${ehsize}, not ${EHDR.size}`);
  const phnum = u16(EHDR.phnum);
  if (phnum !== 0) {
    throw new ElfError("unsupported", EHDR.phnum, `a relocatable file with ${phnum} program headers`);
  }
  const sectionHeaderOffset = getUint64(view, EHDR.shoff, littleEndian);
  const shnum = u16(EHDR.shnum);
  const shstrndx = u16(EHDR.shstrndx);
  if (sectionHeaderOffset === 0) {
    if (shnum !== 0) throw malformed(EHDR.shoff, `e_shoff is 0, but e_shnum is ${shnum}`);
    throw malformed(EHDR.shoff, "the file has no section headers");
  }
  const shentsize = u16(EHDR.shentsize);
  if (shentsize !== SHDR.size) throw malformed(EHDR.shentsize, `e_shentsize is ${shentsize}, not ${SHDR.size}`);
  if (sectionHeaderOffset < EHDR.size || sectionHeaderOffset + SHDR.size > view.byteLength) {
    throw malformed(
      EHDR.shoff,
      `e_shoff is ${hex(sectionHeaderOffset)}, but the file has ${hex(view.byteLength)} bytes`,
    );
  }
  // gABI, "Sections": from 0xff00 sections on, e_shnum is 0 and the count stands in section 0's sh_size;
  // likewise e_shstrndx is SHN_XINDEX and the index stands in section 0's sh_link.
  const sectionCount = shnum === 0 ? getUint64(view, sectionHeaderOffset + SHDR.sizeField, littleEndian) : shnum;
  const countField = shnum === 0 ? sectionHeaderOffset + SHDR.sizeField : EHDR.shnum;
  if (sectionCount === 0) throw malformed(countField, "the file has no section headers");
  if (shnum >= SHN_LORESERVE) {
    throw malformed(EHDR.shnum, `e_shnum is ${hex(shnum)}, a reserved section index`);
  }
  if (sectionCount * SHDR.size > view.byteLength - sectionHeaderOffset) {
    throw malformed(
      countField,
      `${sectionCount} section headers at ${hex(sectionHeaderOffset)} do not fit in a file of ${hex(view.byteLength)} bytes`,
    );
  }
  const sectionNameIndex =
    shstrndx === SHN_XINDEX ? view.getUint32(sectionHeaderOffset + SHDR.link, littleEndian) : shstrndx;
  const indexField = shstrndx === SHN_XINDEX ? sectionHeaderOffset + SHDR.link : EHDR.shstrndx;
  if (sectionNameIndex >= sectionCount) {
    throw malformed(
      indexField,
      `the section name table's index ${sectionNameIndex} is not below the section count ${sectionCount}`,
    );
  }
  return {
    type,
    machine: u16(EHDR.machine),
    flags: view.getUint32(EHDR.flags, littleEndian),
    sectionHeaderOffset,
    sectionCount,
    sectionNameIndex,
  };
}

function checkSections(sections: SectionTable, fileSize: number): void {
  if (sections.type(0) !== SHT_NULL) {
    throw malformed(sections.headerOffset(0) + SHDR.type, `section 0 has type ${sections.type(0)}, not SHT_NULL`);
  }
  for (let i = 1; i < sections.count; i++) {
    const at = sections.headerOffset(i);
    if (sections.type(i) === SHT_NULL) continue;
    const offset = sections.offset(i);
    const size = sections.size(i);
    if (sections.type(i) === SHT_NOBITS) {
      if (size > Number.MAX_SAFE_INTEGER) {
        throw malformed(at + SHDR.sizeField, `section ${i} (SHT_NOBITS) has ${hex(size)} bytes`);
      }
    } else if (offset > fileSize) {
      throw malformed(
        at + SHDR.offset,
        `section ${i} begins at ${hex(offset)}, past the file's end at ${hex(fileSize)}`,
      );
    } else if (size > fileSize - offset) {
      throw malformed(
        at + SHDR.sizeField,
        `section ${i} at ${hex(offset)} has ${hex(size)} bytes, but the file ends at ${hex(fileSize)}`,
      );
    }
    const align = sections.addralign(i);
    // Also keeps every alignment exact as a number; larger than any page, it could never be honoured.
    if (align > 0x4000_0000 || (align !== 0 && (align & (align - 1)) !== 0)) {
      throw malformed(
        at + SHDR.addralign,
        `section ${i} has alignment ${hex(align)}, no power of two up to 0x40000000`,
      );
    }
    if (sections.link(i) >= sections.count) {
      throw malformed(
        at + SHDR.link,
        `section ${i} has sh_link ${sections.link(i)}, but there are ${sections.count} sections`,
      );
    }
  }
}

/**
 * No two parts of the file may share bytes: such a file could not be written back after an edit, and
 * thousands of sections over one large table would make reading it quadratic.
 */
function checkOverlap(sections: SectionTable, header: ElfHeader): void {
  // Starts and ends of non-empty sections, by start; the section header table takes part as index -1.
  const parts: { start: number; end: number; index: number }[] = [
    { start: 0, end: EHDR.size, index: -2 },
    {
      start: header.sectionHeaderOffset,
      end: header.sectionHeaderOffset + header.sectionCount * SHDR.size,
      index: -1,
    },
  ];
  for (let i = 1; i < sections.count; i++) {
    const size = sections.size(i);
    if (!sections.hasBytes(i) || size === 0) continue;
    const start = sections.offset(i);
    parts.push({ start, end: start + size, index: i });
  }
  parts.sort((a, b) => a.start - b.start || a.index - b.index);
  const label = (index: number): string =>
    index === -2 ? "the ELF header" : index === -1 ? "the section header table" : `section ${index}`;
  for (let k = 1; k < parts.length; k++) {
    const before = parts[k - 1];
    const part = parts[k];
    if (before === undefined || part === undefined || part.start >= before.end) continue;
    throw malformed(part.start, `${label(before.index)} and ${label(part.index)} overlap`);
  }
}

function nameTable(sections: SectionTable, index: number, role: string): StringTable {
  const at = sections.headerOffset(index);
  if (sections.type(index) !== SHT_STRTAB) {
    throw malformed(at + SHDR.type, `section ${index}, the ${role}, has type ${sections.type(index)}, not SHT_STRTAB`);
  }
  const data = sections.data(index);
  if (data.length > 0 && data[data.length - 1] !== 0) {
    throw malformed(sections.offset(index) + data.length - 1, `the ${role} (section ${index}) does not end with NUL`);
  }
  return new StringTable(data);
}

/**
 * Names may share bytes, so that a small file can hold any number of long ones. No compiler comes near this limit:
 * it would take a name of 384 bytes, shared by all symbols of a file that is nothing but symbols.
 */
class NameBudget {
  readonly #fileSize: number;
  #used = 0;
  constructor(fileSize: number) {
    this.#fileSize = fileSize;
  }
  /** @throws ElfError at `field` if the names so far are too long together. */
  take(names: StringTable, start: number, field: number, what: string): void {
    this.#used += names.lengthAt(start);
    if (this.#used <= 16 * this.#fileSize + 0x10_0000) return;
    throw malformed(
      field,
      `the names up to ${what} add up to ${hex(this.#used)} bytes, in a file of ${hex(this.#fileSize)}`,
    );
  }
}

function checkSectionNames(sections: SectionTable, names: StringTable | null, fileSize: number): void {
  const size = names === null ? 0 : names.size;
  const budget = new NameBudget(fileSize);
  for (let i = 0; i < sections.count; i++) {
    const start = sections.nameOffset(i);
    if (names !== null && start < size) {
      budget.take(names, start, sections.headerOffset(i) + SHDR.name, `section ${i}`);
      continue;
    }
    // An absent table, and offset 0 in an empty one, mean "no name" (gABI, "String Table").
    if (start === 0) continue;
    throw malformed(
      sections.headerOffset(i) + SHDR.name,
      `section ${i} has its name at ${hex(start)}, but the section name table has ${hex(size)} bytes`,
    );
  }
}

/** The index of a table with fixed-size rows: checks sh_entsize and the size; returns the number of rows. */
function rowCount(sections: SectionTable, i: number, rowSize: number, what: string): number {
  const at = sections.headerOffset(i);
  if (sections.entsize(i) !== rowSize) {
    throw malformed(at + SHDR.entsize, `${what} (section ${i}) has sh_entsize ${sections.entsize(i)}, not ${rowSize}`);
  }
  if (sections.size(i) % rowSize !== 0) {
    throw malformed(
      at + SHDR.sizeField,
      `${what} (section ${i}) has ${hex(sections.size(i))} bytes, no multiple of ${rowSize}`,
    );
  }
  return sections.size(i) / rowSize;
}

function readSymbolTables(sections: SectionTable, littleEndian: boolean, fileSize: number): Map<number, SymbolTable> {
  const extended = readExtendedIndices(sections);
  const tables = new Map<number, SymbolTable>();
  const checkedNames = new Map<number, StringTable>();
  const budget = new NameBudget(fileSize);
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_SYMTAB && sections.type(i) !== SHT_DYNSYM) continue;
    const at = sections.headerOffset(i);
    const count = rowCount(sections, i, SYM.size, "the symbol table");
    if (sections.info(i) > count) {
      throw malformed(
        at + SHDR.info,
        `the symbol table (section ${i}) has ${count} symbols, but sh_info ${sections.info(i)}`,
      );
    }
    if (count === 0) {
      tables.set(i, new SymbolTable(i, sections.data(i), new StringTable(new Uint8Array(0)), null, littleEndian));
      continue;
    }
    const link = sections.link(i);
    if (link === SHN_UNDEF) throw malformed(at + SHDR.link, `the symbol table (section ${i}) names no string table`);
    let names = checkedNames.get(link);
    if (names === undefined) {
      names = nameTable(sections, link, "symbol string table");
      checkedNames.set(link, names);
    }
    const extendedSection = extended.get(i);
    if (extendedSection !== undefined && sections.size(extendedSection) !== count * 4) {
      throw malformed(
        sections.headerOffset(extendedSection) + SHDR.sizeField,
        `the extended section indices (section ${extendedSection}) have ${hex(sections.size(extendedSection))} bytes for ${count} symbols`,
      );
    }
    const table = new SymbolTable(
      i,
      sections.data(i),
      names,
      extendedSection === undefined ? null : sections.data(extendedSection),
      littleEndian,
    );
    checkSymbols(sections, table, names, extendedSection, budget);
    tables.set(i, table);
  }
  return tables;
}

/** Section index of a symbol table -> section index of its SHT_SYMTAB_SHNDX. */
function readExtendedIndices(sections: SectionTable): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_SYMTAB_SHNDX) continue;
    rowCount(sections, i, 4, "the extended section indices");
    const table = sections.link(i);
    const type = sections.type(table);
    if (type !== SHT_SYMTAB && type !== SHT_DYNSYM) {
      throw malformed(
        sections.headerOffset(i) + SHDR.link,
        `the extended section indices (section ${i}) belong to section ${table}, which is no symbol table`,
      );
    }
    if (found.has(table)) {
      throw malformed(
        sections.headerOffset(i),
        `the symbol table (section ${table}) has two sets of extended section indices`,
      );
    }
    found.set(table, i);
  }
  return found;
}

function checkSymbols(
  sections: SectionTable,
  table: SymbolTable,
  names: StringTable,
  extendedSection: number | undefined,
  budget: NameBudget,
): void {
  const start = sections.offset(table.section);
  for (let s = 0; s < table.count; s++) {
    const at = start + s * SYM.size;
    if (table.nameOffset(s) >= names.size && table.nameOffset(s) !== 0) {
      throw malformed(
        at + SYM.name,
        `symbol ${s} has its name at ${hex(table.nameOffset(s))}, but the string table has ${hex(names.size)} bytes`,
      );
    }
    budget.take(names, table.nameOffset(s), at + SYM.name, `symbol ${s}`);
    const raw = table.rawShndx(s);
    if (raw === SHN_XINDEX && extendedSection === undefined) {
      throw malformed(
        at + SYM.shndx,
        `symbol ${s} has st_shndx SHN_XINDEX, but the file has no extended section indices`,
      );
    }
    const section = table.sectionOf(s);
    if (section !== null && section >= sections.count) {
      const where =
        raw === SHN_XINDEX && extendedSection !== undefined ? sections.offset(extendedSection) + s * 4 : at + SYM.shndx;
      throw malformed(where, `symbol ${s} is defined in section ${section}, but there are ${sections.count} sections`);
    }
  }
}

function readRelocations(
  sections: SectionTable,
  symbolTables: ReadonlyMap<number, SymbolTable>,
  littleEndian: boolean,
): RelocationTable[] {
  const tables: RelocationTable[] = [];
  for (let i = 1; i < sections.count; i++) {
    const type = sections.type(i);
    if (type !== SHT_RELA && type !== SHT_REL) continue;
    const at = sections.headerOffset(i);
    rowCount(sections, i, type === SHT_RELA ? RELA.size : RELA.relSize, "the relocation section");
    const target = sections.info(i);
    if (target >= sections.count) {
      throw malformed(
        at + SHDR.info,
        `the relocation section ${i} is for section ${target}, but there are ${sections.count} sections`,
      );
    }
    if (target === i) throw malformed(at + SHDR.info, `the relocation section ${i} is for itself`);
    const table = new RelocationTable(i, target, type === SHT_RELA, sections.data(i), littleEndian);
    const symbols = symbolTables.get(sections.link(i));
    if (symbols === undefined && sections.link(i) !== SHN_UNDEF) {
      throw malformed(
        at + SHDR.link,
        `the relocation section ${i} has sh_link ${sections.link(i)}, which is no symbol table`,
      );
    }
    // Without a symbol table only index 0 (no symbol) has a meaning.
    const symbolCount = symbols?.count ?? 1;
    for (let r = 0; r < table.count; r++) {
      const symbol = table.symbol(r);
      if (symbol < symbolCount || symbol === 0) continue;
      throw malformed(
        sections.offset(i) + r * table.rowSize + RELA.info,
        `relocation ${r} of section ${i} is against symbol ${symbol}, but there are ${symbolCount} symbols`,
      );
    }
    tables.push(table);
  }
  return tables;
}

function readGroups(
  sections: SectionTable,
  symbolTables: ReadonlyMap<number, SymbolTable>,
  littleEndian: boolean,
): SectionGroup[] {
  const groups: SectionGroup[] = [];
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_GROUP) continue;
    const at = sections.headerOffset(i);
    const words = rowCount(sections, i, 4, "the section group");
    if (words === 0) throw malformed(at + SHDR.sizeField, `the section group ${i} has no flag word`);
    const table = symbolTables.get(sections.link(i));
    if (table === undefined) {
      throw malformed(
        at + SHDR.link,
        `the section group ${i} has sh_link ${sections.link(i)}, which is no symbol table`,
      );
    }
    if (sections.info(i) >= table.count) {
      throw malformed(
        at + SHDR.info,
        `the section group ${i} is signed by symbol ${sections.info(i)}, but there are ${table.count} symbols`,
      );
    }
    const view = viewOf(sections.data(i));
    const members: number[] = [];
    for (let w = 1; w < words; w++) {
      const member = view.getUint32(w * 4, littleEndian);
      if (member === SHN_UNDEF || member >= sections.count || member === i) {
        throw malformed(sections.offset(i) + w * 4, `the section group ${i} has section ${member} as a member`);
      }
      members.push(member);
    }
    groups.push({
      section: i,
      flags: view.getUint32(0, littleEndian),
      signature: sections.info(i),
      symbolTable: sections.link(i),
      members,
    });
  }
  return groups;
}
