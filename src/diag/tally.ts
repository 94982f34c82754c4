// What a run over several files comes to, by code: the same numbers in all forms of the output.

import { levelOf, type Problem, titleOf } from "./catalogue.ts";

/** How many errors and warnings were found in how many files, by code. */
export interface Tally {
  readonly files: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly warnings: Readonly<Record<string, number>>;
}

/** Equal problems at one place once; in the order given. */
export function withoutRepeats(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((p) => {
    const { file, section, offset, fileOffset, line } = p.at;
    const key = JSON.stringify([p.code, titleOf(p), file, section, offset, fileOffset, line]);
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

/** @param files the problems of each file; equal ones at one place count once */
export function tallyOf(files: readonly (readonly Problem[])[]): Tally {
  const found = { error: new Map<string, number>(), warning: new Map<string, number>() };
  for (const problems of files) {
    for (const p of withoutRepeats(problems)) {
      const [code, level, count] = p.code === "KLP117" ? countedBy(p.data) : [p.code, levelOf(p), 1];
      found[level].set(code, (found[level].get(code) ?? 0) + count);
    }
  }
  const sorted = (of: ReadonlyMap<string, number>): Record<string, number> =>
    Object.fromEntries([...of].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { files: files.length, errors: sorted(found.error), warnings: sorted(found.warning) };
}

/** Those that are not listed count as what they are. */
const countedBy = ({ code, level, count }: Problem<"KLP117">["data"]) => [code, level, count] as const;

/** Number of all errors, or all warnings. */
export const sumOf = (counts: Tally["errors"]): number => Object.values(counts).reduce((sum, n) => sum + n, 0);

/** `3 files, 2 errors (KLP401: 1, KLP505: 1), 0 warnings` */
export function tallyText({ files, errors, warnings }: Tally): string {
  const counted = (level: string, counts: Tally["errors"]): string => {
    const total = sumOf(counts);
    const each = Object.entries(counts).map(([code, n]) => `${code}: ${n}`);
    return `${total} ${level}${total === 1 ? "" : "s"}${each.length === 0 ? "" : ` (${each.join(", ")})`}`;
  };
  return `${files} file${files === 1 ? "" : "s"}, ${counted("error", errors)}, ${counted("warning", warnings)}`;
}
