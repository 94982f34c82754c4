// The corpus of source changes: what diff says of each pair is what follows from its source.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { levelOf } from "../../src/diag/catalogue.ts";
import { diffObjects, extractDiff } from "../../src/passes/diff/diff.ts";
import { load, root } from "../helpers.ts";
import { kernelWith } from "./targetOf.ts";

const folder = "test/fixtures/diff/pairs";
const objects = readdirSync(join(root, folder))
  .filter((f) => f.endsWith(".orig.o"))
  .map((f) => f.slice(0, -".orig.o".length));
const line = (pair: string, what: string): string | null =>
  new RegExp(`^// ${what}:(.*)$`, "m")
    .exec(readFileSync(join(root, folder, `${pair.replace(/\.[^.]+$/, "")}.c`), "utf8"))?.[1]
    ?.trim() ?? null;
const plain = (name: string): string => name.replace(/(?:\.(?:isra|constprop|part|cold|\d+))+$/, "");

/** Functions that differ in a variable's name, or size, only: it is one variable on both sides, and no byte of the code differs. */
const IN_NAME_ONLY: Readonly<Record<string, string>> = { "static-size": "f changed" };

test.each(objects)("%s", async (pair) => {
  const orig = load(`${folder}/${pair}.orig.o`);
  const result = await diffObjects(
    { bytes: orig, path: "orig.o" },
    { bytes: load(`${folder}/${pair}.patched.o`), path: "patched.o" },
  );
  const wanted = (line(pair, "expect") ?? "")
    .split(",")
    .flatMap((w) => (w.trim() === "" ? [] : [w.trim().replace(/^\w+\//, "")]));
  const ignored = new Set(result.diff.ignored.map((i) => plain(i.name)));
  const isIgnored = (w: string): boolean => ignored.has(w.split(" ")[0] ?? "");
  const changes = [...result.diff.functions, ...result.diff.data].filter((c) => c.status !== "same");
  const found = changes.map((c) => `${plain(c.name).replace(/^\w+\.(?=\w)/, "")} ${c.status}`);
  expect([...new Set(found)].sort()).toEqual(
    [...new Set(wanted.filter((w) => !isIgnored(w) && w !== IN_NAME_ONLY[pair.replace(/\.[^.]+$/, "")]))].sort(),
  );
  const says = line(pair, "says")
    ?.split(" ")
    .filter((c) => c !== "");
  if (says !== undefined) {
    const codes = result.problems.filter((p) => levelOf(p) !== "error").map((p) => p.code as string);
    expect([...new Set(codes)].sort()).toEqual(says.sort());
  }
  const refuse = line(pair, "refuse");
  const errors = result.problems.filter((p) => levelOf(p) === "error").map((p) => p.code as string);
  const kernel = kernelWith(orig, []);
  const arch = pair.replace(/^.*\./, "");
  // Names of the patched object alone are not in this kernel; and not every compiler makes patch sites.
  const passed = new Set(["KLP709", ...(line(pair, "unpatchable") === arch ? ["KLP710"] : [])]);
  if (errors.length === 0)
    for (const p of extractDiff(result, { kernel, object: "vmlinux" }).problems)
      if (!passed.has(p.code)) errors.push(p.code);
  expect({ refused: errors.length > 0, errors }).toEqual({ refused: refuse !== null, errors });
});
