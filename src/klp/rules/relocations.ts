import { printable } from "../../base/bytes.ts";
import type { LoadMoment } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { type HasFact, hasFact, versionFacts } from "../../kernel/versionFacts.ts";
import { otherBuild, type RelocDef, relocName, unknownBefore } from "../../reloc/def.ts";
import { namedPlaceIn } from "../place.ts";
import { either } from "../sieve/sieve.ts";
import { type TypeWishFacts, wish } from "../sieve/wish.ts";
import { labelOf } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

const UNKNOWN = wish({ tables: ["addends"], types: (facts) => (def) => !isTaken(facts, def) });
const OUTSIDE = wish({ tables: ["addends"], places: "outside" });

/** Types that the loader does not know, and places outside their section, among the relocations it applies. */
export function checkRelocations(context: RuleContext): Problem[] {
  const { file, module } = context;
  const { sections } = file;
  const problems = new ProblemList();
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC)) continue;
    if (!table.hasAddends) {
      const fault = { fault: "no addends", module, section: printable(sections.name(table.section)) } as const;
      const offset = table.count === 0 ? 0 : table.offset(0);
      problems.push(problem("KLP206", namedPlaceIn(context, table.target, offset), fault, moment(context, table, 0)));
      continue;
    }
    for (const row of either(context.rows.of(table, UNKNOWN), context.rows.of(table, OUTSIDE))) {
      const found = checkRow(context, table, row);
      if (found !== null) problems.push(found);
    }
  }
  return problems.all();
}

/** Whether the loader takes a type. */
function isTaken({ features, version }: TypeWishFacts, def: RelocDef | undefined): boolean {
  const has: HasFact = (fact) => hasFact(version, fact);
  return def !== undefined && unknownBefore(def, has) === null && otherBuild(def, features) === null;
}

function moment({ loadOrder }: RuleContext, table: RelocationTable, row: number): { loadOrder?: LoadMoment } {
  const order = loadOrder.of(table, row);
  return order === null ? {} : { loadOrder: order };
}

function checkRow(context: RuleContext, table: RelocationTable, row: number): Problem | null {
  const { file, symbols, arch, features, module, version } = context;
  const has: HasFact = (fact) => hasFact(version, fact);
  const type = table.type(row);
  const known = arch.relocs.defs.get(type);
  const tooEarly = known === undefined ? null : unknownBefore(known, has);
  const build = otherBuild(known, features);
  const def = tooEarly === null && build === null ? known : undefined;
  const offset = table.offset(row);
  const size = file.sections.size(table.target);
  if (def !== undefined && offset + def.bytes <= size) return null;
  const name = relocName(arch.relocs, type);
  const at = namedPlaceIn(context, table.target, offset);
  const more = moment(context, table, row);
  if (def !== undefined) return problem("KLP202", at, { name, size });
  const symbol = printable(labelOf(file, symbols, table.symbol(row)));
  const message = arch.unknownRelocation(module, type, has);
  const first = tooEarly !== null ? { since: versionFacts[tooEarly].since.join(".") } : build !== null ? { build } : {};
  return problem("KLP201", at, { module, type, name, message, symbol, ...first }, more);
}
