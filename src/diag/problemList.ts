// Problems of one kind may be as many as a file has relocations: so many are kept, the others are counted.

import { isBefore } from "../base/loadOrder.ts";
import { levelOf, type Problem, problem, titleOf } from "./catalogue.ts";
import type { Code } from "./definitions.ts";

/** So many of one code are kept. */
export const MOST_OF_A_CODE = 2000;

/** The problems of one code. */
interface Kind {
  /** Where the first and the last that are kept stand in the list. */
  readonly first: number;
  last: number;
  kept: number;
  dropped: number;
  /** The one that came last. */
  latest: Problem;
  /** The one that the loader meets first. */
  earliest: Problem | null;
}

/**
 * A list that problems are added to. What is beyond the limit is counted, but the one that the loader meets first is kept;
 * equal ones of one place that follow one another are one.
 */
export class ProblemList {
  readonly #problems: Problem[] = [];
  readonly #kinds = new Map<Code, Kind>();

  push(p: Problem): void {
    const kind = this.#kinds.get(p.code);
    if (kind === undefined) {
      const at = this.#problems.length;
      this.#kinds.set(p.code, { first: at, last: at, kept: 1, dropped: 0, latest: p, earliest: p });
      this.#problems.push(p);
      return;
    }
    const isEarliest = isEarlier(p, kind.earliest);
    if (isRepeat(p, kind.latest)) {
      if (isEarliest && kind.latest === this.#problems[kind.last]) {
        this.#problems[kind.last] = p;
        kind.latest = p;
        kind.earliest = p;
      }
      return;
    }
    kind.latest = p;
    if (isEarliest) kind.earliest = p;
    if (kind.kept < MOST_OF_A_CODE) {
      kind.kept++;
      kind.last = this.#problems.length;
      this.#problems.push(p);
      return;
    }
    kind.dropped++;
    if (isEarliest) this.#problems[kind.last] = p;
  }

  add(problems: Iterable<Problem>): void {
    for (const p of problems) this.push(p);
  }

  /** What was kept, and for each code of which there were more, how many. */
  all(): Problem[] {
    const more = [...this.#kinds].flatMap(([code, { first, dropped }]) => {
      const one = this.#problems[first];
      if (dropped === 0 || one === undefined) return [];
      return [problem("KLP117", { file: one.at.file }, { code, level: levelOf(one), count: dropped })];
    });
    return [...this.#problems, ...more];
  }
}

/** Whether two of one code say the same of one place: they count once (tally.ts). */
function isRepeat(p: Problem, before: Problem): boolean {
  const [a, b] = [p.at, before.at];
  const isSamePlace = a.offset === b.offset && a.section === b.section && a.line === b.line && a.file === b.file;
  return a.section !== undefined && isSamePlace && a.fileOffset === b.fileOffset && titleOf(p) === titleOf(before);
}

const isEarlier = (p: Problem, than: Problem | null): boolean =>
  p.loadOrder !== undefined && (than?.loadOrder === undefined || isBefore(p.loadOrder, than.loadOrder));
