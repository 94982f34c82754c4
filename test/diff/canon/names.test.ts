// Names without the numbers that compilers and the kernel's macros give.

import { expect, test } from "vitest";
import { canonicalName } from "../../../src/diff/canon/names.ts";

test.each([
  ["count.isra.17.constprop.23", "count.isra.constprop"],
  ["cnt.2", "cnt"],
  ["f.llvm.1234abc", "f.llvm"],
  ["__UNIQUE_ID_ddebug12", "__UNIQUE_ID_ddebug"],
  ["__UNIQUE_ID_modinfo_12_34.5", "__UNIQUE_ID_modinfo"],
  ["__UNIQUE_ID_addr1x2", "__UNIQUE_ID_addr1x2"],
  // Digits that are no number at the end: looked at once.
  [`__UNIQUE_ID_a${"1".repeat(60)}b`, `__UNIQUE_ID_a${"1".repeat(60)}b`],
])("%s", (name, canonical) => {
  expect(canonicalName(name)).toBe(canonical);
});
