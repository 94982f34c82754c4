// The last steps of kpatch-build and klp-build: what they left in a linked module becomes livepatch symbols and relocations.

import { levelOf, type Problem } from "../../diag/catalogue.ts";
import { type LinkOptions, linkSubject } from "../../passes/link.ts";
import { openModule } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { type Input, readInput } from "../files/io.ts";
import { replaceOutput, writeOutput } from "../files/output.ts";
import { tell } from "./tell.ts";
import { parseWords, WordsError } from "./words.ts";

/** `create-klp-module [-n] IN OUT`: returns its exit status. */
export async function runCreateKlpModule(words: readonly string[], context: Context): Promise<number> {
  const { options, operands } = parseWords(words, { "no-klp-arch-sections": { letter: "n" }, debug: { letter: "d" } });
  const [from = "", to = ""] = operands;
  if (operands.length !== 2) throw new WordsError(`${operands.length} arguments, not 2`);
  const input = await readInput(from, context);
  const bytes = await finished(input, { from: "kpatch", hasKlpArch: !options.has("no-klp-arch-sections") }, context);
  if (bytes === null) return 1;
  writeOutput(to, bytes, input.mode);
  return 0;
}

/** `objtool klp post-link FILE`, which changes the file: returns its exit status. */
export async function runKlpPostLink(words: readonly string[], context: Context): Promise<number> {
  const { operands } = parseWords(words, {});
  const [path = ""] = operands;
  if (operands.length !== 1) throw new WordsError(`${operands.length} arguments, not 1`);
  const input = await readInput(path, context);
  const bytes = await finished(input, {}, context);
  if (bytes === null) return 255;
  if (bytes !== input.bytes && input.state !== undefined) replaceOutput(path, bytes, input.state);
  return 0;
}

/** Null after an error was reported. */
async function finished(input: Input, options: Partial<LinkOptions>, context: Context): Promise<Uint8Array | null> {
  const subject = openModule(input.bytes, input.name);
  const { output, problems } = linkSubject(subject, { ...options, file: input.name, tocRestore: "island" });
  await tell(problems.filter(isTold), subject, context);
  return problems.some((p) => levelOf(p) === "error") ? null : output;
}

/** The tools say nothing of what may be wrong with a module that they can make: that is `klplink check`. */
const isTold = (p: Problem): boolean => levelOf(p) === "error";
