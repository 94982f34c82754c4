import { plain, printable, viewOf } from "../base/bytes.ts";
import { SHN_UNDEF, SHT_SYMTAB } from "./consts.ts";
import { findSignature, type ModuleSignature } from "./containers/signature.ts";
import { ElfError, type ElfPlace } from "./error.ts";
import { readGroups, type SectionGroup } from "./reader/groups.ts";
import { checkIdentification, type ElfHeader, readHeader } from "./reader/header.ts";
import { nameTable } from "./reader/names.ts";
import { readRelocations } from "./reader/relocationTables.ts";
import { checkOverlap, checkSectionNames, checkSections } from "./reader/sections.ts";
import { readSymbolTables } from "./reader/symbolTables.ts";
import type { RelocationTable } from "./views/relas.ts";
import type { SectionBytes } from "./views/sectionBytes.ts";
import { SectionTable } from "./views/sections.ts";
import type { SymbolTable } from "./views/symbols.ts";

export type { SectionGroup } from "./reader/groups.ts";
export type { ElfHeader } from "./reader/header.ts";

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

/**
 * Reads a relocatable ELF64 file of either byte order. All sections, symbol names, symbol indices and
 * section indices are checked against the file here, so that the views can be used without further care;
 * only r_offset and st_value are not, since the specification gives them no bound.
 * Time and memory are proportional to the file's size, whatever its fields say.
 * @param apart sections that are still in the file; their places in `input` are not looked at
 * @throws ElfError with the file offset of the field or table that is wrong.
 */
export function readElf(input: Uint8Array, apart: ReadonlyMap<number, SectionBytes> | null = null): ElfFile {
  const bytes = plain(input);
  const littleEndian = checkIdentification(bytes);
  const view = viewOf(bytes);
  const signature = findSignature(bytes);
  const header = readHeader(view, littleEndian);
  const sections = new SectionTable(bytes, view, header.sectionHeaderOffset, header.sectionCount, littleEndian);
  if (apart !== null) sections.setApart(apart);
  checkSections(sections, bytes.length);
  checkOverlap(sections, header);
  const names =
    header.sectionNameIndex === SHN_UNDEF ? null : nameTable(sections, header.sectionNameIndex, "section name table");
  if (names !== null) sections.setNames(names);
  checkSectionNames(sections, names, bytes.length);
  const { symbolTables, relocations, groups } = named(sections, () => {
    const symbolTables = readSymbolTables(sections, littleEndian, bytes.length);
    return {
      symbolTables,
      relocations: readRelocations(sections, symbolTables, littleEndian),
      groups: readGroups(sections, symbolTables, littleEndian),
    };
  });
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

/**
 * Reads what needs the sections to be sound; an error names them, and tells the place in one, once their names are known.
 * @throws ElfError as `read` does, with the sections' names behind their numbers
 */
function named<T>(sections: SectionTable, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ElfError) || error.kind !== "malformed") throw error;
    const what = error.what.replace(/\b(?:section|group) (\d+)(?!\d)/g, (text, index: string) => {
      const name = Number(index) < sections.count ? printable(sections.name(Number(index))) : "";
      return name === "" ? text : `${text} (${name})`;
    });
    throw new ElfError(
      error.kind,
      error.offset,
      what.replace(/\((section \d+) \((.+?)\)\)/g, "($1, $2)"),
      placeOf(sections, error.offset),
    );
  }
}

/** The section whose bytes hold a file offset; null if it is in a header. */
function placeOf(sections: SectionTable, offset: number): ElfPlace | null {
  for (let i = 1; i < sections.count; i++) {
    const at = offset - sections.offset(i);
    if (sections.hasBytes(i) && at >= 0 && at < sections.size(i)) return { section: sections.name(i), offset: at };
  }
  return null;
}
