// How `--help` looks: the program's fits a screen of 24 lines, a command's options stand in groups.

import { type Argument, type Command, Help, type HelpConfiguration, type Option } from "commander";

/** Headings of the groups of options, in their order. A command's own options stand under commander's `Options:`. */
export const KERNEL_GROUP = "The kernel:";
export const MESSAGE_GROUP = "Messages:";
const ORDER = ["Options:", KERNEL_GROUP, MESSAGE_GROUP];

/** `form of diagnostics: text (default), json` */
function optionDescription(option: Option): string {
  const { argChoices, defaultValue, description } = option;
  if (argChoices === undefined) {
    return defaultValue === undefined ? description : `${description} (default: ${String(defaultValue)})`;
  }
  const choices = argChoices.map((c) => (c === defaultValue ? `${c} (default)` : c));
  return `${description}: ${choices.join(", ")}`;
}

/** `check <module...>`: without the word `[options]`, which all have. */
function subcommandTerm(command: Command): string {
  const form = (a: Argument): string => {
    const name = `${a.name()}${a.variadic ? "..." : ""}`;
    return a.required ? `<${name}>` : `[${name}]`;
  };
  return [command.name(), ...command.registeredArguments.map(form)].join(" ");
}

/** For all commands: set before they are made, so that they inherit it. */
export const helpConfiguration: HelpConfiguration = {
  optionDescription,
  subcommandTerm,
  minWidthToWrap: 24,
  groupItems(unsorted, visible, getGroup) {
    const groups = new Help().groupItems(unsorted, visible, getGroup);
    const place = (heading: string): number => (ORDER.includes(heading) ? ORDER.indexOf(heading) : -1);
    return new Map([...groups].sort(([a], [b]) => place(a) - place(b)));
  },
};

/** For the program itself: its own options are named in the usage, and `help` too. */
export function shortenHelp(program: Command): Command {
  return program.configureHelp({
    ...helpConfiguration,
    formatHelp: (command, helper) => {
      const shorter = Object.assign(Object.create(helper) as Help, {
        visibleOptions: () => [],
        visibleCommands: () => helper.visibleCommands(program).filter((c) => c.name() !== "help"),
      });
      // A line less: it is to fit a screen.
      return Help.prototype.formatHelp.call(shorter, command, shorter).replace("\n\n", "\n");
    },
  });
}
