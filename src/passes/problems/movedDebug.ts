// What a link cannot keep right: debug information that goes on telling of the old layout of code that moves.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Analysis, Options } from "../analysis.ts";

/** A warning for each piece of debug information that does not follow the functions that move. */
export function movedDebugProblems({ file, plan }: Analysis, options: Options): Problem[] {
  if (plan === null || plan.move.sections.size === 0) return [];
  const moved = [...plan.move.sections.keys()].map((section) => printable(file.sections.name(section)));
  return plan.move
    .debug()
    .left.map(({ section, offset, reason }) =>
      problem(
        "KLP311",
        { file: options.file, section: printable(section), offset },
        { moved, reason: printable(reason) },
      ),
    );
}
