// What a wrong command line is answered with: what is wrong, and what was probably meant.

import { type Command, type CommanderError, Help } from "commander";
import { shellWord } from "../base/shell.ts";
import { nearNames } from "../kernel/symbols/nearNames.ts";
import { UsageError } from "./files/io.ts";

const commandsOf = (program: Command): readonly Command[] => new Help().visibleCommands(program);

/** A command that shares most letters with a mistyped word; null if none does. */
export function meantCommand(word: string, program: Command): string | null {
  const names = commandsOf(program).map((c) => c.name());
  const letters = (text: string): string => [...text].sort().join("");
  const isNear = (name: string): boolean =>
    Math.abs(name.length - word.length) <= 1 &&
    (letters(name) === letters(word) || [...word].filter((l) => name.includes(l)).length >= name.length - 1);
  return (
    names.find((name) => name.startsWith(word) && word.length > 1) ??
    names.find(isNear) ??
    nearNames(word, names, 1)[0] ??
    null
  );
}

/** `; did you mean \`x\`?` or nothing. */
const meant = (names: readonly string[]): string =>
  names.length === 0 ? "" : `; did you mean ${names.map((n) => `\`${n}\``).join(" or ")}?`;

/** The command that the words name, or the default one. */
function commandOf(program: Command, words: readonly string[]): Command | undefined {
  const commands = commandsOf(program);
  return commands.find((c) => c.name() === words[0]) ?? commands.find((c) => c.name() === "link");
}

/** Words for a value that is none of an option's choices. */
function wrongChoice(message: string): string | null {
  const match = /option '(.+?)' argument '(.*?)' is invalid\. Allowed choices are (.*)\./.exec(message);
  if (match === null) return null;
  const [, flags = "", value = "", list = ""] = match;
  const flag = flags.match(/--[\w-]+/)?.[0] ?? flags;
  return `${flag} ${value}: the choices are ${list}${meant(nearNames(value, list.split(", "), 1))}`;
}

/** What to say of an error in the command line, without a final newline. @param words the arguments as they were typed. */
export function usageText(error: CommanderError | UsageError, words: readonly string[], program: Command): string {
  if (error instanceof UsageError) return error.message;
  const message = error.message.replace(/^error: /, "");
  const command = commandOf(program, words);
  const help = `\`klplink ${command?.name() ?? ""} --help\` shows all options and examples`;
  switch (error.code) {
    case "commander.unknownOption":
      return `${message.replace(/\n\(Did you mean (.+)\?\)/, "; did you mean `$1`?")}\n${help}`;
    case "commander.invalidArgument":
      return wrongChoice(message) ?? message;
    case "commander.missingArgument":
      return `${message}: the form is \`klplink ${command?.name()} ${command?.usage()}\`\n${help}`;
    case "commander.excessArguments": {
      const [first = "", ...rest] = words;
      const isCommand = commandsOf(program).some((c) => c.name() === first);
      const wish = isCommand || !/^[a-z]+$/i.test(first) ? null : meantCommand(first, program);
      if (wish !== null)
        return `there is no command ${first}; did you mean \`klplink ${[wish, ...rest].map(shellWord).join(" ")}\`?`;
      return `${message}\nA kernel's symbols go with -k, modules that the patch changes with -m; several modules: \`klplink check A.ko B.ko\``;
    }
    default:
      return message;
  }
}

/** Refuses `help WORD` for a word that is not a command. @throws UsageError */
export function checkHelpWord(words: readonly string[], program: Command): void {
  const [help, word] = words;
  if (help !== "help" || word === undefined || commandsOf(program).some((c) => c.name() === word)) return;
  const wish = meantCommand(word, program);
  throw new UsageError(`there is no command ${word}${meant(wish === null ? [] : [`klplink help ${wish}`])}`);
}
