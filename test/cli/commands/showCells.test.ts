// Tables of symbols and relocations as text hold what the JSON form has: each put together here, cell by cell.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Built, type BuiltSymbol, buildElf } from "../../elf/build.ts";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

type Row = Readonly<Record<string, string | number | null>>;

/** A table of text as its rows say, without its title. */
function tableOf(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const cells = [Object.fromEntries(names.map((name) => [name, name])), ...rows].map((row) =>
    names.map((name) => String(row[name] ?? "")),
  );
  const columns = names.map((_, c) => {
    const own = cells.slice(1).map((row) => row[c] ?? "");
    const width = Math.max(...cells.map((row) => row[c]?.length ?? 0));
    const isRight = own.every((cell) => /^(?:-?0x[0-9a-f]+|\d*)$/.test(cell));
    return own.some((cell) => cell !== "") ? { width, isRight } : null;
  });
  const line = (row: readonly string[]): string =>
    columns
      .flatMap((column, c) => {
        const cell = row[c] ?? "";
        return column === null ? [] : [column.isRight ? cell.padStart(column.width) : cell.padEnd(column.width)];
      })
      .join("  ");
  return cells.map((row) => `  ${line(row)}`.trimEnd()).join("\n");
}

async function expectSame(bytes: Uint8Array): Promise<void> {
  const show = async (...more: string[]): Promise<string> => {
    const { status, stdout, stderr } = await klplink(["show", "--symbols", "--relocations", ...more, "-"], {
      input: bytes,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout;
  };
  const { symbols, relocations } = JSON.parse(await show("--format", "json")) as Record<string, Row[]>;
  const [, ...tables] = (await show()).trimEnd().split(/\n\n(?=Symbols|Relocations)/);
  const expected = [
    symbols?.length === 0 ? "Symbols: none" : `Symbols\n${tableOf(symbols ?? [])}`,
    relocations?.length === 0 ? "Relocations: none" : `Relocations\n${tableOf(relocations ?? [])}`,
  ];
  expect(tables).toEqual(expected);
}

/** Names as the bytes of a string table, one character a byte. */
const named = (name: string, more: Omit<BuiltSymbol, "name"> = {}): BuiltSymbol => ({
  name: Buffer.from(name).toString("latin1"),
  ...more,
});

const SYMBOLS: readonly BuiltSymbol[] = [
  named("plain", { type: 2, home: ".text", size: 4 }),
  named("", { type: 3, home: ".text" }),
  named("", { home: ".text" }),
  named("grün€😀", { bind: 1, type: 1, other: 2, home: ".text", value: 2n ** 63n, size: 2 ** 63 }),
  { name: "bad\xff\x01name", bind: 10, type: 5, other: 3, home: 0xfff1, value: 2n ** 64n - 1n, size: 2 ** 53 },
  named("trail  ", { bind: 2, other: 0x60, value: 7n, size: 2 ** 31 - 1 }),
  named("wide blank\u3000 ", { bind: 1, type: 13, other: 0x20, home: 0xff21, value: 0xfedcba98n, size: 2 ** 31 }),
  named("x".repeat(300), { bind: 1, home: ".text", value: 2n ** 32n, size: 99 }),
];
const LIVEPATCH: readonly BuiltSymbol[] = [
  named(".klp.sym.vmlinux.f,12", { bind: 1, home: 0xff20 }),
  named(".klp.sym.vmlinux.f", { bind: 1, home: 0xff20 }),
];

const ADDENDS = [0n, -1n, 255n, -(2n ** 31n), 2n ** 31n - 1n, 2n ** 31n, -(2n ** 32n), 2n ** 63n - 1n, -(2n ** 63n)];
const OFFSETS = [0, 4, 0xf, 0x7fffffff, 0xfffffff0, 2 ** 32, 2 ** 52];
const TYPES = [1, 2, 10, 11, 4000, 2 ** 31 + 1];

/** As many rows as there are to be, each with other parts. */
const rows = (
  count: number,
  symbols: number,
  offsets = OFFSETS,
): { offset: number; symbol: number; type: number; addend: bigint }[] =>
  Array.from({ length: count }, (_, i) => ({
    offset: offsets[i % offsets.length] ?? 0,
    symbol: (i * 7) % (symbols + 1),
    type: TYPES[i % TYPES.length] ?? 0,
    addend: ADDENDS[i % ADDENDS.length] ?? 0n,
  }));

const object = (
  symbols: readonly BuiltSymbol[],
  relocations: ReturnType<typeof rows>,
  { type = 4, ...more }: Partial<Built> & { type?: 4 | 9 } = {},
): Uint8Array =>
  buildElf({
    sections: [
      { name: ".text", type: 1, flags: 6, data: new Uint8Array(64) },
      {
        name: ".rel\xe4.text",
        type,
        link: ".symtab",
        info: ".text",
        align: 8,
        entsize: type === 4 ? 24 : 16,
        relocations,
      },
    ],
    symbols,
    ...more,
  });

test.each([
  ["x86_64", 62, true],
  ["ppc64le", 21, true],
  ["arm64", 183, true],
  ["big-endian", 22, false],
])("names, numbers and types of every form: %s", async (_, machine, littleEndian) => {
  for (const type of [4, 9] as const) {
    for (const symbols of [SYMBOLS, [...SYMBOLS, ...LIVEPATCH]])
      await expectSame(object(symbols, rows(200, symbols.length), { machine, littleEndian, type }));
  }
});

test("offsets that are rounded", async () => {
  const offsets = [3, 2 ** 53, 2 ** 60, 2 ** 64 - 2 ** 11];
  await expectSame(object(SYMBOLS, rows(20, SYMBOLS.length, offsets)));
});

test("names that are all numbers, and none at all", async () => {
  await expectSame(object([named("0x12"), named("77")], rows(9, 2)));
  await expectSame(object([], rows(9, 0)));
  await expectSame(object([named("only")], []));
});

test("more rows than go out at once", async () => {
  const symbols = Array.from({ length: 5000 }, (_, i) =>
    named(i % 9 === 4 ? `ä${i}` : `function_${i}`, {
      bind: 1,
      type: 2,
      home: ".text",
      value: BigInt(i * 7919),
      size: i * i,
    }),
  );
  await expectSame(object(symbols, rows(9000, symbols.length, OFFSETS.slice(0, 4))));
});

test("symbols of so many sections that their indices stand elsewhere", async () => {
  const { symbols, sections } = { symbols: SYMBOLS, sections: Array.from({ length: 0xff10 }, (_, i) => `.s${i}`) };
  const homes = ["s1", "s65285", "s65290"].map((name) => named(name, { home: `.${name}` }));
  await expectSame(
    buildElf({
      sections: sections.map((name) => ({ name, type: 1 })),
      symbols: [...homes, ...symbols.filter((s) => s.home !== ".text")],
    }),
  );
});

test("real objects", async () => {
  for (const path of ["samples/ppc64le/meminfo/meminfo.o", "test/fixtures/klp/patch-x86_64.o"])
    await expectSame(readFileSync(join(root, path)));
});
