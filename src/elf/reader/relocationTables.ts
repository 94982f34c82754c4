import { SHN_UNDEF, SHT_REL, SHT_RELA } from "../consts.ts";
import { RELA, SHDR } from "../views/layout.ts";
import { RelocationTable, ROW_WORDS } from "../views/relas.ts";
import type { SectionTable } from "../views/sections.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { malformed } from "./malformed.ts";
import { rowCount } from "./rows.ts";

/** Rows of a table that is not in memory, read at once. */
const ROWS_AT_ONCE = 1 << 15;

export function readRelocations(
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
    const bytes = sections.isApart(i) ? sections.bytesOf(i) : sections.data(i);
    const table = new RelocationTable(i, target, type === SHT_RELA, bytes, littleEndian);
    const symbols = symbolTables.get(sections.link(i));
    if (symbols === undefined && sections.link(i) !== SHN_UNDEF) {
      throw malformed(
        at + SHDR.link,
        `the relocation section ${i} has sh_link ${sections.link(i)}, which is not a symbol table`,
      );
    }
    // Without a symbol table only index 0 (no symbol) has a meaning.
    const symbolCount = symbols?.count ?? 1;
    const parts = sections.isApart(i) ? table.parts(ROWS_AT_ONCE) : [[table, 0] as const];
    for (const [part, first] of parts) checkSymbols(part, first, symbolCount, sections);
    tables.push(table);
  }
  return tables;
}

/** The first row whose symbol's index is not below `symbolCount`; the number of rows if there is none. */
function firstBeyond(table: RelocationTable, symbolCount: number): number {
  for (const { words, first, count } of table.words()) {
    const end = count * (table.rowSize / 4);
    for (let at = 0; at < end; at += WORDS_AT_ONCE) {
      const found = beyond(words, at, Math.min(at + WORDS_AT_ONCE, end), symbolCount, table.rowSize / 4);
      if (found >= 0) return first + found;
    }
  }
  return table.count;
}

/** Words of whole rows of either size that a loop looks at before it is entered anew: V8 compiles it for the next time. */
const WORDS_AT_ONCE = 3 << 12;

/** The row of such a symbol among the words [from, end) of rows; -1 if there is none. @param stride words a row */
function beyond(words: Uint32Array, from: number, end: number, symbolCount: number, stride: number): number {
  for (let at = from + ROW_WORDS.symbol; at < end; at += stride)
    if ((words[at] ?? 0) >= symbolCount) return Math.floor(at / stride);
  return -1;
}

/** @param first number of the part's first row */
function checkSymbols(part: RelocationTable, first: number, symbolCount: number, sections: SectionTable): void {
  for (let r = firstBeyond(part, symbolCount); r < part.count; r++) {
    const symbol = part.symbol(r);
    if (symbol < symbolCount || symbol === 0) continue;
    const i = part.section;
    throw malformed(
      sections.offset(i) + (first + r) * part.rowSize + RELA.info,
      `relocation ${first + r} of section ${i} is against symbol ${symbol}, but there are ${symbolCount} symbols`,
    );
  }
}
