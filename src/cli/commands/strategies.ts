// `klplink show --toc`: the ways in which r2 can come back, compared for one module.

import { defined } from "../../base/defined.ts";
import { levelOf, type Problem } from "../../diag/catalogue.ts";
import type { LivepatchStack } from "../../kernel/image/livepatchStack.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type TocStrategy, tocStrategies } from "../../klp/toc/strategies.ts";
import type { Analysis } from "../../passes/analysis.ts";
import { moduleFacts } from "../../passes/facts.ts";
import { type LinkOptions, type LinkResult, tryLink } from "../../passes/link.ts";
import type { Subject } from "../../passes/open.ts";

export interface StrategyRow {
  readonly option: string;
  readonly strategy: string;
  readonly fixes: string;
  /** Calls and functions of this module that it would change. */
  readonly sites: number;
  /** Bytes that it would add. */
  readonly bytes: number;
  readonly cost: string;
  readonly applicable: string;
}

/** For the numbers alone, where the livepatch stack's place is not known. */
const ANYWHERE: LivepatchStack = { threadInfo: 0, stackPointer: 0 };

/** One row a strategy. @throws Unusable if the module cannot be read. */
export async function compareStrategies(
  subject: Subject,
  kernel: Kernel | null,
  livepatchStack: LivepatchStack | undefined,
): Promise<StrategyRow[]> {
  const facts = await moduleFacts(subject, kernel, true);
  return tocStrategies.map((strategy): StrategyRow => {
    const options: LinkOptions = {
      file: subject.path,
      tocRestore: strategy.option,
      facts,
      ...(kernel === null ? {} : { kernel }),
      ...defined({ livepatchStack }),
    };
    const { analysis, problems, done } = tryLink(subject, options, ANYWHERE);
    return {
      option: strategy.option,
      strategy: strategy.name,
      fixes: strategy.fixes,
      sites: siteCount(done),
      bytes: done.islandBytes,
      cost: strategy.instructions,
      applicable: verdict(strategy, analysis, problems, done),
    };
  });
}

function siteCount(done: LinkResult["done"]): number {
  return (
    done.returnIslands +
    done.siblingIslands +
    done.localCallIslands +
    done.stubCalls +
    done.epilogues +
    done.miniFrames +
    done.helpers
  );
}

/** `yes`, what else it needs, or why not. */
function verdict(
  strategy: TocStrategy,
  analysis: Analysis,
  problems: readonly Problem[],
  done: LinkResult["done"],
): string {
  if (!strategy.rewrites) return nopVerdict(analysis);
  const why = refusals(problems);
  if (why !== null) return `no: ${why}`;
  if (strategy.changesFunctions && done.epilogues + done.miniFrames === 0) {
    return "no: no replacement function in the module's data";
  }
  return strategy.needsOwnKernel ? `with a kernel of its own: ${strategy.needs}` : "yes";
}

function nopVerdict({ calls }: Analysis): string {
  const count = (verdict: string): number => calls.filter((c) => c.verdict === verdict).length;
  const [without, siblings, helpers] = [count("no-nop"), count("sibling"), count("helper")];
  if (without + siblings + helpers === 0) return "yes";
  const parts = [`${without} calls without a nop`, `${siblings} sibling calls`];
  return `no: ${parts.join(", ")}${helpers === 0 ? "" : `, ${helpers} calls of register helpers`}`;
}

/** Codes of what only this strategy, or islands in general, refuse. */
const OWN = new Set(["KLP303", "KLP304", "KLP306", "KLP312", "KLP313", "KLP314"]);

function refusals(problems: readonly Problem[]): string | null {
  const refused = problems.filter((p) => OWN.has(p.code) && levelOf(p) === "error");
  const first = refused[0];
  if (first === undefined) return null;
  if (first.code === "KLP314") return "the livepatch stack's place is not known: give -k vmlinux or --livepatch-stack";
  const functions = [
    ...new Set(refused.flatMap((p) => (p.code === "KLP312" || p.code === "KLP313" ? p.data.function : []))),
  ];
  const calls = refused.filter((p) => p.code !== "KLP312" && p.code !== "KLP313");
  const parts: string[] = [];
  if (functions.length > 0) parts.push(reasons(refused, functions));
  if (calls.length > 0) parts.push(`${calls.length} calls refused, see \`klplink check\``);
  return parts.join("; ");
}

/** The first function with its reason, and how many others there are. */
function reasons(refused: readonly Problem[], functions: readonly string[]): string {
  const first = refused.find((p) => p.code === "KLP312" || p.code === "KLP313");
  const data = first?.data as { readonly function: string; readonly reason: string } | undefined;
  const more = functions.length > 1 ? `; and ${functions.length - 1} more functions` : "";
  return `${data?.function ?? ""}: ${data?.reason ?? ""}${more}`;
}

/** Who calls whom, and who brings r2 back, for a terminal: the picture of October 2017, with an island. */
export const PICTURE = `A calls B, B is replaced by P, P calls C, which was local to B
   M1             M2              kernel              livepatch
  +--------+     +---------+     +-------------+     +-------------+
  | A   bl-+---->| B ------+---->| ftrace -----+---->| P           |
  |        |     |         |     |             |     | b island    |
  |        |     | C <-----+-----+- stub <-----+-----+- bl C       |
  |        |     | blr ----+-----+-------------+---->| nop         |
  |      <-+-----+---------+-----+- handler <--+-----+- blr        |
  +--------+     +---------+     +-------------+     +-------------+
  The stub saves r2 at 24(r1) of P; the kernel makes the nop \`ld r2,24(r1)\`.
  livepatch_handler keeps r2 of A on a stack of its own and brings it back.
`;
