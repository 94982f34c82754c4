import { statSync } from "node:fs";
import { fileText } from "../../base/shell.ts";
import { levelOf, type Problem } from "../../diag/catalogue.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type DiffInput, type DiffResult, diffObjects, extractDiff, type OneExtract } from "../../passes/diff/diff.ts";
import { StructUsers } from "../../passes/diff/structUsers.ts";
import type { Context } from "../context.ts";
import { readInput, readUnpacked, UsageError, write } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import { DEBUG, type PartlyRead, readPartly } from "../files/partlyRead.ts";
import { readKernel, refuseOverwriting } from "../options.ts";
import { Reporter } from "../report.ts";
import { changesDocument, changesText, takenItemsText, takenRows } from "./diffed.ts";
import {
  type DiffCommandOptions,
  extractOptions,
  graphForm,
  objectOf,
  parsePair,
  parseSize,
  titleOfGraph,
  writeGraph,
} from "./diffOptions.ts";

/** `klplink diff <orig> <patched>`: returns the exit status. */
export async function runDiff(
  orig: string,
  patched: string,
  options: DiffCommandOptions,
  context: Context,
): Promise<number> {
  if (orig === "-" && patched === "-") throw new UsageError("standard input can be one of the two objects only");
  const folders = [orig, patched].filter(isFolder);
  if (folders.length === 2) return (await import("./diffTrees.ts")).runDiffTrees(orig, patched, options, context);
  if (folders.length === 1) return refuseFolder(folders[0] ?? "", folders[0] === orig ? patched : orig, context);
  const pairs = (options.pair ?? []).map(parsePair);
  const entrySizes = new Map((options.entrySize ?? []).map(parseSize));
  const form = graphForm(options);
  const { output = null } = options;
  for (const path of [output, options.graph ?? null])
    if (path !== null) await refuseOverwriting(path, options, [orig, patched]);
  const kernel = await readKernel(options, context);
  const object = objectOf(options, kernel);
  const [one, other] = [await readObject(orig, context), await readObject(patched, context)];
  try {
    const compare = { pairs, strictLines: options.strictLines === true, kernel, entrySizes };
    const result = await diffObjects(one, other, compare);
    const taken = output === null || kernel === null ? null : extracted(result, kernel, object, options);
    const problems = [...result.problems, ...usersInKernel(result, kernel), ...(taken?.problems ?? [])];
    await report({ result, taken, problems, output, form }, [one, other], options, context);
    return problems.some((p) => levelOf(p) === "error") ? 1 : 0;
  } finally {
    for (const { close } of [one, other]) close();
  }
}

/** What comparing two objects came to. */
interface Compared {
  readonly result: DiffResult;
  readonly taken: OneExtract | null;
  readonly problems: readonly Problem[];
  readonly output: string | null;
  readonly form: ReturnType<typeof graphForm>;
}

/** Says what was found, and writes what is asked for. */
async function report(
  { result, taken, problems, output, form }: Compared,
  [one, other]: readonly [ObjectInput, ObjectInput],
  options: DiffCommandOptions,
  context: Context,
): Promise<void> {
  const reporter = new Reporter(options, context);
  const outcome = reporter.isText
    ? {}
    : {
        ...(await changesDocument(result)),
        output: taken?.bytes == null ? null : output,
        taken: takenRows(taken?.parts ?? []),
      };
  const ofOrig = problems.filter((p) => p.at.file === one.path && one.path !== other.path);
  if (ofOrig.length > 0) await reporter.add(one.path, result.orig, ofOrig);
  await reporter.add(
    other.path,
    result.patched,
    problems.filter((p) => !ofOrig.includes(p)),
    outcome,
  );
  if (output !== null && taken?.bytes != null) {
    if (output === "-") await write(context.stdout, taken.bytes);
    else writeOutput(output, taken.bytes, other.mode);
  }
  await writeGraph(options, form, [result], titleOfGraph([one.path, other.path]));
  const messages = output === "-" ? context.stderr : context.stdout;
  if (reporter.isText && options.quiet !== true) {
    await write(
      messages,
      (await changesText(result, options)) +
        (output === null ? "" : takenItemsText(taken, result.patched.path, output, options)),
    );
  }
  await reporter.finish(messages);
}

type ObjectInput = DiffInput & Pick<PartlyRead, "mode" | "close">;

/** Of a large file debug information is read when it is needed. @throws InputProblem, UsageError */
async function readObject(path: string, context: Context): Promise<ObjectInput> {
  const partly = path === "-" ? null : readPartly(path, DEBUG);
  if (partly !== null) return { ...partly, path };
  const { bytes, name, mode } = await readUnpacked(path, context);
  return { bytes, path: name, mode, close: () => {} };
}

/** @throws InputProblem, UsageError */
async function refuseFolder(folder: string, other: string, context: Context): Promise<never> {
  // One that is not there is what is wrong, whatever it was to be.
  if (other !== "-") await readInput(other, context);
  throw new UsageError(`${fileText(folder)} is a folder: give two objects, or two folders`);
}

/** Null where an error was found already. */
function extracted(result: DiffResult, kernel: Kernel, object: string, options: DiffCommandOptions): OneExtract | null {
  if (result.problems.some((p) => levelOf(p) === "error")) return null;
  return extractDiff(result, { kernel, object, ...extractOptions(options) });
}

function isFolder(path: string): boolean {
  try {
    return path !== "-" && statSync(path).isDirectory();
  } catch {
    // Reading it will say why.
    return false;
  }
}

/** Functions of other files of the kernel that use a struct whose layout changed, by the types of the kernel. */
function usersInKernel(result: DiffResult, kernel: Kernel | null): readonly Problem[] {
  const users = new StructUsers([result]);
  if (kernel === null || users.isEmpty) return [];
  users.addKernel(kernel, new Set(result.diff.functions.map((c) => c.name)));
  return users.problems();
}
