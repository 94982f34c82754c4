import { fileText, shellFile } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { countOf, levelOf } from "../../diag/catalogue.ts";
import { tallyOf, tallyText } from "../../diag/tally.ts";
import type { Context } from "../context.ts";
import { findModules, type Skipped } from "../files/findModules.ts";
import { GatheredLines } from "../files/gatheredLines.ts";
import { UsageError, write } from "../files/io.ts";
import { startProgress } from "../progress.ts";
import { Reporter } from "../report.ts";
import { ownHand, startPool } from "../workers/checkPool.ts";
import { type Checked, type CheckOptions, openChecker } from "./checker.ts";

/** `klplink check <module...>`: returns the exit status. */
export async function runCheck(paths: readonly string[], options: CheckOptions, context: Context): Promise<number> {
  const { files, skipped } = findModules(paths);
  const quiet = options.quiet === true;
  const progress = await startProgress(files.length > 1 && !quiet && options.format === "text", context);
  const hand = ownHand(files, options);
  const show = (path: string): void => progress.show(`reads ${path}`);
  const checker = await openChecker(files, options, context, show, hand?.ask ?? null);
  if (files.length === 0) throw new UsageError(`no .ko or .o file in ${paths.map(fileText).join(", ")}`);
  const reporter = new Reporter(options, context);
  const lines = new GatheredLines(context.stdout);
  const give = (): Promise<void> => {
    progress.clear();
    return lines.give();
  };
  const checked: Pick<Checked, "problems" | "outcome">[] = [];
  const pool = hand === null ? null : await startPool(hand, checker, files, options, context);
  try {
    for (const [index, file] of files.entries()) {
      progress.show(`${index + 1} of ${files.length}: ${file}`);
      const entry = await (pool === null ? checker.check(file) : pool.result(index));
      checked.push({ problems: entry.problems, outcome: entry.outcome });
      // What is said of a file stands behind the lines of those before it.
      if (entry.shown.length > 0) await give();
      await reporter.give(entry.file, entry, { ...entry.outcome });
      if (reporter.isText && !quiet) lines.add(`${summary(entry)}\n`);
      if (lines.areDue) await give();
    }
  } finally {
    pool?.end();
    await give();
  }
  if (reporter.isText && !quiet)
    await write(context.stdout, totalText(checked) + uncheckedLine(checked) + skippedLine(skipped));
  await reporter.finish();
  if (checked.some((c) => c.outcome === null)) return 3;
  return checked.some((c) => c.problems.some((p) => levelOf(p) === "error")) ? 1 : 0;
}

/** What was not looked at in any of the files, once: without it "no error found" would say more than is known. */
function uncheckedLine(checked: readonly Pick<Checked, "outcome">[]): string {
  const parts = [...new Set(checked.flatMap((c) => c.outcome?.unchecked ?? []))];
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

function summary({ file, problems, outcome }: Checked): string {
  const errors = countOf(problems, "error");
  const notes: string[] = [];
  if (outcome !== null) {
    const calls = Object.values(outcome.calls).reduce((sum, n) => sum + n, 0);
    if (calls > 0) notes.push(`${calls} call${calls === 1 ? "" : "s"} audited`);
  }
  const verdict = errors === 0 ? "no error found" : `${errors} error${errors === 1 ? "" : "s"}`;
  return `${fileText(file)}: ${[verdict, ...notes].join("; ")}`;
}

/** What a run over several files found, by code; empty for one file, which says it itself. */
const totalText = (checked: readonly Pick<Checked, "problems">[]): string =>
  checked.length < 2 ? "" : `total: ${tallyText(tallyOf(checked.map((c) => c.problems)))}\n`;
