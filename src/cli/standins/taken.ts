// What create-diff-object and `objtool klp diff` have in common: two objects become one with what changed.

import { levelOf } from "../../diag/catalogue.ts";
import type { ExtractOptions } from "../../diff/extract.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { diffObjects, extractDiff } from "../../passes/diff/diff.ts";
import type { Context } from "../context.ts";
import { type Input, write } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import { tell } from "./tell.ts";

interface Wanted extends ExtractOptions {
  readonly orig: Input;
  readonly patched: Input;
  readonly output: string;
  readonly kernel: Kernel;
  /** `vmlinux`, or a module's name. */
  readonly object: string;
  readonly entrySizes?: ReadonlyMap<string, number>;
}

/** `written`: there is an object; `same`: nothing is to be patched; `refused`: an error was reported. */
export type Outcome = "written" | "same" | "refused";

/** Writes what changed, and says which functions did, as the tools do. */
export async function takeChanges(wanted: Wanted, context: Context): Promise<Outcome> {
  const { orig, patched, output, kernel, object, entrySizes = new Map(), ...options } = wanted;
  const result = await diffObjects(
    { bytes: orig.bytes, path: orig.name },
    { bytes: patched.bytes, path: patched.name },
    { kernel, entrySizes },
  );
  for (const { status, name, patched: item } of result.diff.functions) {
    if ((status === "changed" || status === "new") && item?.isInit === false)
      await write(context.stdout, `${orig.name}: ${status} function: ${name}\n`);
  }
  if (await tell(result.problems, result.patched, context)) return "refused";
  if (result.isEmpty) return "same";
  const taken = extractDiff(result, { kernel, object, ...options });
  if (await tell(taken.problems, result.patched, context)) return "refused";
  if (taken.bytes === null) return taken.problems.some((p) => levelOf(p) === "error") ? "refused" : "same";
  writeOutput(output, taken.bytes, patched.mode);
  return "written";
}
