// Livepatch symbols that ordinary relocations name: the loader does not wait for them.

import { printable } from "../../base/bytes.ts";
import { NumberSet } from "../../base/numberSet.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { livepatchSymbols } from "../../elf/views/symbolRows.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import type { RelocDef } from "../../reloc/def.ts";
import { placeIn } from "../place.ts";
import { isIntermediate } from "../producers/producer.ts";
import { wish } from "../sieve/wish.ts";
import { KLP_SYMBOL_PREFIX, parseKlpSectionObject, parseKlpSymbol } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

/** Nothing is written for the tombstones of objtool, which have type 0. */
const isWritten = (def: RelocDef | undefined): boolean => (def?.value ?? "none") !== "none";

/** Ordinary rows against livepatch symbols for which something is written. */
const LIVEPATCH_USES = wish({
  tables: ["ordinary", "read"],
  symbols: ({ symbols }) => livepatchSymbols(symbols),
  types: () => isWritten,
});

/**
 * Ordinary relocations against livepatch symbols: the loader takes the symbol's value as it is at that moment, 0 unless an
 * earlier livepatch section for vmlinux has resolved it.
 */
export function unresolvedUses(context: RuleContext): Problem[] {
  const { file, symbols, version } = context;
  const { sections } = file;
  const problems = new ProblemList();
  // Mostly there are none at all, and nobody needs to know what is resolved.
  if (file.relocations.every((table) => context.rows.of(table, LIVEPATCH_USES).length === 0)) return [];
  const resolved = new NumberSet(symbols.count);
  const said = new NumberSet(symbols.count);
  const isMalformed = (name: string): boolean => name.startsWith(KLP_SYMBOL_PREFIX) && parseKlpSymbol(name) === null;
  for (const table of file.relocations) {
    if (sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) {
      if (hasFact(version, "vmlinuxAtLoad") && parseKlpSectionObject(sections.name(table.section)) === "vmlinux")
        addResolved(context, table, isMalformed, resolved);
      continue;
    }
    for (const row of context.rows.of(table, LIVEPATCH_USES)) {
      const symbol = table.symbol(row);
      if (resolved.has(symbol) || said.has(symbol) || isMalformed(symbols.name(symbol))) continue;
      said.add(symbol);
      const at = placeIn(context, table.target, table.offset(row));
      problems.push(problem("KLP432", at, { symbol: printable(symbols.name(symbol)) }));
    }
  }
  return problems.all();
}

/** The livepatch symbols that a livepatch section resolves. */
function addResolved(
  { file: { sections }, symbols, arch }: RuleContext,
  table: RelocationTable,
  isMalformed: (name: string) => boolean,
  resolved: NumberSet,
): void {
  if (!sections.hasFlags(table.target, SHF_ALLOC) || isIntermediate(sections.name(table.target))) return;
  for (let row = 0; row < table.count; row++) {
    const symbol = table.symbol(row);
    if (symbols.rawShndx(symbol) !== SHN_LIVEPATCH || !isWritten(arch.relocs.defs.get(table.type(row)))) continue;
    if (!isMalformed(symbols.name(symbol))) resolved.add(symbol);
  }
}
