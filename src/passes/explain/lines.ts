// What is known of each of the lines of a log: what it means, what its numbers are, where in a module it comes from.

import { findArchByName } from "../../arch/index.ts";
import type { ArchName } from "../../base/archName.ts";
import type { Disassembler } from "../../diag/define.ts";
import type { Code } from "../../diag/definitions.ts";
import type { Collected } from "../../diag/messages/collect.ts";
import { codesOf, type Recognised } from "../../diag/messages/define.ts";
import { type Cause, causesOf } from "../../diag/messages/together.ts";
import type { Explainer, Explanation } from "./explain.ts";
import { numbersOf } from "./numbers.ts";

/** Everything known about one line. */
export interface Explained {
  readonly recognised: Recognised;
  /** How often the line came, numbers included. */
  readonly count: number;
  readonly decoded: readonly string[];
  readonly findings: Explanation | null;
  /** The line beside it that is its reason. */
  readonly cause: Cause | null;
}

/**
 * The lines that are to be explained, each when its turn comes: the reasons first, then what follows from them.
 * @param openExplainer opens the module that they are about, where a line needs it; null: none was given
 */
export async function explainLines(
  lines: readonly Collected[],
  openExplainer: (() => Promise<Explainer>) | null,
  openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
): Promise<Iterable<Explained>> {
  const causes = causesOf(lines.map((e) => e.recognised));
  const isCaused = ({ recognised }: Collected): boolean => causes.has(recognised);
  const ordered = [...lines.filter((e) => !isCaused(e)), ...lines.filter(isCaused)];
  const isTool = ({ recognised }: Collected): boolean => recognised.message.by === "insmod or modprobe";
  const explainer = openExplainer === null || lines.every(isTool) ? null : await openExplainer();
  const disassemblers = new Map<string | undefined, Disassembler | null>();
  for (const { recognised } of lines) {
    const { arch } = recognised.message;
    if (arch !== undefined && recognised.fields.word !== undefined && !disassemblers.has(arch)) {
      const row = findArchByName(arch);
      disassemblers.set(arch, row === null ? null : await openDisassembler(row.name));
    }
  }
  return (function* () {
    for (const line of ordered) {
      const { recognised } = line;
      yield {
        ...line,
        decoded: numbersOf(recognised, disassemblers.get(recognised.message.arch) ?? null),
        findings: isTool(line) ? null : (explainer?.find(recognised) ?? null),
        cause: causes.get(recognised) ?? null,
      };
    }
  })();
}

/** Which of the things that a line about a symbol can mean the file shows. */
export function codesFound({ recognised, findings }: Explained): Code[] {
  const found = new Set((findings?.problems ?? []).map((p) => p.code));
  return (codesOf(recognised) ?? []).filter((c) => found.has(c));
}
