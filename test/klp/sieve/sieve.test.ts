// The sieve leaves each rule exactly the rows that it wishes for: said once more here, row by row, without masks; and a check says the
// same with either, of modules with damaged relocations.

import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { findArch } from "../../../src/arch/index.ts";
import { viewOf } from "../../../src/base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH } from "../../../src/elf/consts.ts";
import { readElf } from "../../../src/elf/reader.ts";
import type { RelocationTable } from "../../../src/elf/views/relas.ts";
import { isIntermediate } from "../../../src/klp/producers/producer.ts";
import { RowSieve } from "../../../src/klp/sieve/sieve.ts";
import { type RowWish, type WishFacts, wishes } from "../../../src/klp/sieve/wish.ts";
import type { Options } from "../../../src/passes/analysis.ts";
import { check } from "../../../src/passes/check.ts";
import { isOffset } from "../../../src/reloc/addend.ts";
import { objects } from "../../everyFixture.ts";

/** Whether a rule looks at a table, trait by trait. */
function isAbout(
  { file: { sections } }: WishFacts,
  { section, target, hasAddends }: RelocationTable,
  one: RowWish,
): boolean {
  const has: Record<RowWish["tables"][number], boolean> = {
    addends: hasAddends,
    ordinary: !sections.hasFlags(section, SHF_RELA_LIVEPATCH),
    read: !isIntermediate(sections.name(target)),
    bytes: sections.hasBytes(target),
    code: sections.hasFlags(target, SHF_EXECINSTR),
  };
  return sections.hasFlags(target, SHF_ALLOC) && one.tables.every((trait) => has[trait]);
}

/** Whether a rule wishes for a row, as RowWish says it. */
function isWished(facts: WishFacts, table: RelocationTable, row: number, one: RowWish): boolean {
  const { sections } = facts.file;
  const def = facts.arch.relocs.defs.get(table.type(row));
  if (!isAbout(facts, table, one)) return false;
  const symbols = one.symbols?.(facts);
  const isSymbol = typeof symbols === "function" ? symbols(table.symbol(row)) : symbols?.includes(table.symbol(row));
  if (isSymbol === false || one.types?.(facts)(def) === false) return false;
  if (one.addends === "far" && isOffset(Number(table.addend(row)))) return false;
  const [start, end] = [table.offset(row), table.offset(row) + (def?.bytes ?? 0)];
  if (one.places === "outside") return end > sections.size(table.target);
  if (one.places !== "nonzero") return true;
  const data = sections.data(table.target);
  return end <= data.length && data.subarray(start, end).some((byte) => byte !== 0);
}

const allRows = (table: RelocationTable): number[] => Array.from({ length: table.count }, (_, row) => row);

/** What a check says, or why it does not. */
function said(bytes: Uint8Array, file: string, more: Pick<Options, "kernelVersion"> = {}): string {
  try {
    return JSON.stringify(check(bytes, { file, ...more }));
  } catch (error) {
    return String(error);
  }
}

/** Whether a file is of an architecture that is linked. */
function isOurs(bytes: Uint8Array): boolean {
  const { header, littleEndian } = readElf(bytes);
  return littleEndian && findArch(header.machine) !== null;
}

function withoutSieve(): void {
  const sieved = RowSieve.prototype.of;
  vi.spyOn(RowSieve.prototype, "of").mockImplementation(function (this: RowSieve, table, one) {
    const rows = allRows(table).filter((row) => isWished(this.facts, table, row, one));
    expect(sieved.call(this, table, one)).toEqual(rows);
    return rows;
  });
  vi.spyOn(RowSieve.prototype, "doubtful").mockImplementation(allRows);
}

const small = [...objects()].filter(([, bytes]) => bytes.length < 60_000 && isOurs(bytes));

/** What a field of a row may become: borders of what rules ask for, and anything. */
const value = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    4n,
    -1n,
    -4n,
    2n ** 30n,
    2n ** 30n - 1n,
    -(2n ** 30n),
    1n - 2n ** 30n,
    2n ** 31n,
    2n ** 32n,
    2n ** 63n,
  ),
  fc.bigInt({ min: 0n, max: 4096n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
interface Edit {
  readonly table: number;
  readonly row: number;
  readonly field: "offset" | "symbol" | "type" | "addend" | "place";
  readonly value: bigint;
}
const edit: fc.Arbitrary<Edit> = fc.record({
  table: fc.nat(),
  row: fc.nat(),
  field: fc.constantFrom<Edit["field"][]>("offset", "symbol", "type", "addend", "place"),
  value,
});

/** Writes into rows of relocations, or to the bytes at their places. */
function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const made = bytes.slice();
  const view = viewOf(made);
  const file = readElf(bytes);
  const tables = file.relocations.filter((table) => table.count > 0);
  for (const { table: which, row: some, field, value } of edits) {
    const table = tables[which % Math.max(tables.length, 1)];
    if (table === undefined) break;
    const row = some % table.count;
    const at = file.sections.offset(table.section) + row * table.rowSize;
    const low = Number(BigInt.asUintN(32, value));
    if (field === "offset") view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (field === "type") view.setUint32(at + 8, low, true);
    else if (field === "symbol") view.setUint32(at + 12, low % Math.max(file.symbols?.count ?? 1, 1), true);
    else if (field === "addend" && table.hasAddends) view.setBigUint64(at + 16, BigInt.asUintN(64, value), true);
    else if (field === "place" && file.sections.hasBytes(table.target)) {
      const place = file.sections.offset(table.target) + table.offset(row);
      if (place < made.length) made[place] = low & 0xff;
    }
  }
  return made;
}

afterEach(() => vi.restoreAllMocks());

describe("the sieve", () => {
  test("has samples of all architectures", () => {
    const found = small.map(([, bytes]) => findArch(readElf(bytes).header.machine)?.name);
    expect(new Set(found)).toEqual(new Set(["arm64", "ppc64le", "x86_64"]));
    expect(wishes().length).toBeGreaterThan(5);
  });

  test("each file is sifted for its own kernel, whatever the one before was for", () => {
    const versions = [{ major: 5, minor: 0 }, { major: 6, minor: 12 }, { major: 5, minor: 0, patch: 3 }, null];
    let differing = 0;
    for (const [path, bytes] of small.slice(0, 60)) {
      const results = versions.map((kernelVersion) => {
        const options = kernelVersion === null ? {} : { kernelVersion };
        const sieved = said(bytes, path, options);
        withoutSieve();
        expect(sieved).toBe(said(bytes, path, options));
        vi.restoreAllMocks();
        return sieved;
      });
      if (new Set(results).size > 1) differing++;
    }
    expect(differing).toBeGreaterThan(0);
  });

  test("a check says the same as with each wish asked row by row", () => {
    const somewhere = fc.nat({ max: small.length - 1 });
    fc.assert(
      fc.property(somewhere, fc.array(edit, { minLength: 1, maxLength: 8 }), (which, edits) => {
        const [path = "", bytes = new Uint8Array(0)] = small[which] ?? [];
        const made = edited(bytes, edits);
        const sieved = said(made, path);
        withoutSieve();
        const whole = said(made, path);
        vi.restoreAllMocks();
        expect(sieved).toBe(whole);
      }),
      { numRuns: 400 },
    );
  });

  test("places of which it is not known where instructions begin are looked at", () => {
    let found = 0;
    for (const [path, bytes] of small) {
      const { header, symbols, sections, relocations } = readElf(bytes);
      if (findArch(header.machine)?.name !== "x86_64" || symbols === null) continue;
      const made = bytes.slice();
      const view = viewOf(made);
      // Functions of one byte; distances one byte further on.
      for (let i = 1; i < symbols.count; i++)
        view.setBigUint64(sections.offset(symbols.section) + i * 24 + 16, 1n, true);
      for (const table of relocations)
        for (let row = 0; row < table.count; row++)
          if (table.type(row) === 2 || table.type(row) === 4)
            view.setBigUint64(sections.offset(table.section) + row * 24, BigInt(table.offset(row) + 1), true);
      const sieved = said(made, path);
      withoutSieve();
      expect(sieved).toBe(said(made, path));
      vi.restoreAllMocks();
      if (sieved.includes("KLP234")) found++;
    }
    expect(found).toBeGreaterThan(10);
  });

  test("rows that cannot be read as words in place are read the same", () => {
    for (const [path, bytes] of small.slice(0, 60)) {
      const room = new Uint8Array(bytes.length + 1);
      room.set(bytes, 1);
      expect(said(room.subarray(1), path)).toBe(said(bytes, path));
    }
  });
});
