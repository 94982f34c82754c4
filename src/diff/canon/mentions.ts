// Whether an item can refer to what is in some sections, told without reading its code.

import type { Item, Unit } from "./unit.ts";

/** False: certainly not. Through a TOC anything can be meant; within a section the assembler resolves references itself. */
export function mayMention(unit: Unit, item: Item, sections: ReadonlySet<number>): boolean {
  if (sections.has(item.section) && unit.inSection(item.section).length > 1) return true;
  return unit.relocations.someSymbol(item.section, [item.start, item.end], (symbol) => {
    const section = symbol === 0 ? null : unit.symbols.sectionOf(symbol);
    return section !== null && (sections.has(section) || unit.kinds[section] === "toc");
  });
}
