// What tools that do not know livepatch modules leave of one when they run after klplink: GNU ld -r, objcopy, strip.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_RELA_LIVEPATCH, SHT_RELA } from "../../elf/consts.ts";
import { livepatchSymbols } from "../../elf/views/symbolRows.ts";
import { relocName } from "../../reloc/def.ts";
import { placeIn } from "../place.ts";
import { wish } from "../sieve/wish.ts";
import { KLP_SECTION_PREFIX, KLP_SYMBOL_PREFIX } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

/** Rows that need a symbol, and have none: R_PPC64_TOC and the types that do nothing need none. */
const WITHOUT_SYMBOL = wish({
  // Nobody reads what objtool leaves of its own.
  tables: ["ordinary", "read"],
  symbols: () => [0],
  types: () => (def) => def !== undefined && def.value !== "none" && def.value !== "TOC",
});

/** Sections and relocations that such a tool has spoiled; nothing for files that were no livepatch. */
export function checkRelinked(context: RuleContext): Problem[] {
  const problems = checkSections(context);
  return wasLivepatch(context) ? [...problems, ...checkRelocations(context)] : problems;
}

function wasLivepatch({ file, symbols }: RuleContext): boolean {
  if (symbols.startingWith(KLP_SYMBOL_PREFIX).length > 0) return true;
  if (livepatchSymbols(symbols).some((i) => i > 0)) return true;
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
  const problems = new ProblemList();
  for (const table of file.relocations) {
    for (const row of context.rows.of(table, WITHOUT_SYMBOL)) {
      const offset = table.offset(row);
      const at = placeIn(context, table.target, offset);
      const data = { name: relocName(arch.relocs, table.type(row)), addend: table.addend(row).toString() };
      problems.push(problem("KLP439", at, data));
    }
  }
  return problems.all();
}
