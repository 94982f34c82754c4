// What a single relocation cannot mean, though the loader applies it: a damaged addend, a place without the instruction that
// it belongs to, a symbol out of its reach.

import { printable, viewOf } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_EXECINSTR, STB_WEAK } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { damagedAddend, isOffset } from "../../reloc/addend.ts";
import type { RelocDef } from "../../reloc/def.ts";
import { misplaced, needsInstruction, outsideField } from "../../reloc/stand.ts";
import { decodeInsn } from "../../reloc/x86Insn.ts";
import { placeIn } from "../place.ts";
import { either } from "../sieve/sieve.ts";
import { looksAt, traitsOf, type WishFacts, wish } from "../sieve/wish.ts";
import { labelOf } from "../symbols/names.ts";
import { isExternal } from "../toc/calls.ts";
import type { RuleContext } from "./context.ts";

const FAR = wish({ tables: ["addends", "read"], types: () => (def) => def !== undefined, addends: "far" });
const OUT_OF_REACH = wish({
  tables: FAR.tables,
  types: () => (def) => def?.reach === "module",
  symbols: (facts) => (symbol) => isOutside(facts, symbol),
});

/** Such relocations of loaded sections, livepatch and others. */
export function checkFields(context: RuleContext): Problem[] {
  const { file, rows } = context;
  const problems = new ProblemList();
  for (const table of file.relocations) {
    if (!looksAt(FAR, traitsOf(file, table))) continue;
    const code = codeOf(context, table);
    const doubtful = code === null ? [] : rows.doubtful(table, code);
    const left = either(either(rows.of(table, FAR), rows.of(table, OUT_OF_REACH)), doubtful);
    if (left.length === 0) continue;
    const placed = code === null ? null : placesIn(context, table, code);
    for (const row of left) checkRow(context, table, row, placed, problems);
  }
  return problems.all();
}

/** The bytes of a section of code. A section of zeros holds none yet: its bytes are for others to fill. */
function codeOf({ file: { sections } }: RuleContext, { target }: RelocationTable): Uint8Array | null {
  if (!sections.hasFlags(target, SHF_EXECINSTR) || !sections.hasBytes(target)) return null;
  const bytes = sections.data(target);
  return bytes.some((b) => b !== 0) ? bytes : null;
}

type ReasonAt = (def: RelocDef, offset: number) => string | null;

function checkRow(
  context: RuleContext,
  table: RelocationTable,
  row: number,
  placed: ReasonAt | null,
  problems: ProblemList,
): void {
  const def = context.arch.relocs.defs.get(table.type(row));
  if (def === undefined) return;
  const addend = isOffset(table.addendNumber(row)) ? null : damagedAddend(def, table.addend(row));
  const reason = placed?.(def, table.offset(row)) ?? null;
  const isFar = def.reach === "module" && isOutside(context, table.symbol(row));
  if (addend === null && reason === null && !isFar) return;
  const at = placeIn(context, table.target, table.offset(row));
  const symbol = printable(labelOf(context.file, context.symbols, table.symbol(row)));
  if (addend !== null) problems.push(addendProblem(def, table.addend(row), addend.likely, at));
  if (reason !== null) problems.push(problem("KLP234", at, { name: def.name, symbol, reason }));
  if (isFar) problems.push(problem("KLP235", at, { name: def.name, symbol, isTocRelative: def.value === "S+A-TOC" }));
}

/** Tells of a relocation in code why it cannot stand at an offset; null if it can. */
function placesIn({ file, rows }: RuleContext, { target }: RelocationTable, code: Uint8Array): ReasonAt {
  const view = viewOf(code);
  const starts = rows.starts(target, code);
  return (def, offset) => {
    const start = needsInstruction(def) ? starts.at(offset) : -1;
    return start < 0
      ? misplaced(def, view, offset, file.littleEndian)
      : outsideField(def, decodeInsn(code, start), offset - start);
  };
}

function addendProblem({ name }: RelocDef, addend: bigint, likely: bigint | null, at: Place): Problem {
  return problem("KLP433", at, { name, addend: addend.toString(), likely: likely?.toString() ?? null });
}

/** Whether a symbol is another object's. The TOC base counts as the module's own; a weak symbol may stay 0, and unused. */
function isOutside({ symbols }: WishFacts, symbol: number): boolean {
  if (symbol === 0 || !isExternal(symbols, symbol)) return false;
  return !symbols.nameIs(symbol, ".TOC.") && symbols.bind(symbol) !== STB_WEAK;
}
