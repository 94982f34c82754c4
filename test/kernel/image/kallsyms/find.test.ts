// The reader against tables written by tables.ts in five layouts; test/boot/kallsyms.test.ts has real kernels.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findNames, textsOf } from "../../../../src/kernel/image/kallsyms/find.ts";
import { findOffsets } from "../../../../src/kernel/image/kallsyms/offsets.ts";
import { symbolsOf } from "../../../../src/kernel/image/kallsyms/symbols.ts";
import { ImageMemory } from "../../../../src/kernel/image/memory.ts";
import { kallsymsTables, LAYOUTS, type Layout, type Listed } from "./tables.ts";

const START = 0xffff_ffff_8200_0000n;
const BASE = 0xffff_ffff_8100_0000n;

function symbolsFor(layout: Layout, count: number): Listed[] {
  const list: Listed[] = [];
  // Per-CPU symbols count from 0.
  if (layout.code === "percpu")
    for (let i = 0; i < 20; i++) list.push({ address: BigInt(i * 64), letter: "A", name: `percpu_${i}` });
  for (let i = 0; list.length < count; i++) {
    const long = layout.longNames && i % 400 === 7 ? "x".repeat(150) : "";
    // Some have the address of the one before, and some its name.
    const address = BASE + BigInt(16 * (i - (i % 5 === 4 ? 1 : 0)));
    list.push({ address, letter: "TtDdB"[i % 5] ?? "T", name: i % 50 === 3 ? "twice" : `function_symbol${i}${long}` });
  }
  return list;
}

function read(bytes: Uint8Array): Listed[] | null {
  const names = findNames(bytes, true);
  const offsets = names === null ? null : findOffsets(bytes, names, true);
  if (names === null || offsets === null) return null;
  const memory = new ImageMemory([{ address: START, offset: 0, bytes }]);
  const symbols = symbolsOf(bytes, names, offsets, memory, true);
  return symbols === null ? null : [...symbols.all()].map((s) => ({ ...s, address: BigInt(s.address) }));
}

describe.each(Object.entries(LAYOUTS))("the layout of Linux %s", (_, layout) => {
  test.each([300, 1024, 1025, 5000])("%i symbols, in their order, with their addresses", (count) => {
    const symbols = symbolsFor(layout, count);
    // Other read-only data around.
    const before = Buffer.alloc(4096, 0x5a);
    const bytes = Buffer.concat([
      before,
      kallsymsTables(symbols, layout, START + 4096n, BASE),
      Buffer.alloc(4096, 0x33),
    ]);
    expect(read(bytes)).toEqual(symbols);
  });
  test("the last token of a name counts: another byte in it is another name", () => {
    const bytes = kallsymsTables(symbolsFor(layout, 600), layout, START, BASE);
    const at = bytes.indexOf(Buffer.from("\xe0s\xe4", "latin1"));
    expect(at).toBeGreaterThan(0);
    bytes[at] = 0xe2;
    const names = findNames(bytes, true);
    const { text } = names === null ? { text: [] } : textsOf(bytes, names);
    expect(Buffer.from(text).toString("latin1")).toMatch(/[TtDdB]datasymbol/);
  });
  test("a name that is longer than any kernel's is none: tokens could make a table of any size of it", () => {
    const named = (length: number): Listed[] =>
      symbolsFor(layout, 600).map((s, i) => (i === 299 ? { ...s, name: "function_".repeat(length / 9) } : s));
    expect(read(kallsymsTables(named(495), layout, START, BASE))).toEqual(named(495));
    expect(read(kallsymsTables(named(540), layout, START, BASE))).toBeNull();
  });
  test("damaged tables are read or refused, never a fault", () => {
    const good = kallsymsTables(symbolsFor(layout, 700), layout, START, BASE);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (edits) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of edits) bytes[at] = value;
        read(bytes);
      }),
      { numRuns: 60 },
    );
    for (let size = 0; size < good.length; size += 997) read(good.subarray(0, size));
  });
});

test("no tables, no symbols", () => {
  expect(read(Buffer.alloc(100_000))).toBeNull();
  expect(read(Buffer.from("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0".repeat(2000), "latin1"))).toBeNull();
});
