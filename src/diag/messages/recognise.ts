// From a line of dmesg to the message that it is.

import type { Field, Message, Recognised } from "./define.ts";
import { ftraceMessages } from "./ftrace.ts";
import { insmodMessages } from "./insmod.ts";
import { livepatchMessages } from "./livepatch.ts";
import { loaderMessages } from "./loader.ts";
import { stripLogger } from "./logger.ts";
import { relocationMessages } from "./relocations.ts";

/**
 * What kernels between 4.15 and 7.2 print about a module, and what it means, one row a message. The first row that fits
 * a line is taken.
 */
export const messages: readonly Message[] = [
  ...relocationMessages,
  ...loaderMessages,
  ...livepatchMessages,
  ...ftraceMessages,
  ...insmodMessages,
];

const PATTERNS: Readonly<Record<Field, string>> = {
  module: "[\\w-]+",
  symbol: "[^\\s']+",
  word: "[0-9a-f]{8}",
  type: "\\d+",
  value: "-?(?:0x)?[0-9a-f]+",
  address: "(?:\\(____ptrval____\\)|[^\\s+]+\\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?|ADDRESS|(?:0x)?[0-9a-f]+)(?: \\[\\w+\\])?",
  errno: "-?\\d+",
  section: "\\S+",
  sectionIndex: "\\d+",
  row: "\\d+",
  object: "[^\\s']+",
  name: "[^']+?",
  number: "-?\\d+",
  text: ".*?",
};

/** `pr_fmt` of the files that print them. Some lines of dmesg have none, and some loggers cut it. */
const PREFIX = "(?:(?:module_64|module|Modules|kmod|livepatch|ftrace-powerpc|ftrace|x86/modules|kobject|kpatch): )*";

/**
 * The module's name at the start of a form, which people cut from the lines that they quote. What is left must still be
 * words that say something: not a single one, and not only what the line fills in.
 */
const NAME_FIRST = /^(?:module )?\{module\}: (?=(?:[^{]*\b[a-zA-Z]{3,}\b){2})/;

interface Compiled {
  readonly message: Message;
  readonly form: string;
  readonly pattern: RegExp;
  readonly names: readonly Field[];
}

let compiled: readonly Compiled[] | null = null;

/** All forms, and behind them, as whole lines go first, those of lines that lack the module's name. */
function compile(): readonly Compiled[] {
  const whole = messages.flatMap((message) => message.forms.map((form) => ({ message, form, shown: form })));
  const cut = whole
    .filter(({ form }) => NAME_FIRST.test(form))
    .map(({ message, form }) => ({ message, form, shown: form.replace(NAME_FIRST, "") }));
  return [...whole, ...cut].map(({ message, form, shown }) => {
    const names: Field[] = [];
    const source = shown
      .split(/\{(\w+)\}/)
      .map((part, i) => {
        if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        names.push(part as Field);
        return `(${PATTERNS[part as Field]})`;
      })
      .join("");
    return { message, form, names, pattern: new RegExp(`^${PREFIX}${source}\\s*$`) };
  });
}

/** What a line says, or null if it is none of the messages. */
export function recognise(line: string): Recognised | null {
  const text = stripLogger(line);
  // printk cuts a line at 1024 bytes (LOG_LINE_MAX); loggers may add a little.
  if (text === "" || text.length > 1200) return null;
  compiled ??= compile();
  for (const { message, form, pattern, names } of compiled) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const fields: Partial<Record<Field, string>> = {};
    for (const [i, name] of names.entries()) fields[name] ??= match[i + 1] ?? "";
    return { message, form, fields, text };
  }
  return null;
}
