// `klplink diff` of two folders: the objects of two builds, paired by path.

import { realpathSync } from "node:fs";
import { join } from "node:path";
import { append } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { WorkPool } from "../../base/work.ts";
import { levelOf, type Problem, problem } from "../../diag/catalogue.ts";
import type { Extract } from "../../diff/extract.ts";
import { readElf } from "../../elf/reader.ts";
import { readRegular } from "../../elf/regularFile.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  type DiffInput,
  type DiffResult,
  diffObjects,
  extractDiffs,
  isSameObject,
  type OwnedResult,
} from "../../passes/diff/diff.ts";
import { StructUsers } from "../../passes/diff/structUsers.ts";
import { WeakUsers } from "../../passes/diff/weakUsers.ts";
import { Unusable } from "../../passes/input.ts";
import type { Subject } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { type BuildTree, compareTrees, type PassedOver, readBuildTree } from "../files/builds/buildTree.ts";
import { checksumChanges, checksumProblems } from "../files/builds/symversChanges.ts";
import { TreeOwners } from "../files/builds/treeOwners.ts";
import { chosenPairs, type Pair } from "../files/builds/treePairs.ts";
import { UsageError, unreadable, write } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import { problemOf, readKernel, refuseOverwriting } from "../options.ts";
import { startProgress } from "../progress.ts";
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

/** A pair that was compared. */
interface Compared {
  readonly pair: Pair;
  /** Null: what is loaded is the same, or an error was met. */
  readonly result: DiffResult | null;
  readonly problems: readonly Problem[];
}

/** `klplink diff <orig> <patched>` of two folders: returns the exit status. */
export async function runDiffTrees(
  orig: string,
  patched: string,
  options: DiffCommandOptions,
  context: Context,
): Promise<number> {
  const pairs = (options.pair ?? []).map(parsePair);
  const entrySizes = new Map((options.entrySize ?? []).map(parseSize));
  const form = graphForm(options);
  const { output = null } = options;
  if (output !== null) await refuseOverwriting(output, options);
  const kernel = await readKernel(options, context);
  objectOf(options, kernel);
  const progress = await startProgress(options.quiet !== true && options.format === "text", context);
  progress.show(`reads ${orig} and ${patched}`);
  const [one, other] = bothTrees(orig, patched);
  const difference = compareTrees(one, other);
  const chosen = chosenPairs(one, other, difference, options.object ?? null);
  const reporter = new Reporter(options, context);
  const problems = [...one.problems, ...other.problems, ...difference.problems];
  const isUnreadable = problems.length > 0;
  append(problems, chosen.problems);
  if (output !== null) refuseUnknown(chosen.pairs, kernel);
  const compared: Compared[] = [];
  const pool = new WorkPool();
  const how = { pairs, strictLines: options.strictLines === true, kernel, entrySizes, pool };
  for (const pair of chosen.pairs) {
    progress.show(`compares ${pair.path}`);
    const found = await compare(pair, [one, other], how);
    compared.push(kernel === null || !pair.isNew ? found : { ...found, problems: notNew(found, one, kernel) });
  }
  append(
    problems,
    await outsideUsers([one, other], compared, pool, (path) => progress.show(`looks for users in ${path}`)),
  );
  progress.clear();
  const found = withoutForeignPairs(compared);
  const isRefused = [...problems, ...found.flatMap((c) => c.problems)].some(isError);
  const owned = found.flatMap(({ pair, result }): OwnedResult[] =>
    result === null ? [] : pair.objects.map((object) => ({ result, object })),
  );
  const taken =
    output === null || kernel === null || isRefused || owned.length === 0
      ? null
      : extractDiffs(owned, kernel, extractOptions(options));
  const wrong = checksumsOf([one, other], found, taken);
  append(problems, wrong);
  const isWritten = !wrong.some(isError);
  if (output !== null && taken?.bytes != null && isWritten) {
    if (output === "-") await write(context.stdout, taken.bytes);
    else writeOutput(output, taken.bytes, 0o644);
  }
  const results = found.flatMap(({ result }) => (result === null ? [] : [result]));
  await writeGraph(options, form, results, titleOfGraph([one.root, other.root]));
  const written =
    taken === null || isWritten ? taken : { ...taken, bytes: null, problems: [...taken.problems, ...wrong] };
  const told: Told = { one, other, difference, chosen, compared: found, taken: written, problems, options };
  await report(told, reporter, output === "-" ? context.stderr : context.stdout);
  return isUnreadable ? 3 : isRefused || [...problems, ...(taken?.problems ?? [])].some(isError) ? 1 : 0;
}

/** Code that the patch leaves alone, and that uses a struct whose layout it changes, or goes by whether a name is defined which it defines. */
async function outsideUsers(
  [orig, patched]: readonly [BuildTree, BuildTree],
  compared: readonly Compared[],
  pool: WorkPool,
  show: (path: string) => void,
): Promise<readonly Problem[]> {
  const changed = compared.filter((c) => c.result !== null);
  const results = changed.flatMap(({ result }) => (result === null ? [] : [result]));
  const [users, weak] = [new StructUsers(results, pool), new WeakUsers(results, pool)];
  if (users.isEmpty && weak.isEmpty) return [];
  const problems: Problem[] = [];
  for (const { pair, result } of changed) if (result !== null) weak.addSame(result, pair.path);
  const own = new Set(changed.map((c) => c.pair.path));
  const owners = new TreeOwners(orig, patched);
  for (const path of [...orig.objects.keys()].sort()) {
    if (own.has(path)) continue;
    // What is linked of others would be named twice, and hold what the patch replaces.
    if (!owners.mayBeOwned(path)) continue;
    show(path);
    try {
      const { bytes } = readObject(orig, path);
      await users.addObject(bytes, path);
      weak.addObject(bytes, path);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      problems.push(error.problem);
    }
  }
  return [...problems, ...users.problems(), ...weak.problems()];
}

/** What Module.symvers of both builds say, where the objects did not. */
function checksumsOf(
  [one, other]: readonly [BuildTree, BuildTree],
  compared: readonly Compared[],
  taken: Extract | null,
): Problem[] {
  const said = compared.flatMap((c) => c.problems.flatMap((p) => (p.code === "KLP729" ? [p.data.name] : [])));
  const used = taken?.bytes == null ? new Set<string>() : neededBy(taken.bytes);
  return checksumProblems(checksumChanges(one.root, other.root), new Set(said), used);
}

/** Names that a diff object needs of the kernel. */
function neededBy(bytes: Uint8Array): Set<string> {
  const { symbols } = readElf(bytes);
  const names = Array.from({ length: symbols?.count ?? 0 }, (_, i) => (symbols?.isUndefined(i) ? symbols.name(i) : ""));
  return new Set(names);
}

const isError = (p: Problem): boolean => levelOf(p) === "error";

/** Both trees; where one lies in the other, it is no part of it. */
function bothTrees(orig: string, patched: string): [BuildTree, BuildTree] {
  const places = [orig, patched].map((path) => {
    try {
      return realpathSync(path);
    } catch (error) {
      throw unreadable(path, error);
    }
  });
  if (places[0] === places[1]) throw new UsageError(`${fileText(orig)} and ${fileText(patched)} are one folder`);
  return [readBuildTree(orig, places), readBuildTree(patched, places)];
}

/** @throws UsageError for a module whose symbols were not given */
function refuseUnknown(pairs: readonly Pair[], kernel: Kernel | null): void {
  const objects = new Set(pairs.flatMap((p) => p.objects));
  objects.delete("vmlinux");
  const missing = [...objects].filter((name) => kernel?.modules.has(name) !== true).sort();
  if (missing.length === 0) return;
  const options = missing.map((name) => `-m ${name}.ko`).join(" ");
  throw new UsageError(`-o needs the modules that objects differ of, as the running kernel has them: ${options}`);
}

async function compare(
  pair: Pair,
  [one, other]: readonly [BuildTree, BuildTree],
  options: Parameters<typeof diffObjects>[2],
): Promise<Compared> {
  try {
    const patched = readObject(other, pair.path);
    const orig = pair.isNew ? null : readObject(one, pair.path);
    if (orig !== null && isSameObject(orig.bytes, patched.bytes)) return { pair, result: null, problems: [] };
    const result = await diffObjects(orig, patched, options);
    // Of thousands of files that a header made anew, only what changed is kept.
    return { pair, result: result.isEmpty ? null : result, problems: result.problems };
  } catch (error) {
    const p = problemOf(error);
    if (p === null) throw error;
    return { pair, result: null, problems: [p] };
  }
}

/** A new file has no functions that the kernel has already: then only its original object is missing. */
function notNew({ pair, result, problems }: Compared, orig: BuildTree, kernel: Kernel): readonly Problem[] {
  const isThere = (name: string): boolean =>
    pair.objects.some((o) =>
      o === "vmlinux" ? kernel.find(name).length > 0 : (kernel.modules.get(o)?.find(name).length ?? 0) > 0,
    );
  const known = result?.diff.functions.find((c) => c.patched?.isLocal === false && isThere(c.name));
  if (result === null || known === undefined) return problems;
  const data = { orig: orig.root, patched: pair.path, objects: null };
  return [...problems, problem("KLP723", { file: result.patched.path }, data)];
}

function readObject(tree: BuildTree, path: string): DiffInput {
  const file = join(tree.root, path);
  try {
    return { bytes: readRegular(file).bytes, path: file };
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** A stated pair of variables is of one file; only where none has it, it is wrong. */
function withoutForeignPairs(compared: readonly Compared[]): Compared[] {
  const opened = compared.filter((c) => c.result !== null);
  const wrong = (c: Compared): string[] => c.problems.flatMap((p) => (p.code === "KLP705" ? [p.data.pair] : []));
  return compared.map((c) => ({
    ...c,
    problems: c.problems.filter(
      (p) => p.code !== "KLP705" || (c === opened[0] && opened.every((o) => wrong(o).includes(p.data.pair))),
    ),
  }));
}

interface Told {
  readonly one: BuildTree;
  readonly other: BuildTree;
  readonly difference: ReturnType<typeof compareTrees>;
  readonly chosen: ReturnType<typeof chosenPairs>;
  readonly compared: readonly Compared[];
  readonly taken: Extract | null;
  readonly problems: readonly Problem[];
  readonly options: DiffCommandOptions;
}

async function report(told: Told, reporter: Reporter, messages: Context["stdout"]): Promise<void> {
  const { other, compared, taken, problems, options } = told;
  const output = taken?.bytes == null ? null : (options.output ?? null);
  const passedOver = passedOverIn(told);
  await reporter.add(other.root, null, problems, reporter.isText ? {} : treeDocument(told, passedOver, output));
  const left = [...(taken?.problems ?? [])];
  for (const { pair, result, problems: own } of compared) {
    const names = result === null ? [] : [result.patched.path, result.orig.path];
    const ofPair = [...own, ...left.filter((p) => names.includes(p.at.file))];
    for (const p of ofPair) if (left.includes(p)) left.splice(left.indexOf(p), 1);
    await addPair(reporter, result, ofPair, join(other.root, pair.path), pair);
    const isTold = result !== null || options.verbose === true;
    if (!reporter.isText || options.quiet === true || !isTold) continue;
    const name = fileText(pair.path);
    if (result === null) await write(messages, `${name}: no functional change\n`);
    else await write(messages, `${name}, of ${pair.objects.join(", ")}:\n${await changesText(result, options)}`);
  }
  if (reporter.isText && options.quiet !== true) {
    await write(messages, totalText(told, passedOver));
    if (options.output !== undefined) await write(messages, takenItemsText(taken, other.root, options.output, options));
  }
  await reporter.finish(messages);
}

/** Problems of the original go with its file, for its source lines. */
async function addPair(
  reporter: Reporter,
  result: DiffResult | null,
  problems: readonly Problem[],
  path: string,
  pair: Pair,
): Promise<void> {
  const add = (file: string, subject: Subject | null, list: readonly Problem[], outcome = {}): Promise<void> =>
    list.length > 0 || Object.keys(outcome).length > 0 ? reporter.add(file, subject, list, outcome) : Promise.resolve();
  if (result === null) {
    const outcome = reporter.isText ? {} : { objects: pair.objects, functionalChange: false };
    await add(path, null, problems, outcome);
    return;
  }
  const ofOrig = problems.filter((p) => p.at.file === result.orig.path && result.orig.path !== result.patched.path);
  await add(result.orig.path, result.orig, ofOrig);
  const outcome = reporter.isText ? {} : { ...(await changesDocument(result)), objects: pair.objects };
  const rest = problems.filter((p) => !ofOrig.includes(p));
  await add(path, result.patched, rest, outcome);
}

/** Of either tree, each path once. */
function passedOverIn({ one, other, chosen }: Told): PassedOver[] {
  const found = new Map<string, PassedOver>();
  for (const p of [...one.passedOver, ...other.passedOver, ...chosen.passedOver]) found.set(p.path, p);
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function treeDocument(
  { one, difference, chosen, compared, taken }: Told,
  passedOver: readonly PassedOver[],
  output: string | null,
): Record<string, unknown> {
  return {
    orig: one.root,
    functionalChange: compared.some((c) => c.result !== null),
    inBoth: difference.inBoth,
    differing: difference.differing,
    added: chosen.pairs.filter((p) => p.isNew).map((p) => p.path),
    removed: chosen.removed,
    passedOver,
    output,
    taken: takenRows(taken?.parts ?? []),
  };
}

function totalText({ difference, chosen, compared, other, options }: Told, passedOver: readonly PassedOver[]): string {
  const lines: string[] = [];
  if (options.verbose === true)
    for (const { path, why } of passedOver) lines.push(`passed over: ${fileText(path)}: ${why}`);
  const { inBoth, differing } = difference;
  const added = chosen.pairs.filter((p) => p.isNew).length;
  const changed = compared.filter((c) => c.result !== null).length;
  const parts = [
    `${inBoth} object${inBoth === 1 ? "" : "s"} in both`,
    `${differing.length} of them differ`,
    ...(added === 0 ? [] : [`${added} new`]),
    ...(chosen.removed.length === 0 ? [] : [`${chosen.removed.length} gone`]),
    `${chosen.pairs.length} compared`,
    `${changed} with a functional change`,
    `${passedOver.length} passed over`,
  ];
  lines.push(`${fileText(other.root)}: ${parts.join(", ")}`);
  return `${lines.join("\n")}\n`;
}
