// Packed sections that are not unpacked: nothing is refused for it, and nothing of it is passed over in silence.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import {
  type RefusedSection,
  refusedSections,
  type SectionSource,
  type WhyRefused,
} from "../../elf/containers/compressed.ts";

/** KLP126, one for each way in which sections are refused: those that are damaged as far as they were read until now. */
export function leftOutProblems(file: SectionSource, path: string): Problem[] {
  const kinds = new Map<WhyRefused, { readonly first: RefusedSection; more: number }>();
  for (const refused of refusedSections(file)) {
    const kind = kinds.get(refused.error.why);
    if (kind === undefined) kinds.set(refused.error.why, { first: refused, more: 0 });
    else kind.more++;
  }
  return [...kinds].map(([why, { first, more }]) => {
    const section = printable(file.sections.name(first.section));
    return problem("KLP126", { file: path, section }, { why, section, more, what: first.error.what, file: path });
  });
}
