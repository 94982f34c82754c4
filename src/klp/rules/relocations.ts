import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { type HasFact, hasFact, versionFacts } from "../../kernel/versionFacts.ts";
import { type Feature, otherBuild, type RelocTable, relocName, unknownBefore } from "../../reloc/def.ts";
import type { FunctionIndex } from "../functions.ts";
import { labelOf } from "../symbols/names.ts";
import type { LoadOrder } from "./loadOrder.ts";

/** What tells how the loader of an architecture takes relocations. */
interface Loader {
  readonly relocs: RelocTable;
  /** How the kernel is built: it does not know types of another build. */
  readonly features: ReadonlySet<Feature>;
  readonly unknownRelocation: (module: string, type: number, has?: HasFact) => string;
}

/** Types that the loader does not know, and places outside their section, among the relocations it applies. */
export function checkRelocations(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  loader: Loader,
  path: string,
  module: string,
  loadOrder: LoadOrder,
  version: KernelVersion | null,
): Problem[] {
  const { sections } = file;
  const problems = new ProblemList();
  const has: HasFact = (fact) => hasFact(version, fact);
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC)) continue;
    const target = printable(sections.name(table.target));
    if (!table.hasAddends) {
      const refusal = { fault: "no addends", module, section: printable(sections.name(table.section)) } as const;
      const offset = table.count === 0 ? 0 : table.offset(0);
      const order = loadOrder.of(table, 0);
      const more = order === null ? {} : { loadOrder: order };
      problems.push(problem("KLP206", place(target, table.target, offset, functions, path), refusal, more));
      continue;
    }
    const size = sections.size(table.target);
    for (let row = 0; row < table.count; row++) {
      const type = table.type(row);
      const known = loader.relocs.defs.get(type);
      const tooEarly = known === undefined ? null : unknownBefore(known, has);
      const build = otherBuild(known, loader.features);
      const def = tooEarly === null && build === null ? known : undefined;
      const offset = table.offset(row);
      if (def !== undefined && offset + def.bytes <= size) continue;
      const name = relocName(loader.relocs, type);
      const at = place(target, table.target, offset, functions, path);
      const order = loadOrder.of(table, row);
      const more = order === null ? {} : { loadOrder: order };
      if (def === undefined) {
        const symbol = printable(labelOf(file, symbols, table.symbol(row)));
        const message = loader.unknownRelocation(module, type, has);
        const first =
          tooEarly !== null ? { since: versionFacts[tooEarly].since.join(".") } : build !== null ? { build } : {};
        problems.push(problem("KLP201", at, { module, type, name, message, symbol, ...first }, more));
      } else {
        problems.push(problem("KLP202", at, { name, size }));
      }
    }
  }
  return problems.all();
}

function place(name: string, section: number, offset: number, functions: FunctionIndex, path: string): Place {
  const at = { file: path, section: name, offset };
  const caller = functions.at(section, offset);
  if (caller === null) return at;
  return { ...at, function: { name: printable(caller.name), offset: offset - caller.start } };
}
