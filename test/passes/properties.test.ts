import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { parseKlpSymbol } from "../../src/klp/symbols/names.ts";
import { link } from "../../src/passes/link.ts";
import { asText, fixture, readRelocations } from "../klp/readBack.ts";

// Files made from numbers: any set of relocations against any of a few symbols, put into kpatch's form and into the form of a
// plain object. What comes out is compared with what went in, not with klplink's own idea of it.

const MOST = 8;
const names = Array.from({ length: MOST }, (_, i) => `local_${i}`);
const kernel = parseSymbols(
  Buffer.from(
    ["ffffffff81000000 r __ksymtab_other", ...names.map((name, i) => `ffffffff8200${i}000 t ${name}`)].join("\n"),
  ),
  "System.map",
);
const R_X86_64_64 = 1;

interface Wanted {
  /** Number of the 8-byte slot. */
  readonly slot: number;
  readonly symbol: number;
  readonly addend: bigint;
}

/** No two in one slot. */
const wanted = fc.uniqueArray(
  fc.record({ slot: fc.nat(63), symbol: fc.nat(MOST - 1), addend: fc.bigInt(-(2n ** 30n) + 1n, 2n ** 30n - 1n) }),
  { selector: (w) => w.slot, maxLength: 40 },
);

const data = (size: number) => ({
  type: 1,
  flags: 3n,
  link: 0,
  info: 0,
  addralign: 8,
  entsize: 0,
  data: new Uint8Array(size),
});

/** An object with room for the slots, from a fixture that has nothing to convert. */
function start(): { edits: ElfEdits; target: number; base: number; table: (name: string, target: number) => number } {
  const edits = new ElfEdits(readElf(fixture("nothing-x86_64")));
  const target = edits.addSection({ name: ".data.slots", ...data(64 * 8) });
  const home = { kind: "section", section: target } as const;
  const base = edits.addSymbol({ name: "slots", info: 0x11, other: 0, home, value: 0n, size: 64 * 8 });
  const table = (name: string, info: number) =>
    edits.addSection({ name, ...data(0), type: 4, flags: 0x40n, link: edits.symbolTable().section, info, entsize: 24 });
  return { edits, target, base, table };
}

/** @param order in which the symbols stand in the symbol table. */
function plain(relocations: readonly Wanted[], order: readonly number[]): Uint8Array {
  const { edits, target, table } = start();
  const used = new Set(relocations.map((r) => r.symbol));
  const symbols = new Map<number, number>();
  for (const k of order) {
    if (!used.has(k)) continue;
    const fields = { info: 0x10, other: 0, home: { kind: "reserved", index: 0 }, value: 0n, size: 0 } as const;
    symbols.set(k, edits.addSymbol({ name: names[k] ?? "", ...fields }));
  }
  const section = table(".rela.data.slots", target);
  for (const { slot, symbol, addend } of relocations) {
    edits.addRelocation(section, { offset: slot * 8, type: R_X86_64_64, symbol: symbols.get(symbol) ?? 0, addend });
  }
  return writeElf(edits);
}

function kpatch(relocations: readonly Wanted[]): Uint8Array {
  const { edits, base, table } = start();
  const strings = Buffer.from(["vmlinux", ...names].map((n) => `${n}\0`).join(""));
  const places = new Map(["vmlinux", ...names].map((n) => [n, strings.indexOf(`${n}\0`)]));
  const add = (name: string, bytes: Uint8Array) => {
    const section = edits.addSection({ name, ...data(0), flags: 2n, data: bytes });
    const home = { kind: "section", section } as const;
    const symbol = edits.addSymbol({ name: "", info: 3, other: 0, home, value: 0n, size: 0 });
    return { symbol, section };
  };
  const text = add(".kpatch.strings", new Uint8Array(strings));
  const entries = new Uint8Array(relocations.length * 40);
  const view = new DataView(entries.buffer);
  for (const [i, r] of relocations.entries()) {
    view.setUint32(i * 40 + 8, R_X86_64_64, true);
    view.setBigInt64(i * 40 + 16, r.addend, true);
  }
  const symbols = add(".kpatch.symbols", new Uint8Array(relocations.length * 40));
  const list = add(".kpatch.relocations", entries);
  const symbolTable = table(".rela.kpatch.symbols", symbols.section);
  const listTable = table(".rela.kpatch.relocations", list.section);
  const pointer = (section: number, offset: number, symbol: number, addend: number) =>
    edits.addRelocation(section, { offset, symbol, type: R_X86_64_64, addend: BigInt(addend) });
  for (const [i, { slot, symbol }] of relocations.entries()) {
    pointer(symbolTable, i * 40 + 24, text.symbol, places.get(names[symbol] ?? "") ?? 0);
    pointer(symbolTable, i * 40 + 32, text.symbol, 0);
    pointer(listTable, i * 40, base, slot * 8);
    pointer(listTable, i * 40 + 24, text.symbol, 0);
    pointer(listTable, i * 40 + 32, symbols.symbol, i * 40);
  }
  return writeElf(edits);
}

const expected = (relocations: readonly Wanted[]): string[] =>
  relocations
    .map(
      ({ slot, symbol, addend }) =>
        `.klp.rela.vmlinux..data.slots .data.slots+${slot * 8} 1 .klp.sym.vmlinux.local_${symbol},0 ${addend}`,
    )
    .sort((a, b) => (a < b ? -1 : 1));

const finish = (bytes: Uint8Array): Uint8Array => {
  const { output } = link(bytes, { file: "x", symbols: kernel });
  if (output === null) throw new Error("not linked");
  return output;
};

const inOrder = fc.shuffledSubarray(
  names.map((_, i) => i),
  { minLength: MOST, maxLength: MOST },
);

describe("whatever relocations there are", () => {
  test("plain objects and kpatch's form give exactly them", () => {
    fc.assert(
      fc.property(wanted, inOrder, (relocations, order) => {
        expect(asText(readRelocations(finish(plain(relocations, order)), true))).toEqual(expected(relocations));
        expect(asText(readRelocations(finish(kpatch(relocations)), true))).toEqual(expected(relocations));
      }),
      { numRuns: 60 },
    );
  });

  test("any order of symbols gives the same set", () => {
    fc.assert(
      fc.property(wanted, inOrder, inOrder, (relocations, one, other) => {
        const read = (order: readonly number[]) => asText(readRelocations(finish(plain(relocations, order)), true));
        expect(read(one)).toEqual(read(other));
      }),
      { numRuns: 40 },
    );
  });

  test("finishing again changes nothing, and the same input gives the same bytes", () => {
    fc.assert(
      fc.property(wanted, inOrder, (relocations, order) => {
        for (const input of [plain(relocations, order), kpatch(relocations)]) {
          const once = finish(input);
          expect(Buffer.compare(finish(once), once)).toBe(0);
          expect(Buffer.compare(finish(input), once)).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
  });
});

test("a livepatch symbol's name, written and read, is the same", () => {
  // Independent of formatKlpSymbol: the form of Documentation/livepatch/module-elf-format.
  const object = fc.stringMatching(/^[a-z0-9_]{1,55}$/);
  const name = fc.stringMatching(/^[A-Za-z0-9_.$]{1,511}$/);
  fc.assert(
    fc.property(object, name, fc.nat(1e9), (o, n, position) => {
      expect(parseKlpSymbol(`.klp.sym.${o}.${n},${position}`)).toEqual({ object: o, name: n, position });
    }),
  );
});
