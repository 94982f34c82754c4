// Hashes of types before entries on arm64, which have no symbol. What is expected follows from the source (test/fixtures/diff/kcfi/kcfi.c) and
// from binutils: `objdump -d` of the two objects differs in one word, the one before `called`.

import { expect, test } from "vitest";
import { diffObjects } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";

const object = (which: string) => ({
  bytes: load(`test/fixtures/diff/kcfi/kcfi.${which}.o`),
  path: `kcfi.${which}.o`,
});

test("a hash belongs to the function behind it, in a section of several", async () => {
  const { diff } = await diffObjects(object("orig"), object("patched"));
  const changed = diff.functions.filter((c) => c.status !== "same");
  expect(changed.map((c) => [c.name, c.status])).toEqual([["called", "changed"]]);
  // The word of which objdump says that it differs.
  expect(changed[0]?.difference?.patched?.offset).toBe(0x34);
  const items = diff.patched.unit.items.filter((i) => i.kind === "function");
  // The static function is called directly only, and has none.
  expect(items.map((i) => [i.name, i.entry - i.start])).toEqual([
    ["before", 4],
    ["plain_one", 0],
    ["called", 4],
    ["user", 4],
  ]);
});
