// What goes over all rows of a symbol table as words, against the same a symbol at a time.

import fc from "fast-check";
import { expect, test } from "vitest";
import { fromLatin1, OrderedView } from "../../../src/base/bytes.ts";
import { SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_UNDEF, SHN_XINDEX, STT_FILE } from "../../../src/elf/consts.ts";
import { SYM } from "../../../src/elf/views/layout.ts";
import { StringTable } from "../../../src/elf/views/strings.ts";
import { livepatchSymbols, putValues, symbolsOutside } from "../../../src/elf/views/symbolRows.ts";
import { SYMBOL_WORDS, SymbolTable } from "../../../src/elf/views/symbols.ts";
import { type LoadedSection, layOut } from "../../../src/kernel/loader/layout.ts";
import { simplifySymbols } from "../../../src/kernel/loader/simplify.ts";
import type { ModuleImage } from "../../../src/passes/image/image.ts";
import { outputSymbols } from "../../../src/passes/image/outputSymbols.ts";

const SECTIONS = 6;
const NAMES = fromLatin1("\0a\0bcd\0.ef\0TOC.\0__gnu_lto_slim\0");

const word64 = fc.oneof(fc.bigInt(0n, 40n), fc.bigInt(0n, 2n ** 64n - 1n));
const row = fc.record({
  name: fc.nat(NAMES.length - 1),
  info: fc.constantFrom(0, 1, 2, 4, 0x10, 0x12, 0x14, 0x20, 0x22),
  other: fc.nat(255),
  shndx: fc.oneof(
    fc.nat(SECTIONS - 1),
    fc.constantFrom(SHN_UNDEF, SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_XINDEX, 0xff00, 0xff21),
  ),
  extended: fc.nat(SECTIONS - 1),
  value: word64,
  size: word64,
});
const given = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 40 }),
  littleEndian: fc.boolean(),
  /** Bytes in front of the table in memory. */
  front: fc.nat(4),
  isExtended: fc.boolean(),
  addresses: fc.array(word64, { minLength: SECTIONS, maxLength: SECTIONS }),
  marked: fc.array(fc.boolean(), { minLength: SECTIONS, maxLength: SECTIONS }),
});
type Given = typeof given extends fc.Arbitrary<infer T> ? T : never;

function tableOf({ rows, littleEndian, front, isExtended }: Given): SymbolTable {
  const data = new Uint8Array(front + rows.length * SYM.size).subarray(front);
  const view = new OrderedView(data, littleEndian);
  const extended = new Uint8Array(rows.length * 4);
  const indices = new OrderedView(extended, littleEndian);
  for (const [i, { name, info, other, shndx, value, size, extended: index }] of rows.entries()) {
    const at = i * SYM.size;
    view.setUint32(at + SYM.name, name);
    view.setUint8(at + SYM.info, info);
    view.setUint8(at + SYM.other, other);
    view.setUint16(at + SYM.shndx, shndx);
    view.setBigUint64(at + SYM.value, value);
    view.setBigUint64(at + SYM.sizeField, size);
    indices.setUint32(i * 4, index);
  }
  return new SymbolTable(1, data, new StringTable(NAMES), isExtended ? extended : null, littleEndian);
}

const check = (property: (given: Given) => void): void => fc.assert(fc.property(given, property), { numRuns: 300 });
const indices = (table: SymbolTable): number[] => Array.from({ length: table.count - 1 }, (_, i) => i + 1);

test("words of a row", () => {
  check((given) => {
    const table = tableOf(given);
    const words = [...Uint32Array.from(table.words())].slice(0, table.count * SYMBOL_WORDS.count);
    const expected = given.rows.flatMap(({ name, info, other, shndx, value, size }) => [
      ...[name, (info | (other << 8) | (shndx << 16)) >>> 0],
      ...[value, size].flatMap((v) => [Number(v & 0xffff_ffffn), Number(v >> 32n)]),
    ]);
    expect(words).toEqual(expected);
  });
});

test("symbols that the livepatch core resolves", () => {
  check((given) => {
    const expected = [...given.rows.keys()].filter((i) => given.rows[i]?.shndx === SHN_LIVEPATCH);
    expect(livepatchSymbols(tableOf(given))).toEqual(expected);
  });
});

test("values before relocation", () => {
  check((given) => {
    const table = tableOf(given);
    const { addresses } = given;
    const options = { addresses, kernel: null, dedots: true, ignoredSymbol: "a" };
    const { values, tocSymbol, faults } = simplifySymbols(table, options);
    const rows = given.rows.map((r, i) => ({ ...r, i, text: table.name(i) })).slice(1);
    const addressOf = (shndx: number): bigint => (shndx === SHN_UNDEF ? 0n : (addresses[shndx] ?? 0n));
    expect([...values].slice(1)).toEqual(rows.map(({ shndx, value }) => BigInt.asUintN(64, value + addressOf(shndx))));
    const undefinedRows = rows.filter(({ shndx }) => shndx === SHN_UNDEF);
    expect(tocSymbol).toBe(undefinedRows.find(({ text }) => text === ".TOC.")?.i ?? null);
    expect(faults.filter(({ kind }) => kind === "unknown").map(({ symbol }) => symbol)).toEqual(
      undefinedRows.filter(({ text, info }) => info >> 4 !== 2 && text !== "a" && text !== ".TOC.").map(({ i }) => i),
    );
    expect(faults.filter(({ kind }) => kind === "section").map(({ symbol }) => symbol)).toEqual(
      rows.filter(({ shndx }) => [SHN_XINDEX, 0xff00, 0xff21].includes(shndx)).map(({ i }) => i),
    );
    expect(faults.filter(({ kind }) => kind === "common").map(({ symbol }) => symbol)).toEqual(
      rows.filter(({ shndx, text }) => shndx === SHN_COMMON && !text.startsWith("__gnu_lto")).map(({ i }) => i),
    );
    const order = faults.map(({ symbol }) => symbol);
    expect(order).toEqual(order.slice().sort((a, b) => a - b));
  });
});

test("symbols that stay in memory", () => {
  check((given) => {
    const table = tableOf(given);
    // Section 0 is the null section; all others are data, of init or not.
    const sections = given.marked.map(
      (isInit, i): LoadedSection => ({
        name: isInit ? ".init.data" : ".data",
        flags: i === 0 ? 0 : 3,
        size: 0,
        alignment: 1,
        nobits: false,
      }),
    );
    for (const isLivepatch of [false, true]) {
      const { sizes } = layOut(sections, {
        ...{ separate: true, pageSize: 4096, isInit: (name: string) => name === ".init.data" },
        ...{ symtab: SECTIONS, strtab: SECTIONS, symbols: table, isLivepatch },
      });
      const kept = indices(table).filter((i) => {
        const section = table.sectionOf(i);
        return isLivepatch || (section !== null && table.nameOffset(i) !== 0 && given.marked[section] === false);
      });
      const nameBytes = [0, ...kept].reduce((sum, i) => sum + table.name(i).length + 1, 0);
      expect(sizes.get("data")).toBe((kept.length + 1) * 25 + nameBytes);
    }
  });
});

test("values in the table that is in memory, and symbols of other sections", () => {
  check((given) => {
    const table = tableOf(given);
    const values = BigUint64Array.from(given.rows, ({ size }) => size);
    const memory = new Uint8Array(table.count * SYM.size);
    putValues(memory, values, given.littleEndian);
    const view = new OrderedView(memory, given.littleEndian);
    for (const i of indices(table)) expect(view.getBigUint64(i * SYM.size + SYM.value)).toBe(values[i]);
    expect(memory.subarray(0, SYM.size).every((b) => b === 0)).toBe(true);
    const isKnown = Uint8Array.from(given.marked, Number);
    const outside = indices(table).flatMap((i) => {
      const section = table.sectionOf(i);
      return section === null || given.marked[section] === true ? [] : [[i, section]];
    });
    expect(symbolsOutside(table, isKnown)).toEqual(outside);
  });
});

test("symbols of the image's file: of its sections, those from outside absolute, local ones and stubs first", () => {
  check((given) => {
    const table = tableOf(given);
    const values = BigUint64Array.from(given.rows, ({ value }, i) => (i % 3 === 0 ? 0n : value));
    const sections = given.marked.flatMap((isThere, index) =>
      isThere && index > 0 ? [{ index, address: 0x1000n }] : [],
    );
    const newIndex = new Map(sections.map(({ index }, at) => [index, at]));
    const stubs = [1, 2].map((section) => ({ section, offset: 8, size: 16, target: 0n, symbol: "far" }));
    const image = {
      ...{ symbols: table, values, sections, stubs, file: { sections: { count: SECTIONS } } },
    } as unknown as ModuleImage;
    const { rows, firstGlobal, names } = outputSymbols(image, newIndex);
    const strings = new StringTable(names);
    const found = Array.from({ length: rows.length / SYMBOL_WORDS.count }, (_, i) => {
      const [name = 0, mixed = 0, low = 0, high = 0, ...size] = Uint32Array.from(rows.subarray(i * 6, i * 6 + 6));
      return {
        ...{ name: strings.at(name), mixed, value: (BigInt(high) << 32n) | BigInt(low) },
        size: (BigInt(size[1] ?? 0) << 32n) | BigInt(size[0] ?? 0),
      };
    });
    const all = indices(table).flatMap((i) => {
      const section = table.sectionOf(i);
      const raw = table.rawShndx(i);
      const home = section === null ? undefined : newIndex.get(section);
      if (section !== null && home === undefined) return [];
      const isOutside = raw === SHN_LIVEPATCH || (raw === SHN_UNDEF && values[i] !== 0n);
      const shndx = home === undefined ? (isOutside ? SHN_ABS : raw) : home + 1;
      return {
        ...{ name: table.name(i), mixed: (table.info(i) | (table.other(i) << 8) | (shndx << 16)) >>> 0 },
        ...{ value: table.type(i) === STT_FILE ? 0n : values[i], size: given.rows[i]?.size },
      };
    });
    const ofStubs = stubs.flatMap(({ section }) => {
      const home = newIndex.get(section);
      return home === undefined ? [] : [{ name: "far@stub", mixed: 2 | ((home + 1) << 16), value: 0x1008n, size: 16n }];
    });
    const isLocal = ({ mixed }: { readonly mixed: number }): boolean => (mixed & 0xf0) === 0;
    const locals = [{ name: "", mixed: 0, value: 0n, size: 0n }, ...all.filter(isLocal), ...ofStubs];
    expect(found).toEqual([...locals, ...all.filter((symbol) => !isLocal(symbol))]);
    expect(firstGlobal).toBe(locals.length);
  });
});
