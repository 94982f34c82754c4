import { viewOf } from "../../base/bytes.ts";
import { SHN_UNDEF, SHT_GROUP } from "../consts.ts";
import { SHDR } from "../views/layout.ts";
import type { SectionTable } from "../views/sections.ts";
import type { SymbolTable } from "../views/symbols.ts";
import { malformed } from "./malformed.ts";
import { rowCount } from "./rows.ts";

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

export function readGroups(
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
        `the section group ${i} has sh_link ${sections.link(i)}, which is not a symbol table`,
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
