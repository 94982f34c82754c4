import { hex } from "../../base/bytes.ts";
import { SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX, SHT_DYNSYM, SHT_SYMTAB, SHT_SYMTAB_SHNDX } from "../consts.ts";
import { SHDR, SYM } from "../views/layout.ts";
import type { SectionTable } from "../views/sections.ts";
import { StringTable } from "../views/strings.ts";
import { SYMBOL_WORDS, SymbolTable } from "../views/symbols.ts";
import { malformed } from "./malformed.ts";
import { NameBudget, nameTable } from "./names.ts";
import { rowCount } from "./rows.ts";

export function readSymbolTables(
  sections: SectionTable,
  littleEndian: boolean,
  fileSize: number,
): Map<number, SymbolTable> {
  const extended = readExtendedIndices(sections);
  const tables = new Map<number, SymbolTable>();
  const checkedNames = new Map<number, StringTable>();
  const budget = new NameBudget(fileSize);
  let tableCount = 0;
  for (let i = 1; i < sections.count; i++) if (isSymbolTable(sections.type(i))) tableCount++;
  for (let i = 1; i < sections.count; i++) {
    if (!isSymbolTable(sections.type(i))) continue;
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
    checkSymbols(
      sections,
      table,
      names,
      extendedSection,
      tableCount === 1 && budget.holds(count, names) ? null : budget,
    );
    tables.set(i, table);
  }
  return tables;
}

const isSymbolTable = (type: number): boolean => type === SHT_SYMTAB || type === SHT_DYNSYM;

/** Section index of a symbol table -> section index of its SHT_SYMTAB_SHNDX. */
function readExtendedIndices(sections: SectionTable): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_SYMTAB_SHNDX) continue;
    rowCount(sections, i, 4, "the extended section indices");
    const table = sections.link(i);
    if (!isSymbolTable(sections.type(table))) {
      throw malformed(
        sections.headerOffset(i) + SHDR.link,
        `the extended section indices (section ${i}) belong to section ${table}, which is not a symbol table`,
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

/** @param budget null: the names cannot be too long together */
function checkSymbols(
  sections: SectionTable,
  table: SymbolTable,
  names: StringTable,
  extendedSection: number | undefined,
  budget: NameBudget | null,
): void {
  const start = sections.offset(table.section);
  const words = table.words();
  for (let s = 0, k = 0, at = start; s < table.count; s++, k += SYMBOL_WORDS.count, at += SYM.size) {
    const nameOffset = (words[k + SYMBOL_WORDS.name] ?? 0) >>> 0;
    if (nameOffset >= names.size && nameOffset !== 0) {
      throw malformed(
        at + SYM.name,
        `symbol ${s} has its name at ${hex(nameOffset)}, but the string table has ${hex(names.size)} bytes`,
      );
    }
    budget?.take(names, nameOffset, at + SYM.name, "symbol", s);
    const raw = (words[k + SYMBOL_WORDS.mixed] ?? 0) >>> 16;
    if (raw < SHN_LORESERVE && raw < sections.count) continue;
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
