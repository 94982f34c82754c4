// Lines that end too early: cut by a log's or a terminal's width, or by who quotes them.

import type { Fields, LineField, Recognised } from "./define.ts";
import { longestPiece, type Need, PREFIX, patternOf, type Shown } from "./forms.ts";

/** A form between its blanks. */
interface Compiled extends Shown {
  readonly words: readonly Word[];
  /** The kernel's own words that no line goes without. */
  readonly needed: readonly string[];
  /** What stands in each such line, too: all of the form up to the second of these words is there. */
  readonly piece: string;
  /** So many own words say which message a line was to be. */
  readonly enough: number;
  /** Groups: the prefix; for each word `vN`, its value, and `eN`, empty, where it ends; what is left. */
  readonly pattern: RegExp;
}

interface Word {
  readonly text: string;
  readonly field: LineField | null;
  /** What of it is the kernel's own; empty if that is but a value, or too short to say anything. */
  readonly own: string;
}

/** By the first of the words needed: a log has many lines that have none of them. */
let compiled: ReadonlyMap<string, readonly Compiled[]> | null = null;

function compile(forms: readonly Shown[]): ReadonlyMap<string, readonly Compiled[]> {
  const all = forms
    .filter(({ message }) => message.by !== "insmod or modprobe" && message.by !== "build tools")
    // Of a word with two values it cannot be said which one is whole.
    .filter(({ shown }) => !/\{\w+\}[^ ]*\{/.test(shown))
    .map((form) => {
      // Without the module's name it takes more and longer words.
      const isNamed = form.shown === form.form;
      const words = form.shown.split(" ").map((text) => wordOf(text, isNamed ? 3 : 4));
      // Up to the first of the kernel's own words all must be there.
      const sure = words.findIndex((w) => w.own !== "");
      const parts = words.map(({ text }, i) => {
        const part = `${i === 0 ? "" : " "}${patternOf(text, () => `(?<v${i}>`)}(?<e${i}>)`;
        return i <= sure ? part : `(?:${part}`;
      });
      const source = `${parts.join("")}${")?".repeat(words.length - 1 - sure)}`;
      const pattern = new RegExp(`^(?<prefix>${PREFIX})${source}(?: (?<rest>.*))?$`);
      const own = words.filter((w) => w.own !== "").map((w) => w.own);
      return { ...form, words, needed: own.slice(0, 2), piece: pieceOf(words), enough: isNamed ? 3 : 4, pattern };
    })
    .filter(({ needed }) => needed.length === 2);
  const byWord = new Map<string, Compiled[]>();
  for (const one of all) {
    const [first = ""] = one.needed;
    byWord.set(first, [...(byWord.get(first) ?? []), one]);
  }
  return byWord;
}

/** The longest text without a value up to the second own word, whose end may be cut. */
function pieceOf(words: readonly Word[]): string {
  const own = words.flatMap((w, i) => (w.own === "" ? [] : [i]));
  const start = words.slice(0, (own[1] ?? 0) + 1).map(({ text }) => text);
  return longestPiece(start.join(" ").replace(/\W+$/, ""));
}

function wordOf(text: string, least: number): Word {
  const field = /\{(\w+)\}/.exec(text)?.[1];
  const own = /[a-zA-Z]+/.exec(text.replace(/\{\w+\}/g, " "))?.[0] ?? "";
  return { text, field: (field as LineField | undefined) ?? null, own: own.length < least ? "" : own };
}

/** What a value can look like where the line ends in it; others: anything but a blank. */
const BEGUN: Readonly<Partial<Record<LineField, RegExp>>> = {
  word: /^[0-9a-f]*$/,
  type: /^\d*$/,
  value: /^-?[0-9a-fx]*$/,
  errno: /^-?\d*$/,
  sectionIndex: /^\d*$/,
  row: /^\d*$/,
  number: /^-?\d*$/,
  name: /^[^']*$/,
  text: /^/,
};

/** Whether a word of a form can begin so. */
function canBegin(word: Word, start: string): boolean {
  const [before = "", , behind = ""] = word.text.split(/\{(\w+)\}/);
  if (start.length <= before.length) return before.startsWith(start);
  if (word.field === null || !start.startsWith(before)) return false;
  const value = start.slice(before.length);
  // The value may be whole, and the cut behind it.
  for (let n = 1; n < behind.length; n++) {
    if (value.endsWith(behind.slice(0, n))) return true;
  }
  return (BEGUN[word.field] ?? /^\S*$/).test(value);
}

/** The module's name behind an address, which may be there or not. */
const isCutAddress = (last: Word | undefined, rest: string | undefined): boolean =>
  last?.field === "address" && rest !== undefined && /^\[\w*$/.test(rest);

/** For each form what a line that ends too early is not known by it without. */
export function needsOfCut(forms: readonly Shown[]): Need[] {
  compiled ??= compile(forms);
  return [...compiled.values()].flat().map(({ needed, piece }) => ({ words: needed, piece }));
}

/** What a line that ends too early was to say: it follows the forms of one message only, and far enough. */
export function recogniseCut(text: string, forms: readonly Shown[]): Recognised | null {
  compiled ??= compile(forms);
  const there = new Set(text.match(/[a-zA-Z]+/g));
  let found: Recognised | null = null;
  let isEnough = false;
  const begun = [...there].flatMap((word) => compiled?.get(word) ?? []);
  for (const { message, form, words, needed, piece, enough, pattern } of begun) {
    if (!needed.every((word) => there.has(word)) || !text.includes(piece)) continue;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) continue;
    const { rest, prefix } = groups;
    const missing = words.findIndex((_, i) => groups[`e${i}`] === undefined);
    const whole = missing < 0 ? words : words.slice(0, missing);
    const next = words[whole.length];
    if (next === undefined ? !isCutAddress(words.at(-1), rest) : rest !== undefined && !canBegin(next, rest)) continue;
    const isWhole = next !== undefined && next.own !== "" && rest === next.text.replace(/\W+$/, "");
    const own = whole.filter((w) => w.own !== "").length + (isWhole ? 1 : 0) + (prefix === "" ? 0 : 1);
    // Another message begins with the same words.
    if (found !== null && found.message !== message) return null;
    found ??= { message, form, fields: valuesOf(whole, groups, rest === undefined), text, cut: form };
    isEnough ||= own >= enough;
  }
  return isEnough ? found : null;
}

/** The values that are whole: the last may not be, if the line ends with it. */
function valuesOf(words: readonly Word[], groups: Readonly<Record<string, string>>, isEnd: boolean): Fields {
  const fields: Partial<Record<LineField, string>> = {};
  for (const [i, { text, field }] of words.entries()) {
    if (field === null || (isEnd && i === words.length - 1 && text.endsWith("}") && field !== "word")) continue;
    fields[field] ??= groups[`v${i}`] ?? "";
  }
  return fields;
}
