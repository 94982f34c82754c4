import { printable } from "../../base/bytes.ts";
import type { LoadMoment } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { type HasFact, hasFact, versionFacts } from "../../kernel/versionFacts.ts";
import { otherBuild, relocName, unknownBefore } from "../../reloc/def.ts";
import { namedPlaceIn } from "../place.ts";
import { labelOf } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

/** Types that the loader does not know, and places outside their section, among the relocations it applies. */
export function checkRelocations(context: RuleContext): Problem[] {
  const { file, module } = context;
  const { sections } = file;
  const problems = new ProblemList();
  const bytesOf = takenBytes(context);
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC)) continue;
    if (!table.hasAddends) {
      const fault = { fault: "no addends", module, section: printable(sections.name(table.section)) } as const;
      const offset = table.count === 0 ? 0 : table.offset(0);
      problems.push(problem("KLP206", namedPlaceIn(context, table.target, offset), fault, moment(context, table, 0)));
      continue;
    }
    const size = sections.size(table.target);
    for (let row = 0; row < table.count; row++) {
      const bytes = bytesOf(table.type(row));
      if (bytes !== null && table.offset(row) + bytes <= size) continue;
      const found = checkRow(context, table, row);
      if (found !== null) problems.push(found);
    }
  }
  return problems.all();
}

/** Bytes at the place of a type that the loader takes; null: it does not. The same for all relocations of a type. */
function takenBytes({ arch, features, version }: RuleContext): (type: number) => number | null {
  const has: HasFact = (fact) => hasFact(version, fact);
  const known = new Map<number, number | null>();
  return (type) => {
    let bytes = known.get(type);
    if (bytes === undefined) {
      const def = arch.relocs.defs.get(type);
      const isTaken = def !== undefined && unknownBefore(def, has) === null && otherBuild(def, features) === null;
      bytes = isTaken ? def.bytes : null;
      known.set(type, bytes);
    }
    return bytes;
  };
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
