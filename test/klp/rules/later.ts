// What the tests of rules about code share: modules of test/fixtures/later, and a kernel that has the symbols named.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Problem } from "../../../src/diag/catalogue.ts";
import type { Code } from "../../../src/diag/definitions.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../../src/passes/check.ts";
import { renameSection } from "../part.ts";

const folder = fileURLToPath(new URL("../../fixtures/later/", import.meta.url));

export const later = (name: string): Uint8Array => new Uint8Array(readFileSync(`${folder}${name}.o`));

/** What objtool of 7.2 said of a module (objtool.txt): `PLACE: TEXT`. */
export const objtoolOn = (name: string): string[] =>
  readFileSync(`${folder}objtool.txt`, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${name}.o:`))
    .map((line) => line.replace(/^.*objtool: /, ""));

/** A kernel of whose System.map that is a part. */
export const kernelFrom = (text: string): Kernel =>
  new Kernel({ list: parseSymbols(new Uint8Array(Buffer.from(text)), "System.map") });

export const kernelWith = (...names: string[]): Kernel =>
  kernelFrom(names.map((name, i) => `ffffffff8100${(i + 16).toString(16)}00 T ${name}\n`).join(""));

/** The module as an object that is still to be linked. */
export function unfinished(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  renameSection(readElf(bytes), out, ".gnu.linkonce.this_module", ".gnu.linkonce.none");
  return out;
}

/** Problems of one code. */
export const found = <C extends Code>(
  bytes: Uint8Array,
  code: C,
  kernel?: Kernel,
  kernelVersion = { major: 6, minor: 12 },
): Extract<Problem, { code: C }>[] =>
  check(bytes, { file: "safe.ko", kernelVersion, ...(kernel === undefined ? {} : { kernel }) }).problems.filter(
    (p): p is Extract<Problem, { code: C }> => p.code === code,
  );

/** `FUNCTION+0xOFFSET` of a problem. */
export const placeOf = ({ at }: Problem): string =>
  at.function === undefined
    ? `${at.section}+0x${at.offset?.toString(16)}`
    : `${at.function.name}+0x${at.function.offset.toString(16)}`;
