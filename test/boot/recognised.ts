// Every line that a kernel of these tests prints about a module must be one that `klplink explain` knows.

import { recogniseLine } from "../../src/diag/messages/recognise.ts";
import { readElf } from "../../src/elf/reader.ts";
import { readModInfo } from "../../src/kernel/module/modinfo.ts";
import { findModuleName } from "../../src/kernel/module/moduleFile.ts";

/** What a test module prints of itself, at the level of warnings (image/varied.c). */
const OWN_WORDS = /^varied: \d+ \d+$/;

export interface LogLine {
  /** 0 (emergency) to 7 (debugging). */
  readonly level: number;
  readonly text: string;
}

/** What the loader, the livepatch core and ftrace begin their lines with (`pr_fmt`). */
const SPEAKERS = ["module_64", "module", "Modules", "livepatch", "ftrace", "ftrace-powerpc"];

/** The name that the kernel has for a module; null for another file. */
export function moduleNameOf(path: string, bytes: Uint8Array): string | null {
  if (!/\.ko$/.test(path)) return null;
  try {
    const file = readElf(bytes);
    return findModuleName(file, readModInfo(file), path);
  } catch {
    return null;
  }
}

/**
 * Modules print lines of their own with their name before them, at level 6 (information); the kernel's about them are 5 and
 * below.
 * @throws Error that names the lines, of those about modules, that explain does not recognise.
 */
export function mustRecognise(log: readonly LogLine[], modules: Iterable<string>): void {
  const lines = log.filter((l) => l.level <= 5).map((l) => l.text);
  const names = new Set([...SPEAKERS, ...modules]);
  const about = lines.filter((line) => names.has(/^([\w-]+): /.exec(line)?.[1] ?? ""));
  const unknown = [...new Set(about)].filter((line) => recogniseLine(line)?.cut !== null && !OWN_WORDS.test(line));
  if (unknown.length > 0) throw new Error(`klplink explain does not recognise:\n${unknown.join("\n")}`);
}
