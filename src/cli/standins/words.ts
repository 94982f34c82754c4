// Words of a command line as the tools read them whose place klplink takes: options anywhere among the arguments, up to `--`.

import { append } from "../../base/lists.ts";

/** The words are not those of the tool. */
export class WordsError extends Error {}

export interface Words {
  /** Long names of the options that were given, with their values; an option without one has "". */
  readonly options: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/** @param known options by their long names: the letter, or null; whether a value follows @throws WordsError */
export function parseWords(
  words: readonly string[],
  known: Readonly<Record<string, { readonly letter: string | null; readonly hasValue?: boolean }>>,
): Words {
  const options = new Map<string, string>();
  const operands: string[] = [];
  const rest = [...words];
  const take = (name: string, value: string | null, word: string): void => {
    const row = known[name];
    if (row === undefined || (value !== null && row.hasValue !== true)) throw new WordsError(`${word} is not known`);
    const given = row.hasValue === true ? (value ?? rest.shift()) : "";
    if (given === undefined) throw new WordsError(`${word} needs a value`);
    options.set(name, given);
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (word === "--") append(operands, rest.splice(0));
    else if (long !== null) take(long[1] ?? "", long[2] ?? null, word);
    else if (/^-./.test(word)) {
      for (const letter of word.slice(1)) {
        const name = Object.keys(known).find((n) => known[n]?.letter === letter);
        take(name ?? "", null, word);
      }
    } else operands.push(word);
  }
  return { options, operands };
}
