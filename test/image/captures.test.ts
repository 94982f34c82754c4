// Images against captures from real kernels (captured.ts says where they come from).

import { describe, expect, test } from "vitest";
import { addressesOf } from "../../src/kernel/addresses.ts";
import { parseSymbols } from "../../src/kernel/parseSymbols.ts";
import { goldenCaptures } from "./captured.ts";
import { compare, imageOf } from "./compare.ts";

describe.each(goldenCaptures())("$name", ({ module, captured, kallsyms }) => {
  const kernel = addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));
  const result = imageOf(module, captured, kernel);

  test("every byte is the kernel's", () => {
    expect(result.problems).toEqual([]);
    const comparison = compare(result, captured);
    expect(comparison.differences).toEqual([]);
    expect(comparison.compared).toBeGreaterThan(1000);
    expect(result.image?.applied).toBeGreaterThan(10);
  });

  test("what cannot be told is struct module and the values of symbols that are not loaded", () => {
    for (const range of result.image?.unknown ?? []) {
      const name = result.image?.sections.find((s) => s.index === range.section)?.name;
      expect([".gnu.linkonce.this_module", ".symtab"]).toContain(name);
    }
  });

  test("one flipped bit in any section is found", () => {
    for (const section of captured.sections) {
      const at = section.bytes.length >> 1;
      const hidden = result.image?.unknown.some((u) => u.section === section.index && u.start <= at && at < u.end);
      if (section.bytes.length === 0 || hidden === true) continue;
      const bytes = section.bytes.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      const sections = captured.sections.map((s) => (s === section ? { ...s, bytes } : s));
      const { differences } = compare(result, { ...captured, sections });
      expect(differences).toHaveLength(1);
      expect(differences[0]).toContain(`+0x${at.toString(16)}: `);
    }
  });
});
