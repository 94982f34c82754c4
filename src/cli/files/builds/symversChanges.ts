// The checksums of exports that two builds list in their Module.symvers.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { latin1 } from "../../../base/bytes.ts";
import { type Problem, problem } from "../../../diag/catalogue.ts";
import { readRegular } from "../../../elf/regularFile.ts";
import { SymbolListError } from "../../../kernel/symbols/parseSymbols.ts";
import { parseSymvers } from "../../../kernel/symbols/symvers.ts";
import { unreadable } from "../io.ts";

/** An export with another checksum in the second build. */
export interface ChecksumChange {
  readonly name: string;
  readonly checksums: readonly [string, string];
  readonly file: string;
  /** From 1, in the second build's file. */
  readonly line: number;
}

const hexOf = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;

/** Empty where one of the builds has no such file, as it has before modpost ran, or one that cannot be read as such. */
export function checksumChanges(orig: string, patched: string): ChecksumChange[] {
  const [one, other] = [orig, patched].map((root) => join(root, "Module.symvers")) as [string, string];
  if (!existsSync(one) || !existsSync(other)) return [];
  const [before, after] = [checksumsOf(one), checksumsOf(other)];
  return [...after].flatMap(([name, { crc, line }]) => {
    const old = before.get(name)?.crc ?? null;
    return old === null || crc === null || old === crc
      ? []
      : [{ name, checksums: [hexOf(old), hexOf(crc)] as const, file: other, line }];
  });
}

function checksumsOf(path: string): Map<string, { crc: number | null; line: number }> {
  let bytes: Uint8Array;
  try {
    ({ bytes } = readRegular(path));
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const lines = new Map(
      latin1(bytes)
        .split("\n")
        .map((text, i) => [text.split("\t")[1] ?? "", i + 1] as const),
    );
    return new Map(parseSymvers(bytes).map(({ name, crc }) => [name, { crc, line: lines.get(name) ?? 1 }]));
  } catch (error) {
    // A build that exports nothing has an empty one.
    if (error instanceof SymbolListError) return new Map();
    throw error;
  }
}

/** What is said of them. @param said names of which the objects themselves tell it @param used names that taken code needs */
export function checksumProblems(
  changes: readonly ChecksumChange[],
  said: ReadonlySet<string>,
  used: ReadonlySet<string>,
): Problem[] {
  return changes.flatMap(({ name, checksums, file, line }) => {
    if (used.has(name)) return [problem("KLP741", { file, line }, { name, checksums })];
    return said.has(name) ? [] : [problem("KLP729", { file, line }, { name, what: "checksum", checksums })];
  });
}
