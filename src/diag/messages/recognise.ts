// From a line of dmesg to the message that it is.

import { recogniseCut } from "./cut.ts";
import type { Field, Message, Recognised } from "./define.ts";
import { PREFIX, patternOf, type Shown } from "./forms.ts";
import { ftraceMessages } from "./ftrace.ts";
import { insmodMessages } from "./insmod.ts";
import { livepatchMessages } from "./livepatch.ts";
import { loaderMessages } from "./loader.ts";
import { stripLogger, withoutStop } from "./logger.ts";
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

function compile(): readonly Compiled[] {
  return allShown().map(({ message, form, shown }) => {
    const names: Field[] = [];
    const source = patternOf(shown, (field) => {
      names.push(field);
      return "(";
    });
    return { message, form, names, pattern: new RegExp(`^${PREFIX}${source}\\s*$`) };
  });
}

/** What a line says, or null if it is none of the messages. */
export function recognise(line: string): Recognised | null {
  const text = stripLogger(line);
  // printk cuts a line at 1024 bytes (LOG_LINE_MAX); loggers may add a little.
  if (text === "" || text.length > 1200) return null;
  const bare = withoutStop(text);
  return (bare === text ? null : recogniseWhole(bare)) ?? recogniseWhole(text) ?? recogniseCut(bare, allShown());
}

function recogniseWhole(text: string): Recognised | null {
  compiled ??= compile();
  for (const { message, form, pattern, names } of compiled) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const fields: Partial<Record<Field, string>> = {};
    for (const [i, name] of names.entries()) fields[name] ??= match[i + 1] ?? "";
    return { message, form, fields, text, cut: null };
  }
  return null;
}
