// From a line of dmesg to the message that it is.

import { append } from "../../base/lists.ts";
import { besideMessages, kpatchCoreMessages } from "./beside.ts";
import { buildToolMessages } from "./buildTools.ts";
import { needsOfCut, recogniseCut } from "./cut.ts";
import type { LineField, Message, Recognised } from "./define.ts";
import { longestPiece, type Need, PREFIX, patternOf, type Shown } from "./forms.ts";
import { ftraceMessages } from "./ftrace.ts";
import { insmodMessages } from "./insmod.ts";
import { livepatchMessages } from "./livepatch.ts";
import { loaderMessages } from "./loader.ts";
import { layersOf, withoutStop } from "./logger.ts";
import { relocationMessages } from "./relocations.ts";

/**
 * What kernels between 4.15 and 7.2, and the tools around them, print about a module, and what it means, one row a message. The first row that fits
 * a line is taken.
 */
export const messages: readonly Message[] = [
  ...relocationMessages,
  ...loaderMessages,
  ...livepatchMessages,
  ...ftraceMessages,
  ...besideMessages,
  ...kpatchCoreMessages,
  ...buildToolMessages,
  ...insmodMessages,
];

/**
 * The module's name at the start of a form, which people cut from the lines that they quote. What is left must still be
 * words that say something: not a single one, and not only what the line fills in.
 */
const NAME_FIRST = /^(?:module )?\{module\}: (?=(?:[^{]*\b[a-zA-Z]{3,}\b){2})/;

interface Compiled extends Need {
  readonly message: Message;
  readonly form: string;
  readonly pattern: RegExp;
  /** Finds the line behind words that are not a prefix; null for a form with too few words of its own. */
  readonly inside: RegExp | null;
  readonly names: readonly LineField[];
  /** Position among all forms: the first that fits is taken. */
  readonly rank: number;
}

let shownForms: readonly Shown[] | null = null;

/** All forms, and behind them, as whole lines go first, those of lines that lack the module's name. */
function allShown(): readonly Shown[] {
  if (shownForms !== null) return shownForms;
  const whole = messages.flatMap((message) => message.forms.map((form) => ({ message, form, shown: form })));
  const cut = whole
    .filter(({ form }) => NAME_FIRST.test(form))
    .map(({ message, form }) => ({ message, form, shown: form.replace(NAME_FIRST, "") }));
  shownForms = [...whole, ...cut];
  return shownForms;
}

/** Own words from which a form says which message a line is, wherever it stands. */
const ENOUGH = 3;

/** The whole words of a form that are the kernel's own: what no line of it goes without. */
function ownWords(shown: string): string[] {
  const pieces = shown.split(/\{\w+\}/);
  return pieces.flatMap((piece, i) => {
    const inner = `${i === 0 ? " " : "x"}${piece}${i === pieces.length - 1 ? " " : "x"}`;
    // A word that touches a value may be longer in a line.
    return [...inner.matchAll(/(?<![a-zA-Z])[a-zA-Z]{3,}(?![a-zA-Z])/g)]
      .filter(
        ({ index, 0: word }) =>
          (i === 0 || index > 0) && (i === pieces.length - 1 || index + word.length < inner.length),
      )
      .map(([word]) => word);
  });
}

interface Index {
  /** By a word that they need. */
  readonly byWord: ReadonlyMap<string, readonly Compiled[]>;
  /** Those without such a word. */
  readonly others: readonly Compiled[];
}

let index: Index | null = null;

function compile(): Index {
  const byWord = new Map<string, Compiled[]>();
  const others: Compiled[] = [];
  for (const [rank, { message, form, shown }] of allShown().entries()) {
    const names: LineField[] = [];
    const source = patternOf(shown, (field) => {
      names.push(field);
      return "(";
    });
    const own = ownWords(shown);
    const one: Compiled = {
      message,
      form,
      names,
      words: own,
      piece: longestPiece(shown),
      rank,
      pattern: new RegExp(`^${PREFIX}${source}\\s*$`),
      inside: own.length < ENOUGH ? null : new RegExp(`(?:^|[\\s:;>\\])"'\`(])${PREFIX}${source}["'\`)]?\\s*$`),
    };
    const key = own.reduce((longest, word) => (word.length > longest.length ? word : longest), "");
    if (key === "") others.push(one);
    else byWord.set(key, [...(byWord.get(key) ?? []), one]);
  }
  return { byWord, others };
}

/** The forms that a text can have, in their order. */
function formsFor(text: string): Compiled[] {
  index ??= compile();
  const { byWord, others } = index;
  const there = new Set(text.match(/[a-zA-Z]{3,}/g));
  const found = [...others];
  for (const word of there) append(found, byWord.get(word) ?? []);
  return found
    .filter(({ words, piece }) => words.every((word) => there.has(word)) && text.includes(piece))
    .sort((a, b) => a.rank - b.rank);
}

/** One for each form, and for each that a line is known by where it ends too early. */
export function needsOfLines(): Need[] {
  index ??= compile();
  const whole = [...index.byWord.values()].flat();
  return [...whole, ...index.others, ...needsOfCut(allShown())];
}

/** printk cuts a line at 1024 bytes (LOG_LINE_MAX); loggers may add a little. */
const LONGEST = 1200;

/** What a line says, or null if it is none of the messages. */
export function recogniseLine(line: string): Recognised | null {
  // The innermost first; an outer one where a word of the message itself looked like something that loggers write.
  const layers = layersOf(line)
    .reverse()
    .filter((text) => text !== "" && text.length <= LONGEST);
  for (const text of layers) {
    const bare = withoutStop(text);
    const found = (bare === text ? null : recogniseWhole(bare)) ?? recogniseWhole(text);
    if (found !== null) return found;
  }
  const [text] = layers;
  if (text === undefined) return null;
  const bare = withoutStop(text);
  return recogniseInside(bare) ?? recogniseCut(bare, allShown());
}

function fieldsOf(names: readonly LineField[], match: RegExpExecArray): Recognised["fields"] {
  const fields: Partial<Record<LineField, string>> = {};
  for (const [i, name] of names.entries()) fields[name] ??= match[i + 1] ?? "";
  return fields;
}

function recogniseWhole(text: string): Recognised | null {
  for (const { message, form, pattern, names } of formsFor(text)) {
    const match = pattern.exec(text);
    if (match !== null) return { message, form, fields: fieldsOf(names, match), text, cut: null };
  }
  return null;
}

/** A message behind words that are not a prefix that anyone knows: those of a person, or of a logger that is none of the list. */
function recogniseInside(text: string): Recognised | null {
  for (const { message, form, inside, names } of formsFor(text)) {
    const match = inside?.exec(text);
    if (match == null) continue;
    return { message, form, fields: fieldsOf(names, match), text: match[0].replace(/^[\s:;>\])"'`(]/, ""), cut: null };
  }
  return null;
}
