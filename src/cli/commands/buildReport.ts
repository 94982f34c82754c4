// What `klplink build` says at its end: a document, problems by file, and lines for people.

import { hex, printable } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import { append } from "../../base/lists.ts";
import type { ApplyResult } from "../../build/patch/apply.ts";
import type { BuildPlan } from "../../build/plan.ts";
import type { Problem } from "../../diag/catalogue.ts";
import type { ChangedPair, ModuleResult, Taken } from "../../passes/diff/livepatchModule.ts";
import type { Succession } from "../../passes/diff/previous.ts";
import type { ReplacedReason } from "../../passes/diff/reasons.ts";
import type { Context } from "../context.ts";
import { write } from "../files/io.ts";
import type { CommonOptions } from "../options.ts";
import type { Reporter } from "../report.ts";
import { linkedText } from "./link.ts";

/** What a run found out; null: it did not come that far. */
export interface BuildOutcome {
  applied: ApplyResult | null;
  plan: BuildPlan | null;
  changed: readonly ChangedPair[];
  taken: Taken | null;
  made: ModuleResult | null;
  configuration: string | null;
  /** What becomes of the functions of the livepatch before; null: none was named. */
  succession: Omit<Succession, "problems"> | null;
  /** Names that are new, of which nothing that is at hand tells whether other code goes by their absence. */
  unasked: readonly string[];
}

/** A run that has ended. */
export interface BuildEnd {
  readonly outcome: BuildOutcome;
  readonly problems: readonly Problem[];
  /** The path of the module. */
  readonly output: string;
  /** Why there is none, where nothing went wrong: a line. */
  readonly said: string;
  readonly isGood: boolean;
  /** The private folder, where what is in it is kept; else null. */
  readonly kept: string | null;
  readonly options: Pick<CommonOptions, "quiet" | "verbose"> & { readonly dryRun?: boolean };
}

const isWritten = ({ outcome, isGood }: BuildEnd): boolean => outcome.made?.bytes != null && isGood;

/** Reports a run. @throws InputProblem if the output cannot be written */
export async function reportBuild(end: BuildEnd, reporter: Reporter, context: Context): Promise<void> {
  const { outcome, problems, output, options } = end;
  const { made, taken, plan, applied, changed, configuration } = outcome;
  const document = {
    output: isWritten(end) ? output : null,
    configuration,
    files: applied?.files.map((f) => f.path) ?? [],
    objects: plan?.objects ?? [],
    ...defined({ basis: plan?.basis ?? undefined }),
    ...(plan === null || plan.leftOut.length === 0 ? {} : { leftOut: plan.leftOut }),
    differing: changed.map(({ path, object }) => ({ path, object })),
    replaced: taken?.functions ?? [],
    taken:
      taken?.along.map(({ name, why, object, kind, for: isFor }) => ({ name, why, object, kind, for: isFor })) ?? [],
    linked: made?.link.done ?? null,
    ...(outcome.unasked.length === 0 ? {} : { weakUsersUnknown: outcome.unasked }),
    ...defined({ previous: outcome.succession ?? undefined }),
  };
  const groups = new Map<string, Problem[]>();
  for (const p of problems) groups.set(p.at.file, [...(groups.get(p.at.file) ?? []), p]);
  const subjects = new Map(changed.map(({ path, result }) => [path, result.patched]));
  if (made !== null) subjects.set(made.subject.path, made.subject);
  for (const [file, found] of groups) if (file !== output) await reporter.add(file, subjects.get(file) ?? null, found);
  await reporter.add(output, null, groups.get(output) ?? [], document);
  await reporter.finish();
  if (reporter.isText && options.quiet !== true) await write(context.stdout, buildText(end));
}

/** The lines behind the problems. */
function buildText(end: BuildEnd): string {
  const { outcome, output, said, options } = end;
  const { made, taken, plan } = outcome;
  const lines = options.verbose === true || options.dryRun === true ? workLines(outcome) : [];
  for (const object of plan?.leftOut ?? [])
    lines.push(`left out  ${printable(object)}: the patch changes its source, and --only does not name it`);
  if (taken !== null) append(lines, replacedLines(taken));
  const { succession } = outcome;
  if (succession !== null) {
    const counts = [
      `${succession.kept.length} as before`,
      `${succession.added.length} more`,
      `${succession.dropped.length} given up`,
    ];
    lines.push(`takes the place of ${printable(succession.previous)}: functions: ${counts.join(", ")}`);
  }
  if (isWritten(end) && made !== null) {
    const text = linkedText(made.link);
    lines.push(`${output}: ${text === "" ? "linked" : text}; checked: no error found`);
    const unchecked = [...(made.check?.unchecked ?? []), ...uncheckedNames(outcome.unasked)];
    if (unchecked.length > 0) lines.push(`not checked: ${unchecked.join(", ")}`);
    if (end.kept !== null) lines.push(`kept: objects in ${end.kept}/pairs, the module's folder in ${end.kept}/module`);
  } else if (said === "" && options.dryRun === true && plan !== null && end.isGood) {
    const count = `${plan.objects.length} object${plan.objects.length === 1 ? "" : "s"}`;
    if (plan.basis === "unbuilt")
      lines.push("not known yet: which objects include a patched file, until the module was built once");
    else lines.push(`${count} to compile; nothing was compiled`);
  } else if (said === "") lines.push(`${output}: not written`);
  return (lines.length === 0 ? "" : `${lines.join("\n")}\n`) + said;
}

/** As the parts that the check left out: a phrase, with the option that would let klplink look. */
export function uncheckedNames(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, NAMED).map(printable);
  const more = names.length - shown.length;
  const list = `${shown.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
  return [`whether other code goes by the absence of ${list} (-k FOLDER, in which the kernel was built)`];
}

/** What stands below a line of one of the columns. */
const BELOW = " ".repeat(10);
/** So many things that are taken along are named of each function. */
const NAMED = 6;

/** Each function that is replaced, why, and what it takes along. */
function replacedLines({ functions, along }: Taken): string[] {
  const lines: string[] = [];
  const rest = new Set(along);
  for (const { name, position, object, why } of functions) {
    lines.push(`replaces  ${printable(name)}${position === 0 ? "" : `,${position}`} of ${printable(object)}`);
    for (const line of reasonLines(why)) lines.push(BELOW + line);
    const own = along.filter((row) => row.for === name && row.object === object && rest.delete(row));
    if (own.length > 0) lines.push(`${BELOW}takes along ${namedText(own)}`);
  }
  if (rest.size > 0) lines.push(`takes     ${namedText([...rest])}`);
  return lines;
}

function namedText(rows: Taken["along"]): string {
  const names = rows.slice(0, NAMED).map(({ name, kind, why }) => `${printable(name)} (${kind}, ${printable(why)})`);
  const more = rows.length - names.length;
  return names.join(", ") + (more === 0 ? "" : ` and ${more} more`);
}

/** Why a function is replaced: what differs in it first, and where its own text may not have changed. */
export function reasonLines({ kind, calls, difference, inlined, clones }: ReplacedReason): string[] {
  const lines: string[] = [];
  if (kind === "caller") lines.push(`calls ${printable(calls ?? "")}, which changed and has no patch site`);
  if (difference !== null) {
    const { what, detail, offset, source } = difference;
    const at = offset === null ? "" : ` at ${offset < 0 ? "-" : "+"}${hex(Math.abs(offset))}`;
    const said = detail === "" ? "" : `: ${printable(detail)}`;
    const line = source === null ? "" : ` (${printable(source.file)}:${source.line})`;
    const where = inlined === null ? "changed" : `changed in ${printable(inlined)}, which it inlines`;
    lines.push(`${where}: ${what}${at}${said}${line}`);
  }
  for (const { orig, patched } of clones)
    lines.push(`calls ${printable(patched)}, which the compiler made in place of ${printable(orig)}`);
  return lines;
}

const BY_LINES =
  "found by #include lines, whatever the conditions around them: more may be compiled than need be; a folder in which the kernel was built tells (-k)";

/** What is patched and compiled. */
function workLines({ applied, plan }: BuildOutcome): string[] {
  const lines: string[] = [];
  for (const { path } of applied?.files ?? []) lines.push(`file      ${printable(path)}`);
  for (const { path, line, offset } of applied?.adjusted ?? [])
    if (offset !== 0)
      lines.push(`moved     ${printable(path)}: the hunk in line ${line} of the patch, by ${offset} lines`);
  for (const path of plan?.unused ?? [])
    lines.push(`unused    ${printable(path)}: nothing that is compiled includes it`);
  if (plan?.basis === "lines") lines.push(BY_LINES);
  for (const object of plan?.objects ?? []) lines.push(`object    ${printable(object)}`);
  return lines;
}
