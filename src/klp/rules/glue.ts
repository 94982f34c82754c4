// Whether what a livepatch's tables say reaches the kernel: tables that become structures at run time need code that does that.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { isFinishedModule } from "../../kernel/module/formRules.ts";
import type { Patch } from "../patch/tables.ts";
import type { RuleContext } from "./context.ts";

/** What enables a patch: the kernel's livepatch core, and kpatch's own before it. */
const ENABLING = new Set(["klp_enable_patch", "klp_register_patch", "kpatch_register"]);

/** Tables without the code that reads them, and wishes that no kernel knows. */
export function checkGlue(context: RuleContext, patches: readonly Patch[]): Problem[] {
  return [...unreadTables(context, patches), ...forcedFunctions(context)];
}

/** A finished module with tables of klp-build's or kpatch's form that never enables a patch: it loads, and changes nothing. */
function unreadTables({ file, symbols, path }: RuleContext, patches: readonly Patch[]): Problem[] {
  const table = patches.find((p) => p.kind !== "klp_patch");
  if (table === undefined || !isFinishedModule(file, path)) return [];
  for (let i = 1; i < symbols.count; i++) if (ENABLING.has(symbols.name(i))) return [];
  const section = file.sections.name(table.at.section);
  return [problem("KLP458", { file: path, section, offset: 0 }, { section: printable(section), kind: table.kind })];
}

/** KPATCH_FORCE_UNSAFE: functions whose stack check was to be left out. livepatch has nothing like it. */
function forcedFunctions({ file, symbols, path }: RuleContext): Problem[] {
  const section = file.sections.findByName(".kpatch.force");
  if (section === null) return [];
  const names: string[] = [];
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const home = symbols.sectionOf(symbol);
      const name = symbols.name(symbol);
      names.push(printable(name !== "" || home === null ? name : file.sections.name(home)));
    }
  }
  return names.length === 0 ? [] : [problem("KLP457", { file: path, section: ".kpatch.force", offset: 0 }, { names })];
}
