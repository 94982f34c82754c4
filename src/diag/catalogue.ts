import { isBefore } from "../base/loadOrder.ts";
import { cleaned } from "../base/visible.ts";
import type { ContextLine, Definition, Instruction, Place } from "./define.ts";
import { type Code, catalogue, type DataMap } from "./definitions.ts";

/** A finding: what (code and data), where, and, for those that the loader meets, when. */
export type Problem<C extends Code = Code> = {
  [K in C]: {
    readonly code: K;
    readonly at: Place;
    readonly data: DataMap[K];
    readonly context?: readonly ContextLine[];
    /** The instructions around the place, once they were looked up (annotate.ts). */
    readonly instructions?: readonly Instruction[];
    /** Position in the order in which the loader would meet it; absent: the loader says nothing about it. */
    readonly loadOrder?: readonly number[];
  };
}[C];

export function problem<C extends Code>(
  code: C,
  at: Place,
  data: DataMap[C],
  more: { readonly context?: readonly ContextLine[]; readonly loadOrder?: readonly number[] } = {},
): Problem {
  return { code, at, data, ...more } as unknown as Problem;
}

type AnyDefinition = Definition<unknown>;
const definitionOf = (p: Problem): AnyDefinition => catalogue[p.code] as AnyDefinition;

export const levelOf = (p: Problem): "error" | "warning" => definitionOf(p).level;
/** What the texts are made of: names out of files have no hidden characters in any of them. */
const dataOf = (p: Problem): unknown => cleaned(p.data);
export const titleOf = (p: Problem): string => definitionOf(p).title(dataOf(p));
export const briefOf = (p: Problem): string => definitionOf(p).brief?.(dataOf(p)) ?? titleOf(p);
export const kernelOf = (p: Problem): string | null => definitionOf(p).kernel?.(dataOf(p)) ?? null;
export const whyOf = (p: Problem): string | null => definitionOf(p).why?.(dataOf(p)) ?? null;
export const helpOf = (p: Problem): string | null => definitionOf(p).help?.(dataOf(p)) ?? null;

/** What JSON gives as the problem's data. */
export const jsonDataOf = (p: Problem): Readonly<Record<string, unknown>> =>
  definitionOf(p).json?.(p.data) ?? (p.data as Readonly<Record<string, unknown>>);

/** The command that fixes the problem without a rebuild, or null. */
export const fixOf = (p: Problem): string | null => definitionOf(p).fix?.(dataOf(p)) ?? null;

/** How many problems of a level there are, those that are only counted (KLP117) included. */
export function countOf(problems: readonly Problem[], level: "error" | "warning"): number {
  let count = 0;
  for (const p of problems) {
    if (p.code === "KLP117") count += p.data.level === level ? p.data.count : 0;
    else if (levelOf(p) === level) count++;
  }
  return count;
}

/** The problem that stops the loader first, or null if none does. */
export function firstRefusal(problems: readonly Problem[]): Problem | null {
  let first: Problem | null = null;
  for (const p of problems) {
    if (p.loadOrder === undefined || levelOf(p) !== "error") continue;
    if (first?.loadOrder === undefined || isBefore(p.loadOrder, first.loadOrder)) first = p;
  }
  return first;
}

/**
 * The problems whose lines the kernel prints: the one that stops it, and if that is a symbol, those of all other symbols, too.
 * simplify_symbols (6.1, 6.12, 7.2) goes through the whole table before it gives up.
 */
export function printedRefusals(problems: readonly Problem[]): Problem[] {
  const first = firstRefusal(problems);
  if (first === null) return [];
  if (first.loadOrder?.[0] !== SYMBOLS) return [first];
  const isPrinted = (p: Problem): boolean =>
    levelOf(p) === "error" && p.loadOrder?.[0] === SYMBOLS && kernelOf(p) !== null;
  return [first, ...problems.filter((p) => p !== first && isPrinted(p))];
}

/** First number of the load order of what the loader says of symbols; relocations and the rest come after. */
const SYMBOLS = 0;
