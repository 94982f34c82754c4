// What a loader refuses in a finished module, whatever the kernel's symbols are: one place for the check and the image pass.

import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { checkForm, checkSectionIndices, isFinishedModule } from "../../kernel/module/formRules.ts";
import type { SymbolizedFile } from "../../klp/functions.ts";
import type { RuleFacts } from "../../klp/rules/context.ts";
import type { Preparation } from "../../stubs/loader.ts";
import { loaderFacts } from "../loaderFacts.ts";

/** What the architecture's part of the loader refuses before layout (module_frob_arch_sections, module_init_ftrace_plt). */
export function preparationProblems(preparation: Preparation, file: string): Problem[] {
  return preparation.refusals.map((refusal) => problem("KLP206", { file }, refusal, { loadOrder: LOADING.arch }));
}

/** All of it for a module that could be loaded as it is; nothing for an object that is still to be linked into one. */
export function finishedProblems({
  file,
  symbols,
  arch,
  features,
  module,
  version,
  kernel,
  path,
}: RuleFacts & Pick<SymbolizedFile, "file" | "symbols">): Problem[] {
  if (!isFinishedModule(file, path)) return [];
  const known =
    kernel?.hasSymbols === true ? { has: (name: string) => kernel.find(name).length > 0, addressOf: () => null } : null;
  const facts = loaderFacts({ module, version, features, isSmp: true }, known);
  return [
    ...checkForm(file, module, version, path),
    ...preparationProblems(arch.loader(features).prepare(file, symbols, facts), path),
    ...checkSectionIndices(file, symbols, module, path),
  ];
}
