// The pairs of test/fixtures/diff/pairs, from two objects to a finished livepatch: what the source of a case says of functions that are
// taken, and of what is refused; what is taken is linked and checked without an error.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { levelOf, titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { check } from "../../../src/passes/check.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { link } from "../../../src/passes/link.ts";
import { kernelWith } from "../../diff/targetOf.ts";
import { root } from "../../helpers.ts";

const folder = join(root, "test/fixtures/diff/pairs");
const pairs = readdirSync(folder).flatMap((file) => {
  const [, name = "", arch = ""] = /^(.+)\.(\w+)\.orig\.o$/.exec(file) ?? [];
  return name === "" ? [] : [{ name, arch, pair: `${name}.${arch}` }];
});

const line = (name: string, what: string): string | null =>
  new RegExp(`^// ${what}:(.*)$`, "m").exec(readFileSync(join(folder, `${name}.c`), "utf8"))?.[1]?.trim() ?? null;
const plain = (name: string): string => name.replace(/(?:\.(?:isra|constprop|part|cold|\d+))+$/, "");
const bytesOf = (pair: string, which: string) => new Uint8Array(readFileSync(join(folder, `${pair}.${which}.o`)));

/** Functions that a livepatch of the case must have: `take:`, or those that are changed or new. */
function wanted(name: string, pair: string): string[] {
  const take = line(name, "take");
  if (take !== null) return take.split(" ").sort();
  const functions = new Set<string>();
  for (const which of ["orig", "patched"]) {
    const { symbols } = readElf(bytesOf(pair, which));
    for (let i = 1; i < (symbols?.count ?? 0); i++) if (symbols?.type(i) === 2) functions.add(plain(symbols.name(i)));
  }
  const parts = (line(name, "expect") ?? "").split(",").map((part) => part.trim().split(" "));
  const names = parts.filter(([item = "", status]) => status !== "removed" && functions.has(item));
  return [...new Set(names.map(([item = ""]) => item))].sort();
}

/** In what a pair does not come out as the source says; null: in nothing. */
async function deviation(name: string, arch: string, pair: string): Promise<string | null> {
  const [orig, patched] = [bytesOf(pair, "orig"), bytesOf(pair, "patched")];
  const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
  const outside = [orig, patched].flatMap((bytes) => {
    const { symbols } = readElf(bytes);
    const all = Array.from({ length: symbols?.count ?? 0 }, (_, i) => i).filter((i) => symbols?.isUndefined(i));
    return all.map((i) => symbols?.name(i) ?? "").filter((n) => n !== "" && n !== ".TOC.");
  });
  const kernel = kernelWith(orig, [...new Set(outside)]);
  const early = result.problems.filter((p) => levelOf(p) === "error");
  const taken = early.length > 0 || result.isEmpty ? null : extractDiff(result, { kernel, object: "vmlinux" });
  const errors = [...early, ...(taken?.problems ?? []).filter((p) => levelOf(p) === "error")];
  const refuse = line(name, "refuse");
  const unpatchable = line(name, "unpatchable") === arch && !result.isEmpty && wanted(name, pair).length > 0;
  const [error] = errors;
  if (refuse !== null || (unpatchable && error !== undefined)) {
    if (error === undefined) return "is not refused";
    const named = refuse ?? "ftrace cannot patch it";
    return errors.some((p) => titleOf(p).includes(named))
      ? null
      : `the refusal does not name ${named}: ${titleOf(error)}`;
  }
  if (error !== undefined) return `refused: ${titleOf(error)}`;
  const functions = [...(taken?.inclusion.items.keys() ?? [])].filter((i) => i.kind === "function");
  const found = [...new Set(functions.map((i) => plain(i.name)))].sort();
  // Init code has run: it is not to be taken.
  const want = line(name, "note") === wanted(name, pair).join(" ") && found.length === 0 ? [] : wanted(name, pair);
  if (found.join() !== want.join()) return `takes ${found.join(", ") || "nothing"} for ${want.join(", ") || "nothing"}`;
  return taken?.bytes === null || taken === null ? null : finished(taken.bytes, kernel);
}

/** What is wrong with a diff object once it is linked; null: nothing. */
function finished(bytes: Uint8Array, kernel: ReturnType<typeof kernelWith>): string | null {
  const linked = link(bytes, { file: "diff.o", kernel });
  const { output } = linked;
  const refused = linked.problems.find((p) => levelOf(p) === "error");
  if (refused !== undefined || output === null) return `link: ${refused === undefined ? "nothing" : titleOf(refused)}`;
  const wrong = check(output, { file: "diff.o", kernel }).problems.find((p) => levelOf(p) === "error");
  if (wrong !== undefined) return `check: ${titleOf(wrong)}`;
  return link(output, { file: "diff.o", kernel }).changed ? "a second link changes it" : null;
}

describe.each(pairs)("$pair", ({ name, arch, pair }) => {
  test("what the source says is taken or refused", async () => {
    expect(await deviation(name, arch, pair)).toBeNull();
  });
});
