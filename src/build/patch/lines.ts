// Puts #line directives into a patched source file, so that lines behind a change keep the numbers that they had: what reports
// its line (WARN, might_sleep, lockdep) then compiles to the same code.

import type { Group } from "./apply.ts";
import { linesOf } from "./file.ts";

/** Files in which a compiler takes the directive. */
const SOURCE = /\.[ch]$/;

/** What stands open at the end of a line: a directive may not begin in any of it. */
interface Open {
  /** A comment, a string that goes on, or an odd number of splices. */
  inText: boolean;
  /** The line ends in a backslash. */
  isSpliced: boolean;
  /** Parentheses: a directive among the arguments of a macro is not defined in C. */
  depth: number;
  /** Conditionals (#if) that stand open. */
  conditionals: number;
}

/**
 * The file with a directive behind each change that moved what follows, at the first line from there on where one may stand. A file
 * that has directives of its own is left as it is.
 * @param groups as of `applyPatches`
 */
export function withLines(path: string, text: string, groups: readonly Group[]): string {
  if (!SOURCE.test(path) || groups.length === 0 || /^[ \t]*#[ \t]*(?:line\b|\d)/m.test(text)) return text;
  const lines = linesOf(text);
  const open = openAfter(lines);
  const marks = new Map<number, number>();
  // Distance of numbers before and after the patch, as it is in force; null: it depends on conditionals.
  let now: number | null = 0;
  for (const [i, { after, before }] of groups.entries()) {
    const span = { after, until: groups[i + 1]?.after ?? lines.length, by: before - 1 - after };
    if (span.by !== now) now = mark(marks, open, span) ? span.by : null;
  }
  return lines.map((line, at) => (marks.has(at) ? `#line ${marks.get(at)}\n${line}` : line)).join("");
}

interface Span {
  readonly after: number;
  /** First line for which another distance holds. */
  readonly until: number;
  readonly by: number;
}

/**
 * Marks the first place of a span where a directive may stand, and each place behind it where a conditional around that one ends.
 * @returns whether it then holds under all conditions
 */
function mark(marks: Map<number, number>, open: readonly Open[], { after, until, by }: Span): boolean {
  let level: number | null = null;
  for (let at = after; at < Math.min(until, open.length); at++) {
    const state = open[at] ?? CLEAR;
    const previous = at === 0 ? CLEAR : (open[at - 1] ?? CLEAR);
    const mayStand = !state.inText && !state.isSpliced && state.depth === 0;
    const isLess = level !== null && state.conditionals < level;
    const isOther = level !== null && state.conditionals === level && previous.conditionals > level;
    if (!mayStand || !(level === null || isLess || isOther)) continue;
    if (at + by + 1 < 1) continue;
    marks.set(at, at + by + 1);
    level = state.conditionals;
    if (level === 0) return true;
  }
  return false;
}

const CLEAR: Open = { inText: false, isSpliced: false, depth: 0, conditionals: 0 };

/** For each line what stands open in front of it. */
function openAfter(lines: readonly string[]): Open[] {
  const found: Open[] = [];
  let state: Open = { ...CLEAR };
  let isComment = false;
  let quote = "";
  let isDirective = false;
  let isLineComment = false;
  for (const line of lines) {
    found.push({ ...state });
    if (!isComment && quote === "" && !state.isSpliced) {
      const directive = /^\s*#\s*(\w*)/.exec(line)?.[1];
      isDirective = directive !== undefined;
      if (directive?.startsWith("if") === true) state.conditionals++;
      else if (directive === "endif") state.conditionals = Math.max(0, state.conditionals - 1);
    }
    const isSpliced = /\\\r?\n$/.test(line);
    let depth = state.depth;
    for (let i = 0; i < line.length; i++) {
      const c = line[i] ?? "";
      if (isLineComment) break;
      if (isComment) {
        if (c === "*" && line[i + 1] === "/") {
          isComment = false;
          i++;
        }
      } else if (quote !== "") {
        if (c === "\\" && !(isSpliced && /^\\\r?\n$/.test(line.slice(i)))) i++;
        else if (c === quote) quote = "";
      } else if (c === "/" && line[i + 1] === "*") {
        isComment = true;
        i++;
      } else if (c === "/" && line[i + 1] === "/") isLineComment = true;
      else if (c === '"' || c === "'") quote = c;
      else if (c === "(") depth++;
      else if (c === ")") depth = Math.max(0, depth - 1);
    }
    if (!isSpliced) {
      // A character that is not closed on its line is no string: an apostrophe in an #error.
      quote = "";
      isLineComment = false;
    }
    // Parentheses in a directive are those of the macro that it defines.
    state = {
      inText: isComment || quote !== "",
      isSpliced,
      depth: isDirective ? state.depth : depth,
      conditionals: state.conditionals,
    };
    if (!isSpliced) isDirective = false;
  }
  return found;
}
