import { expect, test } from "vitest";
import { SourceIndex } from "../../src/elf/dwarf/lines/source.ts";
import { readElf } from "../../src/elf/reader.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../src/passes/check.ts";
import { type DiffInput, diffObjects } from "../../src/passes/diff/diff.ts";
import { link } from "../../src/passes/link.ts";
import { type BuiltSection, buildElf, words } from "../elf/build.ts";

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

/** Numbers of one, two, four and eight bytes, little-endian, and text that ends with a zero. */
function bytesOf(parts: readonly (readonly [size: 1 | 2 | 4 | 8, value: number] | string)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === "string") return Buffer.from(`${part}\0`, "latin1");
      const [size, value] = part;
      const buffer = Buffer.alloc(size);
      if (size === 8) buffer.writeBigUInt64LE(BigInt(value));
      else buffer.writeUIntLE(value, 0, size);
      return buffer;
    }),
  );
}

// DWARF 4: abbreviations of a unit (stmt_list, low_pc, high_pc), a subprogram (name, low_pc, high_pc) and an inlined call
// (low_pc, high_pc, call_line), all with children.
const ABBREVIATIONS = [
  [1, 0x11, 1, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0],
  [2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0],
  [3, 0x1d, 1, 0x11, 0x01, 0x12, 0x06, 0x59, 0x05, 0, 0],
];

test("300,000 inlined calls, each in the one before", async () => {
  const n = 300_000;
  const size = 64;
  // The unit, its subprogram, the calls; an entry of a call takes 1 + 8 + 4 + 2 bytes.
  const head = bytesOf([
    [4, 0],
    [2, 4],
    [4, 0],
    [1, 8],
    [1, 1],
    [4, 0],
    [8, 0],
    [4, size],
    [1, 2],
    "outer",
    [8, 0],
    [4, size],
  ]);
  const calls = Buffer.alloc(15 * n);
  for (let i = 0; i < n; i++) {
    calls[15 * i] = 3;
    calls.writeUInt32LE(size, 15 * i + 9);
    calls.writeUInt16LE(i % 1000, 15 * i + 13);
  }
  const info = Buffer.concat([head, calls, Buffer.alloc(n + 2)]);
  info.writeUInt32LE(info.length - 4, 0);
  const line = Buffer.from(
    bytesOf([
      ...([
        [4, 0],
        [2, 4],
        [4, 0],
        [1, 1],
        [1, 1],
        [1, 1],
        [1, 251],
        [1, 14],
        [1, 13],
      ] as const),
      ...[0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1].map((length) => [1, length] as const),
      ...([[1, 0], "a.c", [1, 0], [1, 0], [1, 0], [1, 0]] as const),
      // DW_LNE_set_address, DW_LNS_copy, DW_LNS_advance_pc, DW_LNE_end_sequence.
      ...([
        [1, 0],
        [1, 9],
        [1, 2],
        [8, 0],
        [1, 1],
        [1, 2],
        [1, size],
        [1, 0],
        [1, 1],
        [1, 1],
      ] as const),
    ]),
  );
  line.writeUInt32LE(line.length - 4, 0);
  const program = line.length - 17;
  line.writeUInt32LE(program - 10, 6);
  const address = (offset: number) => ({ offset, symbol: 1, type: 1 });
  const rela = (target: string, relocations: readonly { offset: number; symbol: number; type: number }[]) => ({
    ...{
      name: `.rela${target}`,
      type: 4,
      flags: 0x40,
      link: ".symtab",
      info: target,
      align: 8,
      entsize: 24,
      relocations,
    },
  });
  const starts = Array.from({ length: n }, (_, i) => address(head.length + 15 * i + 1));
  const file = readElf(
    buildElf({
      machine: 62,
      sections: [
        { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(size) },
        { name: ".debug_info", type: 1, data: info },
        rela(".debug_info", [address(16), address(35), ...starts]),
        { name: ".debug_abbrev", type: 1, data: Uint8Array.from([...ABBREVIATIONS.flat(), 0]) },
        { name: ".debug_line", type: 1, data: line },
        rela(".debug_line", [address(program + 3)]),
      ],
      symbols: [{ name: "", type: 3, home: ".text" }],
    }),
  );
  const index = await SourceIndex.read(file);
  for (let at = 0; at < size; at++) {
    const frames = index.find(1, at);
    expect([index.fault, frames?.length, frames?.at(-1)?.function]).toEqual([null, 64, "outer"]);
  }
});

const data = (name: string, size: number) => ({ name, type: 1, flags: 3, align: 8, data: new Uint8Array(size) });
const relaOf = (name: string, info: string | number, relocations: BuiltSection["relocations"], flags = 0x40) => ({
  ...{ name, type: 4, flags, link: ".symtab", info, align: 8, entsize: 24, relocations: relocations ?? [] },
});
const TEXT = (size: number) => ({ name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(size).fill(0x90) });

test("diff: 20,000 variables without a name, each with a pointer to the next one", async () => {
  const n = 20_000;
  const bytes = (size: number) =>
    buildElf({
      machine: 62,
      sections: [
        TEXT(size),
        relaOf(".rela.text", ".text", [{ offset: 8, symbol: 2, type: 1 }]),
        ...Array.from({ length: n }, (_, i) => data(`.data..L__unnamed_${i}`, 16)),
        ...Array.from({ length: n - 1 }, (_, i) =>
          relaOf(`.rela.data..L__unnamed_${i}`, 3 + i, [{ offset: 8, symbol: 3 + i, type: 1 }]),
        ),
      ],
      symbols: [
        { name: "f", type: 2, home: ".text", size: 64 },
        ...Array.from({ length: n }, (_, i) => ({ name: "", type: 3, home: 3 + i })),
      ],
    });
  const sides = [bytes(64), bytes(65)].map((b, i) => ({ bytes: b, path: `${i}.o` })) as [DiffInput, DiffInput];
  await expect(diffObjects(...sides)).rejects.toMatchObject({ problem: { code: "KLP127", at: { file: "0.o" } } });
});

test("diff: TOC entries that lead through the TOC to one another", async () => {
  const n = 20_000;
  const bytes = buildElf({
    machine: 21,
    sections: [
      TEXT(64),
      relaOf(".rela.text", ".text", [{ offset: 8, symbol: 2, type: 47 }]),
      data(".toc", 8 * n),
      relaOf(
        ".rela.toc",
        ".toc",
        Array.from({ length: n }, (_, i) => ({
          offset: 8 * i,
          symbol: 2,
          type: 47,
          addend: BigInt(8 * ((i + 1) % n)),
        })),
      ),
    ],
    symbols: [
      { name: "f", type: 2, home: ".text", size: 64 },
      { name: "", type: 3, home: ".toc" },
    ],
  });
  const { diff } = await diffObjects({ bytes, path: "0.o" }, { bytes: bytes.slice(), path: "1.o" });
  // Nothing tells where such an entry leads.
  expect(diff.functions.map((f) => [f.name, f.status])).toEqual([["f", "changed"]]);
});

test("5,000 livepatch sections, each of an object of its own", () => {
  const n = 5000;
  const bytes = buildElf({
    machine: 62,
    sections: [
      TEXT(64),
      ...Array.from({ length: n }, (_, i) =>
        relaOf(`.klp.rela.m${i}..text`, ".text", [{ offset: 8, symbol: 1 + i, type: 2 }], 0x100042),
      ),
    ],
    symbols: Array.from({ length: n }, (_, i) => ({ name: `.klp.sym.m${i}.s,0`, bind: 1, home: 0xff20 })),
  });
  // Of each kind so many are listed.
  expect(check(bytes, { file: "x.o" }).problems.length).toBeGreaterThan(2000);
});
