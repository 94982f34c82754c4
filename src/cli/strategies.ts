// `klplink show --toc`: the ways in which r2 can come back, compared for one module.

import { type Analysis, analyse } from "../analysis.ts";
import { link } from "../link.ts";
import { strategies } from "../stubs/strategies/index.ts";

export interface StrategyRow {
  readonly option: string | null;
  readonly strategy: string;
  readonly mends: string;
  /** Calls or functions of this module that it would serve; null where the kernel does it all. */
  readonly sites: number | null;
  /** Bytes that it would add. */
  readonly bytes: number;
  readonly cost: string;
  readonly applicable: string;
}

/** One row a strategy. @throws Unusable if the module cannot be read. */
export function compareStrategies(bytes: Uint8Array, file: string): StrategyRow[] {
  const analysis = analyse(bytes, { file });
  return strategies.map((strategy): StrategyRow => {
    const { option, name, mends, instructions } = strategy;
    const row = { option, strategy: name, mends, cost: instructions };
    switch (option) {
      case "nop":
        return { ...row, sites: 0, bytes: 0, applicable: nopVerdict(analysis) };
      case "island": {
        const { done } = link(bytes, { file, force: true });
        const sites = done.returnIslands + done.siblingIslands + done.localCallIslands;
        return { ...row, sites, bytes: done.islandBytes, applicable: refusedCalls(analysis) ?? "yes" };
      }
      case "epilogue": {
        const planned = analyse(bytes, { file, tocRestore: "epilogue" });
        const { done } = link(bytes, { file, tocRestore: "epilogue", force: true });
        const refused = planned.plan?.epilogues.refused ?? [];
        const why =
          refused.length > 0
            ? `no: ${list(refused.map((r) => r.function.name))}`
            : done.epilogues === 0
              ? "no: no replacement function in the module's data"
              : refusedCalls(planned);
        return {
          ...row,
          sites: done.epilogues,
          bytes: done.islandBytes,
          applicable: why ?? `with a kernel of its own: ${strategy.needs}`,
        };
      }
      default:
        return { ...row, sites: null, bytes: 0, applicable: `in the kernel: ${strategy.needs}` };
    }
  });
}

function nopVerdict({ calls }: Analysis): string {
  const without = calls.filter((c) => c.verdict === "no-nop").length;
  const siblings = calls.filter((c) => c.verdict === "sibling").length;
  if (without + siblings === 0) return "yes";
  return `no: ${without} calls without a nop, ${siblings} sibling calls`;
}

function refusedCalls({ plan }: Analysis): string | null {
  const refused = plan?.refused ?? [];
  return refused.length === 0 ? null : `no: ${refused.length} calls refused, see \`klplink check\``;
}

const list = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;

/** Who calls whom, and whose TOC is in r2, for a terminal. */
export const PICTURE = `A calls B, B is replaced by P, P calls C, which was local to B
  r2 = TOC of A/B/C       r2 = TOC of the livepatch          r2 = TOC of C
  A --bl B--> B --ftrace--> P --b--> island --bl--> stub --> C
  ^                         |  <--b--  nop -> ld r2,24(r1) <-|
  |__ livepatch_handler ____|     (the stub saved r2 there)
      restores r2 of A
`;
