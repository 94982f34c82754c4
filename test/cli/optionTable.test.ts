import { Command, InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import {
  acts,
  choiceOr,
  flag,
  listWord,
  parsedOr,
  repeatedWord,
  unless,
  type ValuesOf,
  word,
} from "../../src/cli/optionTable.ts";

const rows = {
  output: word("-o, --output <file>", "the output"),
  inPlace: flag("--in-place", "overwrite the input"),
  lines: unless("--no-lines", "no lines"),
  how: choiceOr("--how <how>", "how it is done", ["plainly", "well"], "plainly"),
  pair: repeatedWord("--pair <a=b>", "a pair"),
  sign: listWord("--sign <files...>", "a key and a certificate"),
  jobs: parsedOr(
    "-j, --jobs <n>",
    "jobs",
    (text) => {
      if (!/^\d+$/.test(text)) throw new InvalidArgumentError("A number.");
      return Number(text);
    },
    2,
  ),
};

async function run(...args: readonly string[]): Promise<{ options: ValuesOf<typeof rows>; given: readonly string[] }> {
  const found: { options: ValuesOf<typeof rows>; given: readonly string[] }[] = [];
  const statuses: number[] = [];
  const command = new Command("do").argument("<first>").argument("[others...]").exitOverride();
  command.configureOutput({ writeErr: () => {} });
  acts(
    command,
    rows,
    (status) => statuses.push(status),
    async (options, given) => {
      found.push({ options, given });
      return 1;
    },
  );
  await command.parseAsync(args, { from: "user" });
  expect(statuses).toEqual([1]);
  const [only] = found;
  if (only === undefined) throw new Error("the command did not run");
  return only;
}

test("a command gets what its rows say, and its arguments one after the other", async () => {
  expect(await run("one")).toEqual({ options: { lines: true, how: "plainly", jobs: 2 }, given: ["one"] });
  const all = await run(
    ..."one two three -o x --in-place --no-lines --how well --pair a=b --pair c=d -j 4 --sign k c".split(" "),
  );
  expect(all).toEqual({
    options: {
      output: "x",
      inPlace: true,
      lines: false,
      how: "well",
      pair: ["a=b", "c=d"],
      jobs: 4,
      sign: ["k", "c"],
    },
    given: ["one", "two", "three"],
  });
  await expect(run("one", "--how", "badly")).rejects.toThrow("Allowed choices are plainly, well.");
  await expect(run("one", "-j", "x")).rejects.toThrow("A number.");
});

test("the types are those of the rows", async () => {
  const { options } = await run("one");
  const how: "plainly" | "well" = options.how;
  const jobs: number = options.jobs;
  const lines: boolean = options.lines;
  // @ts-expect-error an option without a value to stand in for it may be absent
  const output: string = options.output;
  // @ts-expect-error no row has this name
  const other: unknown = options.outptu;
  expect([how, jobs, lines, output, other]).toEqual(["plainly", 2, true, undefined, undefined]);
});

test("a row that is called otherwise than its option is refused when the command is made", () => {
  const make = (): Command =>
    acts(
      new Command("do"),
      { out: word("-o, --output <file>", "the output") },
      () => {},
      async () => 0,
    );
  expect(make).toThrow("-o, --output <file> is in the table as out");
});
