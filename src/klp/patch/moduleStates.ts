// A module's symbol table loses the symbols of its init sections once the module has started.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { PlaceOf } from "../place.ts";

/**
 * A symbol of a module whose position is another one once the module has run its init function.
 * @param position as in a livepatch symbol's name: 0 means the only one.
 */
export function stateProblems(
  kernel: Kernel | null,
  { owner, position }: { readonly owner: string; readonly position: number },
  name: string,
  at: PlaceOf,
): Problem[] {
  const module = kernel?.modules.get(owner);
  const coming = module?.find(name) ?? [];
  const live = module?.findLive(name) ?? [];
  const meant = coming[Math.max(0, position - 1)];
  if (module === undefined || meant === undefined || coming.length === live.length) return [];
  const inLive = live.indexOf(meant) + 1;
  const data = { symbol: printable(name), module: owner, coming: position, live: inLive, count: live.length };
  return position === inLive && position > 0 ? [] : [problem("KLP426", at(), data)];
}
