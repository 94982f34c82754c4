import type { Command, Option } from "commander";
import { UsageError } from "./io.ts";

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
}

function entriesOf(program: Command): Entry[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      name: command.name(),
      description: command.description(),
      options: command.createHelp().visibleOptions(command),
    }));
}

const flagsOf = (option: Option): string[] => [option.short, option.long].filter((f) => f != null);
/** The first sentence's worth, without what a shell would take for its own. */
const plain = (text: string): string => text.replace(/[`'"[\]$\\:]/g, "").replace(/\s+/g, " ");

/** Completion for one shell, from the table of commands and options. @throws UsageError for other shells. */
export function completionScript(program: Command, shell: string): string {
  const entries = entriesOf(program);
  switch (shell) {
    case "bash":
      return bash(entries);
    case "zsh":
      return zsh(entries);
    case "fish":
      return fish(entries);
    default:
      throw new UsageError(`completion for ${shell}: the choices are bash, zsh, fish`);
  }
}

function bash(entries: readonly Entry[]): string {
  const link = entries.find((e) => e.name === "link")?.options ?? [];
  const words = (options: readonly Option[]): string => options.flatMap(flagsOf).join(" ");
  /** A command's options with fixed choices; `*` is link, the command that needs no name. */
  const valuesOf = (command: string, options: readonly Option[]): string[] =>
    options.flatMap((o) =>
      o.argChoices === undefined
        ? []
        : [
            `    ${flagsOf(o)
              .map((flag) => `${command}:${flag}`)
              .join("|")}) COMPREPLY=($(compgen -W "${o.argChoices.join(" ")}" -- "$word")); return ;;\n`,
          ],
    );
  const values = [...entries.flatMap((e) => valuesOf(e.name, e.options)), ...valuesOf("*", link)];
  const cases = entries.map((e) => `    ${e.name}) options="${words(e.options)}" ;;\n`);
  return `# bash completion for klplink: source it, or put it into the folder of your distribution's completions.
_klplink() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options
  COMPREPLY=()
  case \${COMP_WORDS[1]}:$before in
${values.join("")}  esac
  case \${COMP_WORDS[1]} in
${cases.join("")}    *) options="${words(link)}" ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${entries.map((e) => e.name).join(" ")}" -- "$word") $(compgen -f -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _klplink klplink
`;
}

function zsh(entries: readonly Entry[]): string {
  const spec = (o: Option): string => {
    const value = o.argChoices !== undefined ? `:value:(${o.argChoices.join(" ")})` : o.required ? ":value:_files" : "";
    const help = `[${plain(o.description)}]${value}`;
    return flagsOf(o)
      .map((flag) => `'${flag}${help}'`)
      .join(" ");
  };
  const cases = entries.map(
    (e) => `    ${e.name}) _arguments ${[...e.options.map(spec), "'*:file:_files'"].join(" \\\n      ")} ;;\n`,
  );
  const names = entries.map((e) => `    '${e.name}:${plain(e.description)}'\n`);
  return `#compdef klplink
# zsh completion for klplink: put it as _klplink into a folder of $fpath.
_klplink() {
  local -a commands
  commands=(
${names.join("")}  )
  if ((CURRENT == 2)); then
    _describe command commands
    _files
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join("")}    *) _files ;;
  esac
}
_klplink "$@"
`;
}

function fish(entries: readonly Entry[]): string {
  const quote = (text: string): string => `'${plain(text)}'`;
  const lines = ["# fish completion for klplink: put it as klplink.fish into ~/.config/fish/completions."];
  const names = entries.map((e) => e.name).join(" ");
  for (const e of entries) {
    lines.push(
      `complete -c klplink -n "not __fish_seen_subcommand_from ${names}" -a ${e.name} -d ${quote(e.description)}`,
    );
    for (const o of e.options) {
      const short = o.short == null ? "" : ` -s ${o.short.slice(1)}`;
      const long = o.long == null ? "" : ` -l ${o.long.slice(2)}`;
      const value = o.argChoices !== undefined ? ` -x -a '${o.argChoices.join(" ")}'` : o.required ? " -r" : "";
      lines.push(
        `complete -c klplink -n "__fish_seen_subcommand_from ${e.name}"${short}${long}${value} -d ${quote(o.description)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
