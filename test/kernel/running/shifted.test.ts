// A running kernel's list filled up from System.map: the distance is that of all symbols in common, or an error.

import { describe, expect, test } from "vitest";
import { problem, titleOf } from "../../../src/diag/catalogue.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { filledUp, ShiftError, shiftOf } from "../../../src/kernel/running/shifted.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import type { SymbolList } from "../../../src/kernel/symbols/symbolList.ts";

const list = (source: string, ...lines: string[]): SymbolList =>
  parseSymbols(Buffer.from(`${lines.join("\n")}\n`), source);

const map = list(
  "System.map",
  "000000000001f000 D per_cpu_thing",
  "ffffffff81000000 T _text",
  "ffffffff81000100 T exported",
  "ffffffff81000200 t twice",
  "ffffffff81000300 t twice",
  "ffffffff81400000 D data",
  "ffffffff81500000 r __ksymtab_data",
  "ffffffff81500010 r __ksymtab_exported",
);
const functions = (shift: bigint): SymbolList =>
  list(
    "kallsyms",
    ...(
      [
        ["_text", 0xffffffff81000000n],
        ["exported", 0xffffffff81000100n],
        ["twice", 0xffffffff81000200n],
        ["twice", 0xffffffff81000300n],
      ] as const
    ).map(([name, at]) => `${(at + shift).toString(16)} ${name.startsWith("t") ? "t" : "T"} ${name}`),
    "ffffffffc0000000 T of_module\t[some]",
  );

describe.each([0n, 0x1c00_0000n, -0x20_0000n])("moved by %s", (shift) => {
  test("data lies as far from its place as functions do; what is not an address stays", () => {
    const live = functions(shift);
    expect(shiftOf(live, map)).toBe(shift);
    const kernel = addressesOf(filledUp(live, map));
    expect(kernel.exported("data")).toBe(0xffffffff81400000n + shift);
    expect(kernel.exported("exported")).toBe(0xffffffff81000100n + shift);
    expect(kernel.inObject("vmlinux", "per_cpu_thing")).toEqual([0x1f000n]);
    expect(kernel.inObject("vmlinux", "twice")).toEqual([0xffffffff81000200n + shift, 0xffffffff81000300n + shift]);
    expect(kernel.inObject("some", "of_module")).toEqual([0xffffffffc0000000n]);
    expect(kernel.exported("_text")).toBeNull();
    expect([...kernel.names()].filter((name) => name === "exported")).toHaveLength(1);
  });
});

/** The words of KLP223 for a refused pair of lists. */
function saidOf(shift: () => bigint): string {
  try {
    return `${shift()}`;
  } catch (error) {
    return error instanceof ShiftError ? titleOf(problem("KLP223", { file: "" }, error.fault)) : `${error}`;
  }
}

test("two symbols that disagree", () => {
  const live = list("kallsyms", "ffffffff81000000 T _text", "ffffffff81000140 T exported");
  expect(() => shiftOf(live, map)).toThrow(ShiftError);
  expect(saidOf(() => shiftOf(live, map))).toBe(
    "_text was moved by 0x0, exported by 0x40: System.map is of another kernel than kallsyms",
  );
});

test("nothing in common, or too little to tell", () => {
  expect(() => shiftOf(list("kallsyms", "ffffffff81000000 T other"), map)).toThrow(ShiftError);
  expect(saidOf(() => shiftOf(list("kallsyms", "ffffffff81000000 T _text"), map))).toContain("no symbols in common");
});

test("of several with one name, a list may leave some out: they tell nothing", () => {
  const live = list("kallsyms", "ffffffff82000000 T _text", "ffffffff82000100 T exported", "ffffffff82000300 t twice");
  expect(shiftOf(live, map)).toBe(0x100_0000n);
});

test("which lists show data", () => {
  expect(map.hasData).toBe(true);
  expect(functions(0n).hasData).toBe(false);
});
