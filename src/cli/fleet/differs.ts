// In what a module and a kernel differ, in a word, by the codes of what is wrong.

import { levelOf, type Problem } from "../../diag/catalogue.ts";
import { remainderOf } from "../../diag/symbolCauses.ts";

/** A symbol that is missing because its function has no code of its own. */
const INLINED = "inlined";

const WORDS: readonly (readonly [string, RegExp])[] = [
  ["symbol missing", /^KLP(?:401|403|410|414|451|208)$/],
  [INLINED, /^$/],
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
  const found = new Set(problems.filter((p) => levelOf(p) === "error").map(wordOf));
  const words = WORDS.flatMap(([word]) => (found.has(word) ? [word] : []));
  return found.has(null) ? [...words, "form of the module"] : words;
}

function wordOf(p: Problem): string | null {
  if ((p.code === "KLP401" || p.code === "KLP414") && remainderOf(p.data.symbol, p.data.near) !== null) return INLINED;
  return WORDS.find(([, pattern]) => pattern.test(p.code))?.[0] ?? null;
}
