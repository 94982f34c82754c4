// Images against captures from real kernels (captured.ts says where they come from): three architectures, at three moments.

import { describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { type Captured, type Golden, goldenCaptures } from "./captured.ts";
import { type Comparison, compare, imageOf, MITIGATIONS_OFF, verifyCaptured } from "./compare.ts";

const all = goldenCaptures();
const kernelOf = ({ kallsyms }: Golden) => addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));

/** Flips a bit in the middle of each section, one after the other: exactly that byte is found to differ. */
function expectFlipsFound(captured: Captured, compareWith: (c: Captured) => Comparison): void {
  const { image } = compareWith(captured);
  for (const section of captured.sections) {
    const at = section.bytes.length >> 1;
    const hidden = image?.unknown.some((u) => u.section === section.index && u.start <= at && at < u.end);
    if (section.bytes.length === 0 || hidden === true) continue;
    const bytes = section.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    const sections = captured.sections.map((s) => (s === section ? { ...s, bytes } : s));
    const { differences } = compareWith({ ...captured, sections });
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain(`+0x${at.toString(16)}: `);
  }
}

test("there is one of everything", () => {
  for (const arch of ["ppc64le", "arm64", "x86_64"]) {
    const mine = all.filter((g) => g.name.startsWith(arch));
    expect(mine.some((g) => g.running !== null && g.objects.length === 0)).toBe(true);
    expect(mine.some((g) => g.loaded !== null)).toBe(true);
    // A livepatch, and the module that came later.
    expect(mine.some((g) => g.objects.includes("late_target"))).toBe(true);
  }
});

describe.each(all)("$name, straight after relocation", (golden) => {
  const { module, captured } = golden;
  const result = imageOf(module, captured, kernelOf(golden));

  test("every byte is the kernel's", () => {
    expect(result.problems).toEqual([]);
    const comparison = compare(result, captured);
    expect(comparison.differences).toEqual([]);
    expect(comparison.compared).toBeGreaterThan(1000);
    expect(result.image?.applied).toBeGreaterThan(10);
  });

  test("what cannot be known is struct module and the values of symbols that are not loaded", () => {
    for (const range of result.image?.unknown ?? []) {
      const name = result.image?.sections.find((s) => s.index === range.section)?.name;
      expect([".gnu.linkonce.this_module", ".symtab"]).toContain(name);
    }
  });

  test("one flipped bit in any section is found", () => expectFlipsFound(captured, (c) => compare(result, c)));
});

describe.each(all.filter((g) => g.loaded !== null))("$name, before init", (golden) => {
  const { module, captured, loaded } = golden;
  const result = imageOf(module, captured, kernelOf(golden), { stage: "loaded", x86: MITIGATIONS_OFF });
  if (loaded === null) throw new Error("not captured");

  test("every byte is the kernel's, and it changed some since where it rewrites any", () => {
    expect(result.problems).toEqual([]);
    const comparison = compare(result, loaded);
    expect(comparison.differences).toEqual([]);
    expect(comparison.compared).toBeGreaterThan(1000);
    // What the kernel rewrites before init stands in tables; own.c has none of them on x86_64. On arm64 the loader also writes the trampoline to ftrace.
    const { sections } = readElf(module);
    const isRewritten = Array.from({ length: sections.count }, (_, i) => sections.name(i)).some((name) =>
      /^(__mcount_loc|__patchable_function_entries|__jump_table|\.altinstructions|\.return_sites|__lwsync_fixup|\.text\.ftrace_trampoline)$/.test(
        name,
      ),
    );
    const changed = compare(imageOf(module, captured, kernelOf(golden)), loaded).differences.length > 0;
    expect(changed).toBe(isRewritten);
  });

  test("one flipped bit in any section is found", () => expectFlipsFound(loaded, (c) => compare(result, c)));
});

describe.each(all.filter((g) => g.running !== null))("$name, in use", (golden) => {
  const { module, captured, objects } = golden;
  const running = golden.running ?? new Map<bigint, Uint8Array>();
  const options = { x86: MITIGATIONS_OFF, objects };

  test("no byte is different", () => {
    const { problems, sections, unread } = verifyCaptured(module, captured, kernelOf(golden), running, options);
    expect(problems).toEqual([]);
    expect(unread).toEqual([]);
    expect(sections.length).toBeGreaterThan(5);
    const sum = (of: (s: (typeof sections)[number]) => number): number => sections.reduce((n, s) => n + of(s), 0);
    expect(sum((s) => s.equal) / sum((s) => s.size)).toBeGreaterThan(0.6);
  });

  test("one flipped bit of code is found and placed", () => {
    const code = verifyCaptured(module, captured, kernelOf(golden), running, options).sections.find(
      (s) => /^\.text/.test(s.name) && s.size >= 32 && s.equal === s.size,
    );
    const bytes = running.get(code?.address ?? 0n)?.slice() ?? new Uint8Array(0);
    const at = bytes.length - 8;
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    const spoiled = new Map([...running, [code?.address ?? 0n, bytes] as const]);
    const { problems } = verifyCaptured(module, captured, kernelOf(golden), spoiled, options);
    expect(problems.map((p) => [p.code, p.at.section, p.at.offset])).toEqual([["KLP220", code?.name, at]]);
  });

  test("each section whose address is missing is named, and no byte is called different", () => {
    const { sections } = readElf(module);
    const nameOf = ({ index }: { index: number }): string => sections.name(index);
    for (const gone of captured.sections) {
      if (gone.bytes.length === 0 || /^\.(symtab|strtab)$/.test(nameOf(gone))) continue;
      const rest = { ...captured, sections: captured.sections.filter((s) => s !== gone) };
      const { problems, unread } = verifyCaptured(module, rest, kernelOf(golden), running, options);
      expect(problems.filter((p) => p.code === "KLP220")).toEqual([]);
      expect(unread.filter((u) => u.lacks === "address").map((u) => u.name)).toEqual([nameOf(gone)]);
    }
  });

  test.skipIf(objects.length === 0)("without its late relocations it would not be equal", () => {
    const { problems } = verifyCaptured(module, captured, kernelOf(golden), running, { ...options, objects: [] });
    expect(problems.length).toBeGreaterThan(0);
  });
});

// The types are from the BTF of the kernel that the capture was made on.
describe.each(all.filter((g) => g.types !== null && g.loaded !== null))("$name, struct module", (golden) => {
  const { module, captured, loaded, types } = golden;
  if (loaded === null) throw new Error("not captured");
  const unknownIn = (result: ReturnType<typeof imageOf>): number => {
    const section = result.image?.sections.find((s) => s.name === ".gnu.linkonce.this_module");
    return (result.image?.unknown ?? [])
      .filter((u) => u.section === section?.index)
      .reduce((sum, u) => sum + u.end - u.start, 0);
  };

  test.each([
    ["relocated", captured],
    ["loaded", loaded],
  ] as const)("%s: the fields that are told are the kernel's, and they are much of it", (stage, seen) => {
    const options = { stage, x86: MITIGATIONS_OFF };
    const result = imageOf(module, captured, kernelOf(golden), { ...options, types });
    expect(compare(result, seen).differences).toEqual([]);
    const size = types?.("module")?.size ?? 0;
    expect(unknownIn(result)).toBeLessThan(size * 0.6);
    // Without types only what the file and its relocations tell: the name, init and exit.
    const without = imageOf(module, captured, kernelOf(golden), options);
    expect(compare(without, seen).differences).toEqual([]);
    expect(unknownIn(without)).toBe(size - 56 - 16);
  });
});

test("a kernel's types are among the captures", () => expect(all.some((g) => g.types !== null)).toBe(true));
