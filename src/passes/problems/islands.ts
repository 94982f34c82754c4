// What islands and the other ways to restore the TOC refuse, and what they warn of.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHN_LIVEPATCH } from "../../elf/consts.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { shortName } from "../../klp/symbols/names.ts";
import type { Call } from "../../klp/toc/calls.ts";
import { sectionsWithoutIpaRa } from "../../klp/toc/compilerFlags.ts";
import { codeContext } from "../../klp/toc/context.ts";
import type { RefusedIsland } from "../../klp/toc/islands.ts";
import type { Analysis, Options } from "../analysis.ts";
import { fixingCommand, placeOf, refusalMessage } from "./calls.ts";

/** Errors that no island can fix, and warnings about the islands that would be made. */
export function islandProblems(analysis: Analysis, options: Options): Problem[] {
  const problems: Problem[] = [];
  for (const { function: target, offset, reason } of analysis.plan?.epilogues.refused ?? []) {
    const at = {
      file: options.file,
      section: printable(analysis.file.sections.name(target.section)),
      offset,
      function: { name: printable(target.name), offset: offset - target.start },
    };
    problems.push(problem("KLP312", at, { function: printable(target.name), reason }));
  }
  for (const { function: target, reason } of analysis.plan?.frames.refused ?? []) {
    const at = {
      file: options.file,
      section: printable(analysis.file.sections.name(target.section)),
      offset: target.start,
      function: { name: printable(target.name), offset: 0 },
    };
    problems.push(problem("KLP313", at, { function: printable(target.name), reason }));
  }
  for (const refusal of analysis.plan?.refused ?? []) problems.push(refusalProblem(analysis, refusal, options));
  for (const call of analysis.calls) {
    // Places and words are worked out for calls at fault only: a module has thousands of others.
    if (!needsMore(analysis, call)) continue;
    const at = placeOf(analysis, call, options.file);
    const callee = printable(shortName(call.callee));
    const order = analysis.loadOrder.of(call.table, call.row);
    const more = { context: codeContext(analysis, call, null), ...(order === null ? {} : { loadOrder: order }) };
    if (call.verdict === "helper") {
      const fixable = analysis.symbols.isUndefined(call.symbol);
      problems.push(problem("KLP305", at, { helper: callee, fixable, command: fixingCommand(options) }, more));
    } else if (call.verdict === "not-a-call") {
      const reason = "the word there is no relative branch";
      const help = "build the file again; R_PPC64_REL24 belongs on a `bl` or `b`";
      problems.push(problem("KLP303", at, { rule: "I1", callee, reason, help }, more));
    } else if (call.verdict === "restored") {
      problems.push(problem("KLP306", at, { callee, message: refusalMessage(analysis, call) }, more));
    } else {
      const version = analysis.version ?? { major: 0, minor: 0 };
      const reason = `kernel ${version.major}.${version.minor} branches to livepatch symbols directly, and they are out of reach`;
      problems.push(
        problem("KLP303", at, { rule: "I20", callee, reason, help: "build for kernel 4.16 or later" }, more),
      );
    }
  }
  return [...problems, ...islandWarnings(analysis, options)];
}

/** Whether a call is an error that does not depend on islands. */
function needsMore({ version, symbols }: Analysis, call: Call): boolean {
  if (call.verdict === "helper" || call.verdict === "not-a-call") return true;
  if (version === null) return false;
  if (call.verdict === "restored") return !hasFact(version, "ppcRestoredCall");
  return !hasFact(version, "ppcNopWording") && symbols.rawShndx(call.symbol) === SHN_LIVEPATCH;
}

function refusalProblem(analysis: Analysis, { call, refusal }: RefusedIsland, options: Options): Problem {
  const at = placeOf(analysis, call, options.file);
  const context = codeContext(analysis, call, null);
  if (refusal.kind === "layout") {
    const data = {
      function: printable(refusal.function.name),
      follower: printable(refusal.follower.name),
      section: printable(analysis.file.sections.name(call.section)),
      where: `${printable(analysis.file.sections.name(refusal.obstacle.section))}+0x${refusal.obstacle.offset.toString(16)}`,
      reason: refusal.obstacle.reason,
    };
    return problem("KLP304", at, data, { context });
  }
  const { rule, reason, help } = refusal;
  return problem("KLP303", at, { rule, callee: printable(shortName(call.callee)), reason, help }, { context });
}

function islandWarnings(analysis: Analysis, options: Options): Problem[] {
  const { plan, calls, version } = analysis;
  if (plan === null) return [];
  const problems: Problem[] = [];
  const profiled = new Set(calls.filter((c) => c.verdict === "exempt").map((c) => c.caller?.symbol));
  const patchable = analysis.file.sections.findByName("__patchable_function_entries") !== null;
  const warned = new Set<number>();
  /** Looked for when first needed. */
  let safe: ReadonlySet<number> | null = null;
  const objects = new Set<string>();
  for (const { call, kind } of plan.islands) {
    const at = placeOf(analysis, call, options.file);
    const callee = printable(shortName(call.callee));
    const caller = call.caller;
    if (caller === null) continue;
    if (kind === "return" && !patchable && !profiled.has(caller.symbol) && !warned.has(caller.symbol)) {
      warned.add(caller.symbol);
      safe ??= sectionsWithoutIpaRa(analysis.file);
      if (!safe.has(call.section)) {
        problems.push(problem("KLP307", at, { function: printable(caller.name) }));
      }
    }
    if (kind === "return" && /^_*(?:sig)?(?:setjmp|longjmp)$/.test(callee)) {
      problems.push(problem("KLP308", at, { callee }));
    }
    if (kind !== "sibling" && kind !== "framed" && kind !== "klp-stub" && !plan.rules.hasFrame(call)) {
      problems.push(
        problem(
          "KLP310",
          at,
          { callee, function: printable(caller.name) },
          { context: codeContext(analysis, call, null) },
        ),
      );
    }
    const object = call.klpObject;
    if (
      object !== null &&
      object !== "vmlinux" &&
      version !== null &&
      !hasFact(version, "ppcRestoredCall") &&
      !objects.has(object)
    ) {
      objects.add(object);
      problems.push(problem("KLP309", at, { object, version: `${version.major}.${version.minor}` }));
    }
  }
  return problems;
}
