// What tools that do not know livepatch modules leave of one when they run after klplink: GNU ld -r, objcopy, strip.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_RELA } from "../../elf/consts.ts";
import { relocName } from "../../reloc/def.ts";
import { placeIn } from "../place.ts";
import { isIntermediate } from "../producers/producer.ts";
import { KLP_SECTION_PREFIX, KLP_SYMBOL_PREFIX } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

/** Sections and relocations that such a tool has spoiled; nothing for files that were no livepatch. */
export function checkRelinked(context: RuleContext): Problem[] {
  const problems = checkSections(context);
  return wasLivepatch(context) ? [...problems, ...checkRelocations(context)] : problems;
}

function wasLivepatch({ file, symbols }: RuleContext): boolean {
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.rawShndx(i) === SHN_LIVEPATCH || symbols.nameStartsWith(i, KLP_SYMBOL_PREFIX)) return true;
  }
  return file.relocations.some((t) => file.sections.hasFlags(t.section, SHF_RELA_LIVEPATCH));
}

function checkSections({ file, path }: RuleContext): Problem[] {
  const { sections } = file;
  const problems: Problem[] = [];
  for (let i = 1; i < sections.count; i++) {
    const name = sections.name(i);
    if (!name.startsWith(KLP_SECTION_PREFIX)) continue;
    const lacks = sections.type(i) !== SHT_RELA ? "type" : sections.hasFlags(i, SHF_RELA_LIVEPATCH) ? null : "flag";
    if (lacks === null) continue;
    const at = { file: path, section: printable(name), offset: 0 };
    problems.push(problem("KLP446", at, { name: printable(name), lacks }));
  }
  return problems;
}

function checkRelocations(context: RuleContext): Problem[] {
  const { file, arch } = context;
  const { sections } = file;
  const problems = new ProblemList();
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    // Nobody reads what objtool leaves of its own.
    if (isIntermediate(sections.name(table.target))) continue;
    for (let row = 0; row < table.count; row++) {
      // R_PPC64_TOC and the types that do nothing need no symbol.
      const value = arch.relocs.defs.get(table.type(row))?.value ?? "none";
      if (table.symbol(row) !== 0 || value === "none" || value === "TOC") continue;
      const offset = table.offset(row);
      const at = placeIn(context, table.target, offset);
      const data = { name: relocName(arch.relocs, table.type(row)), addend: table.addend(row).toString() };
      problems.push(problem("KLP439", at, data));
    }
  }
  return problems.all();
}
