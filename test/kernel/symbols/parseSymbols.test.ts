import { describe, expect, test } from "vitest";
import { nearNames } from "../../../src/kernel/symbols/nearNames.ts";
import { parseSymbols, SymbolListError } from "../../../src/kernel/symbols/parseSymbols.ts";
import { type KernelSymbol, SymbolColumns } from "../../../src/kernel/symbols/symbolColumns.ts";
import { SymbolList } from "../../../src/kernel/symbols/symbolList.ts";

const parse = (text: string) => parseSymbols(Buffer.from(text, "latin1"), "list");

describe("symbol lists", () => {
  // Line forms: `nm -n` output for System.map (scripts/link-vmlinux.sh), seq_printf formats of kernel/kallsyms.c.
  test("System.map", () => {
    const list = parse("ffffffff81000000 T _stext\nffffffff81000040 t helper\nffffffff82000000 D __ksymtab__stext\n");
    expect(list.kind).toBe("System.map");
    expect(list.size).toBe(3);
    expect(list.find("helper")).toEqual([{ name: "helper", letter: "t", address: 0xffffffff81000040n }]);
    expect(list.exports("_stext")).toBe(true);
    expect(list.exports("helper")).toBe(false);
    expect(list.hasExports).toBe(true);
  });

  test("kallsyms with modules: their symbols are kept apart", () => {
    const list = parse(
      "c000000000010000 T a\nc008000000ab0000 t b\t[ext4]\nc008000000ab0010 T c\t[ext4]\nc008000000ab0020 r __ksymtab_c\t[ext4]\n",
    );
    expect(list.kind).toBe("kallsyms");
    expect(list.find("b")).toEqual([]);
    expect(list.modulesWith("b")).toEqual([{ module: "ext4", exported: false }]);
    expect(list.modulesWith("c")).toEqual([{ module: "ext4", exported: true }]);
    expect(list.hasExports).toBe(false);
  });

  test("equal names count by address, whatever the order of lines; equal addresses keep it", () => {
    const list = parse("0000000000000030 t x\n0000000000000010 t x\n0000000000000020 T x\n0000000000000010 d x\n");
    expect(list.find("x").map((s) => [s.address, s.letter])).toEqual([
      [0x10n, "t"],
      [0x10n, "d"],
      [0x20n, "T"],
      [0x30n, "t"],
    ]);
  });

  test("kallsyms of a restricted reader: all addresses zero, order kept", () => {
    const list = parse("0000000000000000 t x\n0000000000000000 T x\n");
    expect(list.find("x").map((s) => s.letter)).toEqual(["t", "T"]);
  });

  test("nm output with undefined symbols, CRLF, blank lines, no final newline", () => {
    const list = parse(
      "                 U memcpy\r\n                 w maybe\r\n0000000000000010 T f\r\n\r\n0000000000000020 t g",
    );
    expect([...list.names()]).toEqual(["f", "g"]);
  });

  test("addresses above 2^53 are exact", () => {
    expect(parse("c00800000000abcd t f\n").find("f")[0]?.address).toBe(0xc00800000000abcdn);
  });

  for (const [what, text, line] of [
    ["an empty file", "", 1],
    ["prose", "hello world\n", 1],
    ["no name", "0000000000000010 T f\n0000000000000010 T \n", 2],
    ["a module without brackets", "0000000000000010 T f\n0000000000000010 T g ext4\n", 2],
    ["an address too long", "00000000000000010 T f\n", 1],
  ] as const) {
    test(`${what} is refused with its line`, () => {
      let caught: unknown = null;
      try {
        parse(text);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(SymbolListError);
      expect((caught as SymbolListError).line).toBe(line);
    });
  }
});

describe("near names", () => {
  const names = [
    "show_val_kb.isra.0",
    "show_val_kb2",
    "seq_printf",
    "__ksymtab_show_val_kb",
    "uncond.48012",
    "uncond.7",
  ];
  test("compiler variants first, then small slips", () => {
    expect(nearNames("show_val_kb", names)).toEqual(["show_val_kb.isra.0", "show_val_kb2"]);
    expect(nearNames("seq_prinft", names)).toEqual(["seq_printf"]);
  });
  test("other numbers of a local static", () => {
    expect(nearNames("uncond.48011", names)).toEqual(["uncond.48012", "uncond.7"]);
  });
  test("nothing near: nothing offered", () => {
    expect(nearNames("ext4_lookup", names)).toEqual([]);
  });
});

test("the names of a list are scanned once, however often its exports and data are asked for", () => {
  let scans = 0;
  class Counted extends SymbolColumns {
    override hasNameWith(prefix: string): boolean {
      scans++;
      return super.hasNameWith(prefix);
    }
    override all(): Generator<KernelSymbol> {
      scans++;
      return super.all();
    }
  }
  const columns = new Counted();
  for (let i = 0; i < 10; i++) columns.add(`function_${i}`, 0x54, 0, i); // T
  const list = new SymbolList("System.map", "System.map", columns, new Map());
  for (let i = 0; i < 3; i++) expect([list.hasExports, list.hasData]).toEqual([false, false]);
  expect(scans).toBe(2);
  const more = new SymbolColumns();
  more.add("__ksymtab_printk", 0x72, 0, 8); // r
  const exporting = new SymbolList("System.map", "System.map", more, new Map());
  expect([exporting.hasExports, exporting.hasData]).toEqual([true, true]);
});

test("a name that begins so is found wherever it stands; within a name, over two names, or behind a list's own words it is none", () => {
  const lines = ["c000000000000000 T not_klp_here", "c000000000000010 T klp", "c000000000000020 T _enable"];
  const has = (list: readonly string[]): boolean =>
    parseSymbols(Buffer.from(`${list.join("\n")}\n`), "System.map").hasNameWith("klp_");
  expect(has(lines)).toBe(false);
  expect(has([...lines, "c000000000000030 t klp_x"])).toBe(true);
  expect(has(["c000000000000030 t klp_x", ...lines])).toBe(true);
  const columns = new SymbolColumns();
  for (const name of ["", "a", "", "kl"]) columns.add(name, 0x54, 0, 0);
  columns.add("p_", 0x54, 0, 0);
  expect(columns.hasNameWith("klp_")).toBe(false);
  columns.add("", 0x54, 0, 0);
  columns.add("klp_", 0x54, 0, 0);
  expect(columns.hasNameWith("klp_")).toBe(true);
});

test("names are found among any others: short ones, many that differ in few bytes, those that come several times", () => {
  const columns = new SymbolColumns();
  const rows = new Map<string, bigint[]>();
  const add = (name: string): void => {
    const own = rows.get(name) ?? [];
    const at = columns.size;
    rows.set(name, [...own, BigInt(at)]);
    columns.add(name, 0x54, 0, at);
  };
  for (const name of ["a", "b", "ab", "ba", "abc", "a", "ab"]) add(name);
  // Of these, nothing differs where names are told apart first: they are looked up in a table.
  for (let i = 0; i < 300; i++) add(`${String.fromCharCode(0x41 + (i % 26), 0x41 + Math.trunc(i / 26))}_same_end`);
  for (let i = 0; i < 300; i += 7) add(`${String.fromCharCode(0x41 + (i % 26), 0x41 + Math.trunc(i / 26))}_same_end`);
  for (let i = 0; i < 500; i++) add(`other_${i % 400}`);
  for (const [name, addresses] of rows) {
    expect(columns.findListed(name).map((s) => s.address)).toEqual(addresses);
    expect([columns.countOf(name), columns.has(name)]).toEqual([addresses.length, true]);
  }
  for (const name of ["", "c", "ac", "zz_same_end", "other_400", "other_1\0"])
    expect(columns.has(name), name).toBe(false);
  expect([...columns.names()]).toEqual([...rows.keys()]);
  expect(columns.countRepeated()).toBe([...rows.values()].filter((own) => own.length > 1).length);
  // A row more is found, too.
  add("late");
  expect(columns.countOf("late")).toBe(1);
});
