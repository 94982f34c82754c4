import { type Command, Help, type Option } from "commander";
import { codes } from "../../diag/definitions.ts";
import { protocols } from "../../ftrace/model/protocols/index.ts";
import { UsageError } from "../files/io.ts";

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
  /** What its argument can be; files too, if it is empty. */
  readonly words: readonly string[];
}

export const SHELLS = ["bash", "zsh", "fish"] as const;

/** The command that needs no name. */
const DEFAULT = "link";

function entriesOf(program: Command): Entry[] {
  const help = new Help();
  const commands = help.visibleCommands(program);
  const names = commands.map((c) => c.name());
  const words: Readonly<Record<string, readonly string[]>> = {
    explain: codes,
    completion: SHELLS,
    help: names,
    model: protocols.map((p) => p.name),
  };
  return commands.map((command) => ({
    name: command.name(),
    description: command.summary() === "" ? command.description() : command.summary(),
    options: help.visibleOptions(command),
    words: words[command.name()] ?? [],
  }));
}

/** Whether an option's value is a file or a folder: a number or a name is not to be completed with files. */
const takesFile = (option: Option): boolean => /[<[](?:file|path|folder|vmlinux)\b/.test(option.flags);

const flagsOf = (option: Option): string[] => [option.short, option.long].filter((f) => f != null);

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
      throw new UsageError(`completion for ${shell}: the choices are ${SHELLS.join(", ")}`);
  }
}

function bash(entries: readonly Entry[]): string {
  const link = entries.find((e) => e.name === DEFAULT)?.options ?? [];
  const words = (options: readonly Option[]): string => options.flatMap(flagsOf).join(" ");
  /** A command's options with values: of fixed choices, or files; `*` is the command that needs no name. */
  const valuesOf = (command: string, options: readonly Option[]): string[] =>
    options
      .filter((o) => o.required)
      .map((o) => {
        const names = flagsOf(o).map((flag) => `${command}:${flag}`);
        const reply =
          o.argChoices !== undefined
            ? ` _klplink_reply -W "${o.argChoices.join(" ")}" -- "$word";`
            : takesFile(o)
              ? ' _klplink_files "$word";'
              : "";
        return `    ${names.join("|")})${reply} return ;;\n`;
      });
  const values = [...entries.flatMap((e) => valuesOf(e.name, e.options)), ...valuesOf("*", link)];
  const cases = entries.map(
    (e) =>
      `    ${e.name}) options="${words(e.options)}"${e.words.length === 0 ? "" : ` words="${e.words.join(" ")}"`} ;;\n`,
  );
  const commands = entries.map((e) => e.name).join(" ");
  return bashScript({ values: values.join(""), cases: cases.join(""), link: words(link), commands });
}

/** The script around what the options give. `values`, `cases`: lines of a case statement; `link`, `commands`: words. */
const bashScript = ({
  values,
  cases,
  link,
  commands,
}: Readonly<Record<"values" | "cases" | "link" | "commands", string>>): string =>
  `# bash completion for klplink: source it, or put it into the folder of your distribution's completions.
# One candidate a line: names may have blanks.
_klplink_reply() {
  mapfile -t COMPREPLY < <(compgen "$@")
}
_klplink_files() {
  compopt -o filenames 2>/dev/null
  _klplink_reply -f -- "$1"
}
_klplink_offers() {
  local word=$1 before=$2 options words=""
  case \${COMP_WORDS[1]}:$before in
${values}  esac
  case \${COMP_WORDS[1]} in
${cases}    *) options="${link}" ;;
  esac
  if [[ $word == -* ]]; then
    _klplink_reply -W "$options" -- "$word"
  elif ((COMP_CWORD == 1)); then
    compopt -o filenames 2>/dev/null
    _klplink_reply -W "${commands}" -f -- "$word"
  elif [[ -n $words ]]; then
    _klplink_reply -W "$words" -- "$word"
  fi
  if ((\${#COMPREPLY[@]} == 0)); then
    _klplink_files "$word"
  fi
}
_klplink() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} kept=""
  COMPREPLY=()
  # --option=value is three words, or one where COMP_WORDBREAKS has no =.
  if [[ $word == = ]]; then
    word=""
  elif [[ $before == = ]] && ((COMP_CWORD > 2)); then
    before=\${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $word == --*=* ]]; then
    before=\${word%%=*}
    kept=$before=
    word=\${word#*=}
  fi
  _klplink_offers "$word" "$before"
  COMPREPLY=("\${COMPREPLY[@]/#/$kept}")
}
complete -F _klplink klplink
`;

function zsh(entries: readonly Entry[]): string {
  const quote = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;
  const bare = (text: string): string => text.replace(/[\\[\]:]/g, "\\$&").replace(/\s+/g, " ");
  const specs = (o: Option): string => {
    const value =
      o.argChoices !== undefined
        ? `:value:(${o.argChoices.join(" ")})`
        : o.required
          ? `:value:${takesFile(o) ? "_files" : " "}`
          : "";
    return flagsOf(o)
      .map((flag) =>
        quote(`*${flag}${value !== "" && flag.startsWith("--") ? "=" : ""}[${bare(o.description)}]${value}`),
      )
      .join(" ");
  };
  const argumentsOf = ({ options, words }: Entry): string => {
    const rest = words.length === 0 ? "*:file:_files" : `*:word:(${words.join(" ")})`;
    return `_arguments ${[...options.map(specs), quote(rest)].join(" \\\n      ")}`;
  };
  const cases = entries.filter((e) => e.name !== DEFAULT).map((e) => `    ${e.name}) ${argumentsOf(e)} ;;\n`);
  const standard = entries.find((e) => e.name === DEFAULT);
  const names = entries.map((e) => `    ${quote(`${e.name}:${e.description.replace(/\s+/g, " ")}`)}\n`);
  return `#compdef klplink
# zsh completion for klplink: put it as _klplink into a folder of $fpath.
_klplink() {
  local -a commands
  commands=(
${names.join("")}  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe command commands
    _files
    return
  fi
  local command=$words[2]
  if [[ $command != -* ]]; then
    shift words
    ((CURRENT--))
  fi
  case $command in
${cases.join("")}    *) ${standard === undefined ? "_files" : argumentsOf(standard)} ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _klplink "$@"
else
  compdef _klplink klplink
fi
`;
}

function fish(entries: readonly Entry[]): string {
  const quote = (text: string): string => `'${text.replace(/[\\']/g, "\\$&").replace(/\s+/g, " ")}'`;
  const lines = ["# fish completion for klplink: put it as klplink.fish into ~/.config/fish/completions."];
  const names = entries.map((e) => e.name);
  const others = names.filter((n) => n !== DEFAULT);
  const none = `not __fish_seen_subcommand_from ${names.join(" ")}`;
  for (const e of entries) {
    lines.push(`complete -c klplink -n ${quote(none)} -a ${e.name} -d ${quote(e.description)}`);
    const here =
      e.name === DEFAULT
        ? `not __fish_seen_subcommand_from ${others.join(" ")}`
        : `__fish_seen_subcommand_from ${e.name}`;
    if (e.words.length > 0) lines.push(`complete -c klplink -n ${quote(here)} -a ${quote(e.words.join(" "))}`);
    for (const o of e.options) {
      const short = o.short == null ? "" : ` -s ${o.short.slice(1)}`;
      const long = o.long == null ? "" : ` -l ${o.long.slice(2)}`;
      const value =
        o.argChoices !== undefined
          ? ` -x -a ${quote(o.argChoices.join(" "))}`
          : o.required
            ? takesFile(o)
              ? " -r"
              : " -x"
            : "";
      lines.push(`complete -c klplink -n ${quote(here)}${short}${long}${value} -d ${quote(o.description)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
