// What stands in the way of symbols and calls as they are: what a kernel would refuse if the file were loaded now.

import { hexWord, printable } from "../../base/bytes.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { shellFile } from "../../base/shell.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { shortName } from "../../klp/symbols/names.ts";
import type { Call } from "../../klp/toc/calls.ts";
import { codeContext } from "../../klp/toc/context.ts";
import type { Analysis, Options } from "../analysis.ts";

/** Place of a call, for messages. */
export function placeOf(analysis: Analysis, call: Call, file: string): Place {
  const place = {
    file,
    section: analysis.file.sections.name(call.section),
    offset: call.offset,
  };
  if (call.caller === null) return place;
  return { ...place, function: { name: printable(call.caller.name), offset: call.offset - call.caller.start } };
}

/** Errors for symbols as they stand: what a kernel would not find if the file were loaded now. */
export function unconvertedProblems(analysis: Analysis, options: Options): Problem[] {
  const kernel = analysis.kernel?.source ?? "";
  const problems = new ProblemList();
  for (const { symbol, name, resolution } of analysis.undefineds) {
    if (resolution.kind !== "convert") continue;
    const source = resolution.owner === "vmlinux" ? kernel : resolution.owner;
    const data = { module: analysis.module, symbol: printable(name), source, command: fixingCommand(options) };
    problems.push(problem("KLP410", analysis.uses.placeOf(symbol), data, { loadOrder: LOADING.symbol(symbol) }));
  }
  return problems.all();
}

/** The command that fixes the file, for help texts. */
export const fixingCommand = (options: Options): string => options.command ?? `klplink ${shellFile(options.file)}`;

/** Errors for calls as they stand: what a kernel would do with the file if it were loaded now. */
export function callProblems(analysis: Analysis, options: Options): Problem[] {
  const problems = new ProblemList();
  const refused = new Set(analysis.plan?.refused.map((r) => r.call) ?? []);
  for (const call of analysis.calls) {
    if (call.verdict !== "no-nop" && call.verdict !== "sibling") continue;
    const at = placeOf(analysis, call, options.file);
    const callee = printable(shortName(call.callee));
    const fixable = !refused.has(call);
    const command = fixingCommand(options);
    if (call.verdict === "sibling") {
      const context = codeContext(analysis, call, null);
      problems.push(problem("KLP302", at, { callee, fixable, command }, { context }));
      continue;
    }
    const order = analysis.loadOrder.of(call.table, call.row);
    problems.push(
      problem(
        "KLP301",
        at,
        {
          callee,
          wasLocal: call.klpObject !== null || isConverting(analysis, call.symbol),
          message: refusalMessage(analysis, call),
          fixable,
          command,
        },
        {
          context: codeContext(analysis, call, "<- a nop (60000000) is expected here"),
          ...(order === null ? {} : { loadOrder: order }),
        },
      ),
    );
  }
  return problems.all();
}

function isConverting(analysis: Analysis, symbol: number): boolean {
  return analysis.undefineds.some((u) => u.symbol === symbol && u.resolution.kind === "convert");
}

/** What the loader prints when it finds another word than a nop behind a call; `??` where it is not known here. */
export function refusalMessage(analysis: Analysis, call: Call): string {
  const seen = analysis.loadOrder.wordSeenAt(call.section, call.offset + 4, call.table, call.row);
  let word = "????????";
  if (seen !== null) {
    word = hexWord(seen.word).replace(/../g, (digits, at: number) =>
      ((seen.mask >>> (24 - at * 4)) & 0xff) === 0xff ? digits : "??",
    );
  }
  const { module, version } = analysis;
  // The wording changed when the loader learned of livepatch symbols.
  return !hasFact(version, "ppcNopWording")
    ? `module_64: ${module}: Expect noop after relocate, got ${word}`
    : `module_64: ${module}: Expected nop after call, got ${word} at ADDRESS`;
}
