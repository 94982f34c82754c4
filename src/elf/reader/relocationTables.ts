import { SHN_UNDEF, SHT_REL, SHT_RELA } from "../consts.ts";
import { RELA, SHDR } from "../views/layout.ts";
import { RelocationTable } from "../views/relas.ts";
import type { SectionTable } from "../views/sections.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { malformed } from "./malformed.ts";
import { rowCount } from "./rows.ts";

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
    const table = new RelocationTable(i, target, type === SHT_RELA, sections.data(i), littleEndian);
    const symbols = symbolTables.get(sections.link(i));
    if (symbols === undefined && sections.link(i) !== SHN_UNDEF) {
      throw malformed(
        at + SHDR.link,
        `the relocation section ${i} has sh_link ${sections.link(i)}, which is not a symbol table`,
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
