import { expect, test } from "vitest";
import { fromLatin1 } from "../../../src/base/bytes.ts";
import { columnsOf, StoredSymbols } from "../../../src/kernel/stored/symbols.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { NO_ROW, SEVERAL_ROWS } from "../../../src/kernel/symbols/symbolColumns.ts";

/** Names of one length that agree where they are looked at to put them in places: their place gets a table. */
const crowd = Array.from({ length: 200 }, (_, i) => `c_${String(i).padStart(3, "0")}_${"x".repeat(30)}`);
const names = [
  "one",
  "twice",
  "\xfcber",
  ...crowd,
  "twice",
  "exported",
  "__ksymtab_exported",
  "sys_finit_module",
  crowd[7] ?? "",
];
const text = names.map((name, i) => `${(0xffff_ffff_8100_0000n + BigInt(i)).toString(16)} t ${name}\n`).join("");
const list = parseSymbols(fromLatin1(text), "System.map");
const stored = new StoredSymbols(columnsOf(list.symbols(), list.size));

/** The name stands among other bytes. */
function among(name: string): [Uint8Array, number, number] {
  return [fromLatin1(`_${name}one`), 1, 1 + name.length];
}

test("a name as bytes: the row of the only symbol, or how many there are", () => {
  for (const name of ["one", "\xfcber", crowd[0] ?? "", crowd[199] ?? ""]) {
    expect(list.lone(...among(name)), name).toBe(names.indexOf(name));
    expect(stored.lone(...among(name)), name).toBe(names.indexOf(name));
  }
  for (const [name, what] of [
    ["twice", SEVERAL_ROWS],
    [crowd[7] ?? "", SEVERAL_ROWS],
    ["on", NO_ROW],
    ["", NO_ROW],
    [`c_200_${"x".repeat(30)}`, NO_ROW],
  ] as const) {
    expect(list.lone(...among(name)), name).toBe(what);
    expect(stored.lone(...among(name)), name).toBe(what);
  }
});

test("a name as text that has characters beyond those of a list is none of its", () => {
  expect(list.countOf("one")).toBe(1);
  // Its character has the low byte of `o`.
  expect(list.countOf("ůne")).toBe(0);
});

test("exports, of a name as bytes", () => {
  for (const name of ["exported", "one", "", "x".repeat(1000)])
    expect(list.exportsBytes(...among(name)), name).toBe(name === "exported");
});

test("names that have something in them are asked, and no others", () => {
  const asked = (part: string): string[] => {
    const found: string[] = [];
    list.hasNameHolding(part, (bytes, start, end) => {
      found.push(Buffer.from(bytes).toString("latin1", start, end));
      return false;
    });
    return found;
  };
  expect(asked("finit")).toEqual(["sys_finit_module"]);
  expect(asked("sys_finit_module")).toEqual(["sys_finit_module"]);
  expect(asked("wic")).toEqual(["twice", "twice"]);
  expect(asked("_xx")).toEqual([...crowd, crowd[7]]);
  expect(asked("ffffff")).toEqual([]);
  expect(asked("e\n")).toEqual([]);
  expect(list.hasNameHolding("ber", () => true)).toBe(true);
});
