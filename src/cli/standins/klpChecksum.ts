import { openModule } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { readInput } from "../files/io.ts";
import { parseWords, WordsError } from "./words.ts";

/**
 * `objtool klp checksum FILE`: returns its exit status. klplink compares functions themselves and needs no checksums of them, so the file
 * stays as it is. @throws Unusable if it is no object
 */
export async function runKlpChecksum(words: readonly string[], context: Context): Promise<number> {
  const { operands } = parseWords(words, {
    "dry-run": { letter: null },
    "debug-checksum": { letter: null, hasValue: true },
  });
  const [path = ""] = operands;
  if (operands.length !== 1) throw new WordsError(`${operands.length} arguments, not 1`);
  const input = await readInput(path, context);
  openModule(input.bytes, input.name);
  return 0;
}
