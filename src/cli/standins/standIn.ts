// The tools whose place klplink takes in drivers of others: kpatch-build starts create-diff-object and create-klp-module, the kernel's
// scripts/livepatch/klp-build starts `objtool klp`. Their arguments, their exit statuses; what is said of problems is klplink's own.

import type { Context } from "../context.ts";
import { UsageError, write } from "../files/io.ts";
import { problemOf } from "../options.ts";
import { tell } from "./tell.ts";
import { WordsError } from "./words.ts";

interface StandIn {
  /** How it is called, behind its name. */
  readonly usage: string;
  /** Exit statuses for a wrong command line, and for an error. */
  readonly status: { readonly usage: number; readonly failed: number };
  readonly run: (words: readonly string[], context: Context) => Promise<number>;
}

/** By the name of the tool; those of objtool are `klp` and a word. */
const STAND_INS: Readonly<Record<string, StandIn>> = {
  // argp of the GNU C library ends with EX_USAGE, 64.
  "create-diff-object": {
    usage:
      "[-a|--klp-arch] [-d|--debug] original.o patched.o parent-name parent-symtab Module.symvers patch-module-name output.o",
    status: { usage: 64, failed: 1 },
    run: async (words, context) => (await import("./createDiffObject.ts")).runCreateDiffObject(words, context),
  },
  "create-klp-module": {
    usage: "[-n|--no-klp-arch-sections] [-d|--debug] input.ko output.ko",
    status: { usage: 64, failed: 1 },
    run: async (words, context) => (await import("./postLink.ts")).runCreateKlpModule(words, context),
  },
  // Usage of objtool's own parser ends with 129; a command that returns -1, with 255.
  "klp diff": {
    usage: "[-d|--debug] [--debug-correlate] [--debug-clone] in1.o in2.o out.o",
    status: { usage: 129, failed: 255 },
    run: async (words, context) => (await import("./klpDiff.ts")).runKlpDiff(words, context),
  },
  "klp post-link": {
    usage: "file.ko",
    status: { usage: 255, failed: 255 },
    run: async (words, context) => (await import("./postLink.ts")).runKlpPostLink(words, context),
  },
  "klp checksum": {
    usage: "[--dry-run] [--debug-checksum=names] file.o",
    status: { usage: 129, failed: 255 },
    run: async (words, context) => (await import("./klpChecksum.ts")).runKlpChecksum(words, context),
  },
};

/** Whether klplink's own help is asked for. */
const asksForHelp = (words: readonly string[]): boolean => words.some((word) => word === "--help" || word === "-?");

/** Runs the tool that the words name; null: they name none, or ask for help. @returns the exit status */
export async function runStandIn(argv: readonly string[], context: Context): Promise<number | null> {
  const [first = "", second = ""] = argv;
  const isKlp = first === "klp";
  const name = isKlp ? `klp ${second}` : first;
  const words = argv.slice(isKlp ? 2 : 1);
  const tool = Object.hasOwn(STAND_INS, name) ? STAND_INS[name] : undefined;
  if (tool === undefined && (!isKlp || argv.includes("--help"))) return null;
  if (tool === undefined) {
    await write(context.stderr, `usage: klplink klp <checksum|diff|post-link> [<options>]\n`);
    return 1;
  }
  if (asksForHelp(words)) return null;
  try {
    return await tool.run(words, context);
  } catch (error) {
    if (error instanceof WordsError || error instanceof UsageError) {
      await write(context.stderr, `klplink: ${error.message}\nusage: klplink ${name} ${tool.usage}\n`);
      return tool.status.usage;
    }
    const found = problemOf(error);
    if (found === null) throw error;
    await tell([found], null, context);
    return tool.status.failed;
  }
}
