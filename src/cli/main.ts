import { Command, CommanderError } from "commander";
import { shellWord } from "../base/shell.ts";
import { isHidden, visible } from "../base/visible.ts";
import { UnpackPool } from "../elf/containers/budget.ts";
import { type Context, sharing } from "./context.ts";
import { InputProblem, STDOUT, UsageError, write } from "./files/io.ts";
import { helpConfiguration, shortenHelp } from "./help.ts";
import { problemOf } from "./options.ts";
import { COMMANDS, type End } from "./program.ts";
import { FORMATS, Reporter } from "./report.ts";
import { checkHelpWord, meantCommand, usageText } from "./usage.ts";

/** Exit statuses. `internal` means a bug in klplink. */
export const STATUS = { good: 0, refused: 1, usage: 2, file: 3, internal: 70 } as const;

/** @param only the one command to make; null: all @param end takes the exit status of the command that ran. */
function program(only: string | null, context: Context, end: End): Command {
  const klplink = new Command("klplink")
    .description("Link, check and explain Linux livepatch modules, for ppc64le, arm64, x86_64.")
    .version(context.version, "-V, --version")
    .usage("<module> [options] | <command> ... | help <command> | --version")
    .helpCommand(true)
    .configureHelp(helpConfiguration)
    .exitOverride()
    // Said in usage.ts, with what was probably meant.
    .configureOutput({
      outputError: () => {},
      writeOut: (text) => void write(context.stdout, text).catch((error) => tellUnwritten(error, context)),
    })
    .addHelpText(
      "after",
      `
Examples:
  klplink mod.ko -k System.map         link: mod.klp.ko then loads
  dmesg | klplink explain -m mod.ko    why the kernel refused it, and where
Exit status: 0 good; 1 errors; 2 wrong usage; 3 a bad file; 70 a bug in klplink.`,
    );
  for (const [name, add] of Object.entries(COMMANDS)) if (only === null || name === only) add(klplink, context, end);
  return shortenHelp(klplink);
}

/** Commands that take the place of other tools, and read the command line as those do. */
const STAND_IN_WORDS = ["create-diff-object", "create-klp-module", "klp"];

/** The words for a program that was started by the name of one of these tools, as a link to klplink is. */
export function namedWords(program: string, words: readonly string[]): readonly string[] {
  const name = program.replace(/^.*\//, "");
  return name === "create-diff-object" || name === "create-klp-module" ? [name, ...words] : words;
}

/** Commands that look at all others. */
const NEED_ALL = ["completion", "man", "setup"];

/** The command that the words ask for, where neither help nor the version is asked for; null: that needs all of them. */
function onlyCommand(argv: readonly string[]): string | null {
  const [first = ""] = argv;
  if (argv.length === 0 || first === "help" || argv.some((word) => /^-(?:-help$|-version$|\w*[hV])/.test(word)))
    return null;
  if (NEED_ALL.includes(first)) return null;
  return Object.hasOwn(COMMANDS, first) ? first : "link";
}

/**
 * Runs the command line and returns its exit status.
 * @param argv its arguments, without the program's name.
 */
export async function main(argv: readonly string[], surroundings: Context): Promise<number> {
  const context = sharing(surroundings, new UnpackPool());
  let status: number = STATUS.good;
  const parse = async (only: string | null): Promise<void> => {
    const klplink = program(only, context, (ended) => {
      status = ended;
    });
    if (only === null) checkHelpWord(argv, klplink);
    await klplink.parseAsync(argv, { from: "user" });
  };
  const all = (): Command => program(null, context, () => {});
  const standIn = STAND_IN_WORDS.includes(argv[0] ?? "") ? await import("./standins/standIn.ts") : null;
  if (argv.length === 0) {
    await write(context.stderr, all().helpInformation());
    return STATUS.usage;
  }
  try {
    const ended = (await standIn?.runStandIn(argv, context)) ?? null;
    if (ended !== null) return ended;
    await parse(onlyCommand(argv));
    return status;
  } catch (error) {
    return await fail(error, argv, all, context);
  }
}

/** Reports an error that ended a command; returns the exit status. */
async function fail(error: unknown, argv: readonly string[], all: () => Command, context: Context): Promise<number> {
  if (error instanceof CommanderError && error.exitCode === 0) return STATUS.good;
  if (error instanceof CommanderError || error instanceof UsageError) {
    const said = asTyped(usageText(error, argv, all()), argv);
    await write(context.stderr, `klplink: ${error instanceof UsageError ? visible(said) : said}\n`);
    return STATUS.usage;
  }
  const problem = problemOf(error);
  if (problem !== null) {
    const given = <T extends string>(name: string, choices: readonly T[], otherwise: T): T =>
      choices.find((c) => argv.some((word, i) => word === `${name}=${c}` || (word === c && argv[i - 1] === name))) ??
      otherwise;
    // A standard output that takes nothing cannot take the report either.
    const format = problem.at.file === STDOUT ? "text" : given("--format", FORMATS, "text");
    const color = given("--color", ["auto", "always", "never"], "auto");
    const [first = "", ...rest] = argv;
    const wish = problem.code === "KLP104" && /^\w+$/.test(first) ? meantCommand(first, all()) : null;
    if (wish !== null && wish !== first && problem.at.file === first) {
      const command = ["klplink", wish, ...rest].map(shellWord).join(" ");
      await write(context.stderr, `klplink: there is no command ${shellWord(first)}; did you mean \`${command}\`?\n`);
    }
    const reporter = new Reporter({ format, color }, context);
    await reporter.add(problem.at.file, null, [problem]);
    await reporter.finish();
    return STATUS.file;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  await write(
    context.stderr,
    `klplink: internal error in version ${context.version}; nothing was written\nPlease report it with the input file and this text:\n${stack}\n`,
  );
  return STATUS.internal;
}

/** A message with the words of the command line that it repeats in a form that can be typed, where a terminal must not get them. */
const asTyped = (text: string, argv: readonly string[]): string =>
  argv.filter(isHidden).reduce((said, word) => said.replaceAll(word, () => shellWord(word)), text);

/** Help texts are written by commander, which waits for nothing. */
function tellUnwritten(error: unknown, context: Context): void {
  const why = error instanceof InputProblem ? (error.problem.data as { why: string }).why : String(error);
  void write(context.stderr, `klplink: ${STDOUT}: cannot be written: ${why}\n`);
}
