import { expect, test } from "vitest";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../src/passes/check.ts";
import { link } from "../../src/passes/link.ts";
import { buildElf, words } from "../elf/build.ts";

// Large, well formed, and the worst case of each pass. Work that grows with the square of the input would not end within
// the time that a test may take.

const symbols = parseSymbols(
  Buffer.from("c000000000000001 t callee\nc000000000000002 r __ksymtab_x\nc000000000000002 t tail\n"),
  "System.map",
);
const BL = 0x4800_0001; // bl, to be relocated
// Two words up to the local entry; and what stands behind a call instead of a nop.
const LI = 0x3860_0000; // li r3,0
const BLR = 0x4e80_0020;

test("64,000 calls without a nop in one function", () => {
  const n = 64_000;
  const bytes = buildElf({
    machine: 21,
    sections: [
      {
        name: ".text",
        type: 1,
        flags: 6,
        align: 16,
        data: words([LI, LI, ...Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? BL : LI))]),
      },
      {
        name: ".rela.text",
        type: 4,
        flags: 0x40,
        link: ".symtab",
        info: ".text",
        align: 8,
        entsize: 24,
        relocations: Array.from({ length: n }, (_, i) => ({ offset: 8 + i * 8, symbol: 2, type: 10 })),
      },
    ],
    symbols: [
      { name: "f", type: 2, other: 0x60, home: ".text", size: 8 + 8 * n },
      { name: "callee", bind: 1 },
    ],
  });
  expect(check(bytes, { file: "x.o" }).calls).toEqual({ "no-nop": n });
  const { output, done } = link(bytes, { file: "x.o", symbols });
  expect(done.returnIslands).toBe(n);
  // An island is three words.
  expect((output ?? bytes).length).toBeLessThan(bytes.length + n * 12 + 1000);
});

test("20,000 functions, each in a section of its own", () => {
  const n = 20_000;
  const sections = Array.from({ length: n }, (_, i) => [
    { name: `.text.${i}`, type: 1, flags: 6, align: 4, data: words([LI, LI, BL, LI, BLR]) },
    {
      name: `.rela.text.${i}`,
      type: 4,
      flags: 0x40,
      link: ".symtab",
      info: `.text.${i}`,
      align: 8,
      entsize: 24,
      relocations: [{ offset: 8, symbol: n + 1, type: 10 }],
    },
  ]).flat();
  const functions = Array.from({ length: n }, (_, i) => ({
    name: `f${i}`,
    type: 2,
    other: 0x60,
    home: `.text.${i}`,
    size: 20,
  }));
  const bytes = buildElf({ machine: 21, sections, symbols: [...functions, { name: "callee", bind: 1 }] });
  const { output, done } = link(bytes, { file: "x.o", symbols });
  expect(done.returnIslands).toBe(n);
  expect(output).not.toBeNull();
});
