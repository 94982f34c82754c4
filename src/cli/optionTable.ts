// A table of options: each is one row, which says how it is written, what help says of it, and what a command gets. The parser, help,
// the man page and the completions are made from rows, and so are the types of the commands' options.

import { type Command, Option } from "commander";

/** An option whose value a command gets as `Value`; undefined in it: where the option is not given. */
export interface OptionRow<Value> {
  /** As in help: `-o, --output <file>`. The key of the row is its long name in camel case, without `no-`. */
  readonly flags: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** The value where the option is not given. */
  readonly standard?: unknown;
  /** Reads a value; `before` is that of the same option before. Throws InvalidArgumentError. */
  readonly read?: (value: string, before: never) => unknown;
  /** Heading of help. */
  readonly group?: string;
  /** Never there: it carries the type. */
  readonly value?: () => Value;
}

export type OptionTable = Readonly<Record<string, OptionRow<unknown>>>;

type ValueOf<Row> = Row extends OptionRow<infer Value> ? Value : never;

/** What a command with the options of a table gets. */
export type ValuesOf<Table extends OptionTable> = {
  readonly [K in keyof Table as undefined extends ValueOf<Table[K]> ? never : K]: ValueOf<Table[K]>;
} & {
  readonly [K in keyof Table as undefined extends ValueOf<Table[K]> ? K : never]?: Exclude<
    ValueOf<Table[K]>,
    undefined
  >;
};

/** Given, or not. */
export const flag = (flags: string, text: string): OptionRow<boolean | undefined> => ({ flags, text });

/** `--no-…`: true unless it is given. */
export const unless = (flags: string, text: string): OptionRow<boolean> => ({ flags, text });

export const word = (flags: string, text: string): OptionRow<string | undefined> => ({ flags, text });

export const wordOr = (flags: string, text: string, standard: string): OptionRow<string> => ({ flags, text, standard });

/** `--map [file]`: true where it stands alone. */
export const flagOrWord = (flags: string, text: string): OptionRow<string | boolean | undefined> => ({ flags, text });

/** Several words behind one option. */
export const listWord = (flags: string, text: string): OptionRow<readonly string[] | undefined> => ({ flags, text });

/** An option that may be given several times. */
export const repeatedWord = (flags: string, text: string): OptionRow<readonly string[] | undefined> =>
  parsed(flags, text, (value, before: readonly string[] | undefined) => [...(before ?? []), value]);

export const choice = <Choice extends string>(
  flags: string,
  text: string,
  choices: readonly Choice[],
): OptionRow<Choice | undefined> => ({ flags, text, choices });

export const choiceOr = <Choice extends string>(
  flags: string,
  text: string,
  choices: readonly Choice[],
  standard: NoInfer<Choice>,
): OptionRow<Choice> => ({ flags, text, choices, standard });

/** A value of a form of its own. @param reader throws InvalidArgumentError with the form */
export const parsed = <Value>(
  flags: string,
  text: string,
  reader: (value: string, before: Value | undefined) => Value,
): OptionRow<Value | undefined> => ({ flags, text, read: reader });

export const parsedOr = <Value>(
  flags: string,
  text: string,
  reader: (value: string) => Value,
  standard: Value,
): OptionRow<Value> => ({ flags, text, read: reader, standard });

/** The rows of a table under a heading of help. */
export const inGroup = <Table extends OptionTable>(group: string, table: Table): Table =>
  Object.fromEntries(Object.entries(table).map(([name, row]) => [name, { ...row, group }])) as unknown as Table;

function optionOf(name: string, row: OptionRow<unknown>): Option {
  const option = new Option(row.flags, row.text);
  if (option.attributeName() !== name) throw new Error(`${row.flags} is in the table as ${name}`);
  if (row.choices !== undefined) option.choices(row.choices);
  if (row.read !== undefined) option.argParser(row.read as (value: string, before: unknown) => unknown);
  if (row.standard !== undefined) option.default(row.standard);
  if (row.group !== undefined) option.helpGroup(row.group);
  return option;
}

/** What a command does. @param given its arguments, one after the other @returns the exit status */
export type Act<Table extends OptionTable> = (options: ValuesOf<Table>, given: readonly string[]) => Promise<number>;

/** Gives a command its options and what it does. @param end takes the exit status */
export function acts<Table extends OptionTable>(
  command: Command,
  table: Table,
  end: (status: number) => void,
  act: Act<Table>,
): Command {
  for (const [name, row] of Object.entries(table)) command.addOption(optionOf(name, row));
  return command.action(async () => {
    const given = command.processedArgs.flat().filter((argument): argument is string => argument !== undefined);
    end(await act(command.opts() as ValuesOf<Table>, given));
  });
}
