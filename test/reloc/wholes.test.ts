// The loop over words against the way of a row at a time: the same bytes, and the same findings in the same order.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findArchByName } from "../../src/arch/index.ts";
import { OrderedView } from "../../src/base/bytes.ts";
import { RelocationTable } from "../../src/elf/views/relas.ts";
import { type Finding, type RelocMachine, relocate, type Space } from "../../src/reloc/engine.ts";
import { wholeForm } from "../../src/reloc/wholes.ts";

const SIZE = 64;
const SYMBOLS = 5;
const BASES = [0n, 0x7fff_fff8n, 0xffff_fff8n, 0xffff_ffff_c000_0000n, 0xc008_0000_0012_3000n, 0xffff_ffff_ffff_fff0n];

interface Row {
  readonly offset: bigint;
  readonly type: number;
  readonly symbol: number;
  readonly addend: bigint;
}

const near = (values: readonly bigint[]): fc.Arbitrary<bigint> =>
  fc.tuple(fc.constantFrom(...values), fc.bigInt(-9n, 9n)).map(([value, more]) => BigInt.asUintN(64, value + more));
const value = near([...BASES, 1n << 31n, 1n << 32n, -(1n << 31n), 1n << 63n, 1n << 53n]);

const rowOf = (types: readonly number[]): fc.Arbitrary<Row> =>
  fc.record({
    // Beyond the section, and beyond 2^32, too.
    offset: fc.oneof({ weight: 20, arbitrary: fc.bigInt(0n, BigInt(SIZE)) }, value),
    type: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...types) }, fc.nat(0xffff_ffff)),
    symbol: fc.oneof({ weight: 20, arbitrary: fc.nat(SYMBOLS - 1) }, fc.nat(0xffff_ffff)),
    addend: value,
  });

function tableOf(rows: readonly Row[], littleEndian: boolean): RelocationTable {
  const bytes = new Uint8Array(rows.length * 24);
  const view = new OrderedView(bytes, littleEndian);
  for (const [i, { offset, type, symbol, addend }] of rows.entries()) {
    view.setBigUint64(i * 24, offset);
    view.setBigUint64(i * 24 + 8, (BigInt(symbol) << 32n) | BigInt(type));
    view.setBigUint64(i * 24 + 16, addend);
  }
  return new RelocationTable(1, 2, true, bytes, littleEndian);
}

/** What both ways make of a table: in the order of the file, and by a list of its rows, which takes a row at a time. */
const bothWays = (table: RelocationTable, machine: RelocMachine, spaceOf: () => Space) =>
  [null, Uint32Array.from({ length: table.count }, (_, i) => i)].map((order) => {
    const space = spaceOf();
    const found: { readonly finding: Finding; readonly row: number }[] = [];
    relocate(table, order, space, machine, (finding, _table, row) => found.push({ finding, row }));
    return { bytes: space.bytes[2], found };
  });

const arches = ["ppc64le", "arm64", "x86_64"].flatMap((name) => findArchByName(name) ?? []);

describe.each(arches.map((arch) => [arch.name, arch] as const))("%s", (_, { relocs }) => {
  const defs = relocs.defs.values();
  const withForm = defs.filter((def) => wholeForm(def) !== 0).map((def) => def.type);
  const others = defs.filter((def) => wholeForm(def) === 0).map((def) => def.type);

  test("the types of most of a module's data", () => {
    expect(withForm.length).toBeGreaterThanOrEqual(3);
  });

  test("a long table, with types that are not known here and there", () => {
    const [type = 0] = withForm;
    const machine: RelocMachine = {
      ...{ relocs, hooks: {}, features: new Set(), TOC: 0n, placeMustBeZero: false, module: "m", has: () => true },
    };
    const rows = Array.from({ length: 4000 }, (_, i) => {
      const isOdd = [0, 1, 1500, 1501, 3999].includes(i);
      return { offset: BigInt(i * 8), type: isOdd ? 0xffff : type, symbol: 0, addend: BigInt(i) };
    });
    const [fast, slow] = bothWays(tableOf(rows, true), machine, () => ({
      ...{ addresses: [0n, 0n, 0n], values: BigUint64Array.of(0n), littleEndian: true },
      bytes: [new Uint8Array(0), new Uint8Array(0), new Uint8Array(32_000)],
    }));
    expect(fast).toEqual(slow);
    expect(fast?.found.length).toBe(5);
  });

  test("as a row at a time", () => {
    const types = [...withForm, ...withForm, ...withForm, ...others];
    const given = fc.record({
      rows: fc.array(rowOf(types), { minLength: 64, maxLength: 200 }),
      littleEndian: fc.boolean(),
      isLate: fc.boolean(),
      zeros: fc.boolean(),
      values: fc.array(value, { minLength: SYMBOLS, maxLength: SYMBOLS }),
      base: value,
      old: fc.array(fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(255)), {
        minLength: SIZE,
        maxLength: SIZE,
      }),
    });
    fc.assert(
      fc.property(given, ({ rows, littleEndian, isLate, zeros, values, base, old }) => {
        const machine: RelocMachine = {
          ...{ relocs, hooks: {}, features: new Set(), TOC: 0xc008_0000_0013_8000n, placeMustBeZero: zeros },
          ...{ module: "m", has: () => !isLate },
        };
        const table = tableOf(rows, littleEndian);
        const [fast, slow] = bothWays(table, machine, () => ({
          addresses: [0n, 0n, base],
          bytes: [new Uint8Array(0), new Uint8Array(0), Uint8Array.from(old)],
          values: BigUint64Array.from(values),
          littleEndian,
        }));
        expect(fast).toEqual(slow);
      }),
      { numRuns: 150 },
    );
  });
});
