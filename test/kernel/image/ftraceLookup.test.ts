// Which ftrace record the kernel finds for a function. Expected: lookup_rec and bsearch of 6.1 carried out by hand, as the
// comments show; on a real kernel test/boot/orphans.test.ts.

import { describe, expect, test } from "vitest";
import { type FtraceRecords, findFtraceRecord } from "../../../src/kernel/image/ftraceLookup.ts";
import { kernelMachines } from "../../../src/kernel/machines.ts";

const records = (
  sites: readonly number[],
  orphans: readonly number[],
  more: Partial<FtraceRecords> = {},
): FtraceRecords => ({
  sites: BigUint64Array.from(sites.map(BigInt)),
  orphans: BigUint64Array.from(orphans.map(BigInt)),
  init: null,
  machine: kernelMachines.x86_64,
  ...more,
});
const find = (r: FtraceRecords, start: number, end: number) => findFtraceRecord(r, BigInt(start), BigInt(end));

describe("a function at 0x100, the next symbol at 0x140", () => {
  test("no record up to the next symbol", () => {
    expect(find(records([0x40, 0x140], []), 0x100, 0x140)).toEqual({ kind: "none" });
  });
  test("a record at its first byte is taken, whatever else there is", () => {
    expect(find(records([0x40, 0x100, 0x120, 0x124], [0x120, 0x124]), 0x100, 0x140)).toEqual({ kind: "own" });
  });
  test("a record behind endbr64 alone", () => {
    expect(find(records([0x40, 0x104, 0x140], []), 0x100, 0x140)).toEqual({ kind: "own" });
  });
  test("only that of overridden code: refused nowhere, in force nowhere", () => {
    expect(find(records([0x40, 0x120], [0x120]), 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
  });
  test("the middle of three is met first", () => {
    // 3 records: pivot 1.
    expect(find(records([0x104, 0x120, 0x200], [0x120]), 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
    expect(find(records([0x40, 0x104, 0x120], [0x120]), 0x100, 0x140)).toEqual({ kind: "own" });
  });
  test("to the right the search goes on behind the pivot", () => {
    // 6 records: pivot 3 (0x30) is too low; 5 - 1 = 2 left from 4 on: pivot 4 + 1.
    const sites = [0x10, 0x18, 0x20, 0x30, 0x104, 0x120];
    expect(find(records(sites, [0x120]), 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
    // 7 records: pivot 3 is too low; 3 left from 4 on: pivot 5.
    expect(find(records([0x08, ...sites], [0x120]), 0x100, 0x140)).toEqual({ kind: "own" });
  });
  test("records of init code are gone once the kernel runs", () => {
    // The 7 of above, of which the first is freed: 6.
    const init = { start: 0x08n, end: 0x10n };
    const freed = records([0x08, 0x10, 0x18, 0x20, 0x30, 0x104, 0x120], [0x120], { init });
    expect(find(freed, 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
  });
  test("entries of 0 are not records", () => {
    // 2 records: pivot 1. With the zeros counted it would be 4: pivot 2.
    expect(find(records([0, 0, 0x104, 0x120], [0x120]), 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
  });
});

describe("groups of pages", () => {
  // 4096-byte pages hold 256 records of 16 bytes; 300 records want 2 pages, order 1: one group of all 300. 700: 3 pages, order 1:
  // 512 in the first group. Pivots of 700: 350, 175, 87, 43, 21, 10, 5, 2, 1; of 512: 256, 128, 64, 32, 16, 8, 4, 2.
  const many = (count: number) => [0x40, 0x104, 0x120, ...Array.from({ length: count - 3 }, (_, i) => 0x1000 + 16 * i)];
  test("x86_64 has one layout", () => {
    expect(find(records(many(700), [0x120]), 0x100, 0x140)).toEqual({ kind: "orphan", address: 0x120n });
  });
  test("where page sizes make a difference it is said", () => {
    // 768 in one group of 64 KiB: 384, 192, 96, 48, 24, 12, 6, 3, 1.
    expect(find(records(many(768), [0x120], { machine: kernelMachines.arm64 }), 0x100, 0x140)).toEqual({
      kind: "unclear",
      address: 0x120n,
    });
    expect(find(records(many(768), [0x120], { machine: kernelMachines.ppc64le }), 0x100, 0x140)).toEqual({
      kind: "unclear",
      address: 0x120n,
    });
    expect(find(records(many(512), [0x120], { machine: kernelMachines.arm64 }), 0x100, 0x140)).toEqual({
      kind: "orphan",
      address: 0x120n,
    });
  });
});
