// Symbols of a module by name. What is expected is what the symbol table says, gone through row by row.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { ModuleSymbols } from "../../../src/kernel/module/moduleSymbols.ts";
import { buildElf } from "../../elf/build.ts";
import { root } from "../../helpers.ts";

test.each(["tree/exporter.ko", "kernel/demo-mod.ko", "moved/gcc-4.o"])(
  "%s: each name has its rows, in their order",
  (path) => {
    const file = readElf(readFileSync(join(root, "test/fixtures", path)));
    const { symbols } = file;
    const expected = new Map<string, number[]>();
    for (let i = 1; i < (symbols?.count ?? 0); i++) {
      const name = symbols?.name(i) ?? "";
      if (name !== "" && symbols?.isUndefined(i) === false) expected.set(name, [...(expected.get(name) ?? []), i]);
    }
    expect(expected.size).toBeGreaterThan(5);
    const found = new ModuleSymbols(file);
    for (const [name, rows] of expected) {
      expect(
        found.find(name).map((s) => s.index),
        name,
      ).toEqual(rows);
      expect(found.find(name)).toBe(found.find(name));
      for (const other of [`${name}x`, name.slice(1), name.slice(0, -1)])
        expect(found.has(other), other).toBe(expected.has(other));
    }
    expect([...found.all.keys()]).toEqual([...expected.keys()]);
  },
);

test("several modules are asked for names in turn, and each answers for itself", () => {
  const paths = ["tree/exporter.ko", "kernel/demo-mod.ko", "moved/gcc-4.o"];
  const files = paths.map((path) => readElf(readFileSync(join(root, "test/fixtures", path))));
  const modules = files.map((file) => new ModuleSymbols(file));
  const names = new Set(modules.flatMap(({ all }) => [...all.keys()]));
  expect(names.size).toBeGreaterThan(20);
  for (const name of names) {
    for (const asked of [name, `${name}_`, name])
      expect(modules.map((module) => module.has(asked))).toEqual(modules.map(({ all }) => all.has(asked)));
  }
});

test("names that are made to meet in one place, whatever odd factor a sum over them has", () => {
  // Words of Thue and Morse, of 256 letters: as polynomials of an odd number, both are the same modulo 2^32.
  const word = Array.from({ length: 256 }, (_, i) =>
    i.toString(2).replaceAll("0", "").length % 2 === 0 ? "a" : "b",
  ).join("");
  const other = [...word].map((c) => (c === "a" ? "b" : "a")).join("");
  const sum = (text: string): number =>
    [...text].reduce((s, c) => (Math.imul(s, 0x1234_5677) + c.charCodeAt(0)) | 0, 0);
  expect(sum(word)).toBe(sum(other));
  // Work that grows with the square of 32,768 names of 4 KB would not end within the time that a test may take.
  const count = 1 << 15;
  const names = Array.from({ length: count }, (_, i) =>
    Array.from({ length: 15 }, (_, bit) => ((i >> bit) & 1 ? word : other)).join(""),
  );
  const bytes = buildElf({
    machine: 62,
    sections: [{ name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(16) }],
    symbols: names.map((name) => ({ name, bind: 1, home: ".text" })),
  });
  const found = new ModuleSymbols(readElf(bytes));
  expect(found.all.size).toBe(count);
});
