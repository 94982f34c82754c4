import { defined } from "../../base/defined.ts";
import { fileText, shellFile } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { countOf, levelOf, type Problem, problem } from "../../diag/catalogue.ts";
import { tallyOf, tallyText } from "../../diag/tally.ts";
import { packingFault } from "../../kernel/module/packing.ts";
import { type CheckResult, checkSubject } from "../../passes/check.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { findModules, type Skipped } from "../files/findModules.ts";
import { readUnpacked, UsageError, write } from "../files/io.ts";
import { KernelModules } from "../files/kernelModules.ts";
import type { ModuleStore } from "../files/kernelSources.ts";
import { TreeModules } from "../files/treeModules.ts";
import {
  type CommonOptions,
  type KernelOptions,
  linkCommand,
  problemOf,
  readKernelFiles,
  readReference,
} from "../options.ts";
import { startProgress } from "../progress.ts";
import { Reporter } from "../report.ts";

type Options = CommonOptions & KernelOptions;

interface Checked {
  readonly file: string;
  readonly problems: readonly Problem[];
  readonly result: CheckResult | null;
}

/** `klplink check <module...>`: returns the exit status. */
export async function runCheck(paths: readonly string[], options: Options, context: Context): Promise<number> {
  const loaded = await readKernelFiles(options, context);
  const kernel = loaded?.kernel ?? null;
  const stores = loaded?.stores ?? [];
  const own = new KernelModules(stores);
  const reference = await readReference(options, context);
  const { files, skipped } = findModules(paths);
  if (files.length === 0) throw new UsageError(`no .ko or .o file in ${paths.join(", ")}`);
  const quiet = options.quiet === true;
  const progress = await startProgress(files.length > 1 && !quiet && options.format === "text", context);
  const reporter = new Reporter(options, context);
  const tree = files.length > 1 ? new TreeModules(files, context, (path) => progress.show(`reads ${path}`)) : null;
  const checked: Checked[] = [];
  let unreadable = false;
  for (const [index, file] of files.entries()) {
    progress.show(`${index + 1} of ${files.length}: ${file}`);
    let entry: Checked;
    let subject: Subject | null = null;
    try {
      const input = await readChecked(file, stores, context);
      subject = openModule(input.bytes, input.name);
      const inTree = tree === null ? kernel : await tree.add(kernel, subject, file);
      const known = await own.add(inTree, subject);
      const result = checkSubject(subject, {
        file: input.name,
        command: linkCommand(file, options),
        ...(known === null ? {} : { kernel: known }),
        ...(reference === null ? {} : { reference }),
        ...defined({ positions: options.sympos, kernelVersion: options.kernelVersion }),
      });
      const fault = input.packing === null ? null : packingFault(input.packed, input.packing);
      const packed =
        fault === null ? [] : [problem("KLP114", { file: input.name }, { packing: input.packing ?? "", ...fault })];
      // Among several files, a position may be meant for another one.
      const problems = files.length > 1 ? result.problems.filter((p) => p.code !== "KLP452") : result.problems;
      entry = { file: input.name, problems: [...packed, ...problems], result };
    } catch (error) {
      const p = problemOf(error);
      if (p === null) throw error;
      unreadable = true;
      entry = { file, problems: [p], result: null };
    }
    checked.push(entry);
    progress.clear();
    const { result } = entry;
    const outcome =
      result === null
        ? {}
        : { arch: result.arch, module: result.module, calls: result.calls, unchecked: result.unchecked };
    await reporter.add(entry.file, subject, entry.problems, outcome);
    if (reporter.isText && !quiet) await write(context.stdout, `${summary(entry)}\n`);
  }
  if (reporter.isText && !quiet)
    await write(context.stdout, totalText(checked) + uncheckedLine(checked) + skippedLine(skipped));
  await reporter.finish();
  if (unreadable) return 3;
  return checked.some((c) => c.problems.some((p) => levelOf(p) === "error")) ? 1 : 0;
}

/** A file, or a module of the kernel by its name. @throws InputProblem */
async function readChecked(
  path: string,
  stores: readonly ModuleStore[],
  context: Context,
): Promise<Awaited<ReturnType<typeof readUnpacked>>> {
  if (stores.length > 0) {
    const { namedModule } = await import("../files/kernel.ts");
    const found = await namedModule(path, stores);
    if (found !== null) {
      const bytes = await found.read();
      return { name: found.name, bytes, mode: 0o644, packing: null, packed: bytes };
    }
  }
  return readUnpacked(path, context);
}

/** What was not looked at in any of the files, once: without it "no error found" would say more than is known. */
function uncheckedLine(checked: readonly Checked[]): string {
  const parts = [...new Set(checked.flatMap((c) => c.result?.unchecked ?? []))];
  if (parts.length === 0) return "";
  const more = parts.length > MOST_UNCHECKED ? `, and ${parts.length - MOST_UNCHECKED} more` : "";
  return `not checked: ${parts.slice(0, MOST_UNCHECKED).map(visible).join(", ")}${more}\n`;
}

/** What lies in the folders and was not looked at, though its name is a module's, or it is a folder. */
function skippedLine(skipped: readonly Skipped[]): string {
  if (skipped.length === 0) return "";
  const shown = skipped.slice(0, MOST_UNCHECKED).map(({ path, why }) => `${shellFile(path)} (${why})`);
  const more = skipped.length > shown.length ? `, and ${skipped.length - shown.length} more` : "";
  return `skipped: ${shown.join(", ")}${more}\n`;
}

const MOST_UNCHECKED = 6;

function summary({ file, problems, result }: Checked): string {
  const errors = countOf(problems, "error");
  const notes: string[] = [];
  if (result !== null) {
    const calls = Object.values(result.calls).reduce((sum, n) => sum + n, 0);
    if (calls > 0) notes.push(`${calls} call${calls === 1 ? "" : "s"} audited`);
  }
  const verdict = errors === 0 ? "no error found" : `${errors} error${errors === 1 ? "" : "s"}`;
  return `${fileText(file)}: ${[verdict, ...notes].join("; ")}`;
}

/** What a run over several files found, by code; empty for one file, which says it itself. */
const totalText = (checked: readonly Checked[]): string =>
  checked.length < 2 ? "" : `total: ${tallyText(tallyOf(checked.map((c) => c.problems)))}\n`;
