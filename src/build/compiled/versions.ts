// Checksums of exported symbols (CONFIG_MODVERSIONS): what the source gives, what the kernel has, and what a patch makes of them.

import { existsSync, readFileSync } from "node:fs";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Export } from "../../kernel/symbols/exports.ts";

/** Checksums by symbol. */
export type Versions = ReadonlyMap<string, number>;

/** What kbuild noted in an object's command file: a line `#SYMVER NAME 0xCHECKSUM` an export (scripts/Makefile.build, 5.19 and later). */
export function notedVersions(commandFile: string): Versions {
  const found = new Map<string, number>();
  if (!existsSync(commandFile)) return found;
  for (const [, name = "", value = ""] of readFileSync(commandFile, "latin1").matchAll(
    /^#SYMVER (\S+) 0x([0-9a-f]{1,8})$/gm,
  ))
    found.set(name, Number.parseInt(value, 16));
  return found;
}

/** An object's exports, before and after. */
interface ObjectVersions {
  readonly path: string;
  readonly versions: { readonly orig: Versions; readonly patched: Versions };
}

/** What is wrong with the checksums of exports of objects that were compiled. @param exportOf what the kernel says of an export */
export function versionProblems(
  objects: readonly ObjectVersions[],
  exportOf: (name: string) => Export | null,
): Problem[] {
  const problems: Problem[] = [];
  for (const {
    path,
    versions: { orig, patched },
  } of objects) {
    const others = [...orig].filter(([name, own]) => {
      const crc = exportOf(name)?.crc ?? null;
      return crc !== null && crc !== own;
    });
    if (others.length > 0)
      problems.push(problem("KLP820", { file: path }, { symbols: others.map(([name]) => name), all: orig.size }));
    const changed = [...orig].filter(([name, own]) => (patched.get(name) ?? own) !== own);
    if (changed.length > 0)
      problems.push(problem("KLP821", { file: path }, { symbols: changed.map(([name]) => name) }));
  }
  return problems;
}

/** Module.symvers of a kernel, as far as its own tables tell: exports of vmlinux with their checksums; null if these are not known. */
export function symversOf(exports: readonly Export[]): string | null {
  if (exports.length === 0 || exports.some((e) => e.crc === null)) return null;
  const lines = exports.map(({ name, crc, gplOnly, namespace }) => {
    const hex = (crc ?? 0).toString(16).padStart(8, "0");
    return `0x${hex}\t${name}\tvmlinux\tEXPORT_SYMBOL${gplOnly === true ? "_GPL" : ""}\t${namespace ?? ""}\n`;
  });
  return lines.join("");
}
