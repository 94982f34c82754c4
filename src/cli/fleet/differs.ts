// In what a module and a kernel differ, in a word, by the codes of what is wrong.

import { levelOf, type Problem } from "../../diag/catalogue.ts";

const WORDS: readonly (readonly [string, RegExp])[] = [
  ["symbol missing", /^KLP(?:401|403|410|414|451|208)$/],
  ["position", /^KLP(?:402|405|406|415|416|426)$/],
  ["checksum", /^KLP(?:505|506|514)$/],
  ["struct module", /^KLP(?:508|509)$/],
  ["vermagic", /^KLP(?:502|511)$/],
  ["licence or namespace", /^KLP(?:503|504|465)$/],
  ["no patch site", /^KLP(?:442|444|602|603)$/],
  ["configuration", /^KLP(?:456|512|476)$/],
  ["TOC", /^KLP3\d\d$/],
];

/** Sorted as the words stand in the table; `form` for what is of no kernel. */
export function differencesOf(problems: readonly Problem[]): string[] {
  const codes = new Set(problems.filter((p) => levelOf(p) === "error").map((p) => p.code));
  const words = WORDS.flatMap(([word, pattern]) => ([...codes].some((code) => pattern.test(code)) ? [word] : []));
  const isKnown = (code: string): boolean => WORDS.some(([, pattern]) => pattern.test(code));
  return [...codes].every(isKnown) ? words : [...words, "form of the module"];
}
