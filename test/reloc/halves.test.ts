// The arithmetic in halves against that of value.ts in bigints, row by row, at values where carries and signs change.

import { describe, expect, test } from "vitest";
import { findArchByName } from "../../src/arch/index.ts";
import { OrderedView } from "../../src/base/bytes.ts";
import { RelocationTable } from "../../src/elf/views/relas.ts";
import type { RelocDef } from "../../src/reloc/def.ts";
import { Halves, planOf } from "../../src/reloc/halves.ts";
import { evaluate, fits, store, verdict } from "../../src/reloc/value.ts";

const arches = ["ppc64le", "arm64", "x86_64"].flatMap((name) => findArchByName(name) ?? []);
const EDGES = [0n, 1n, 0xfffn, 0x7fffn, 0x8000n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n];
const BASES = [0n, 0xffff_ffff_c000_0000n, 0xc008_0000_0012_3000n, 0xffff_8000_7fff_f000n, 0x7fff_ffff_ffff_f000n];
const S = BASES.flatMap((base) => EDGES.map((edge) => BigInt.asUintN(64, base + edge)));
const A = [...EDGES, ...EDGES.map((edge) => -edge), -4n, 0x7fff_ffff_ffff_ffffn];
const TOC = 0xc008_0000_0013_8000n;
const AT = 8;

/** One relocation of a section of old bits. */
function table(def: RelocDef, addend: bigint, littleEndian: boolean): RelocationTable {
  const bytes = new Uint8Array(24);
  const view = new OrderedView(bytes, littleEndian);
  view.setBigUint64(0, BigInt(AT));
  view.setBigUint64(8, (1n << 32n) | BigInt(def.type));
  view.setBigUint64(16, BigInt.asUintN(64, addend));
  return new RelocationTable(1, 2, true, bytes, littleEndian);
}

const oldBits = (): Uint8Array => Uint8Array.from({ length: 24 }, (_, i) => (i * 0x35) & 0xff);

describe.each(arches.map((arch) => [arch.name, arch.relocs.defs] as const))("%s", (_, defs) => {
  const planned = [...defs.values()].filter((def) => planOf(def) !== null);

  test.each(planned.map((def) => [def.name, def] as const))("%s", (_name, def) => {
    const plan = planOf(def);
    if (plan === null) throw new Error("no plan");
    let applied = 0;
    for (const littleEndian of [true, false]) {
      for (const base of BASES) {
        for (const addend of A) {
          const relocations = table(def, addend, littleEndian);
          for (const symbol of S) {
            const [found, expected] = [oldBits(), oldBits()];
            const values = BigUint64Array.of(0n, symbol);
            const halves = new Halves(relocations, { bytes: found, base, littleEndian }, values, TOC, false);
            const value = evaluate(def.value, symbol, addend, BigInt.asUintN(64, base + BigInt(AT)), TOC);
            const isGood = verdict(def, value) === null && (def.holds === undefined || fits(def.holds, value));
            if (isGood) store(def, new OrderedView(expected, littleEndian), AT, value);
            const done = halves.write(plan, 0, AT);
            if (done !== isGood || Buffer.compare(found, expected) !== 0)
              expect({ done, found, base, addend, symbol }).toEqual({
                done: isGood,
                found: expected,
                base,
                addend,
                symbol,
              });
            if (done) applied++;
          }
        }
      }
    }
    expect(applied).toBeGreaterThan(5);
  });
});

test("places that are to be zero, and are not", () => {
  const def = arches.flatMap((arch) => [...arch.relocs.defs.values()]).find((d) => d.name === "R_X86_64_64");
  const plan = def === undefined ? null : planOf(def);
  if (def === undefined || plan === null) throw new Error("no plan");
  for (const [byte, done] of [
    [0, true],
    [1, false],
  ] as const) {
    const bytes = new Uint8Array(24);
    bytes[AT + 7] = byte;
    const target = { bytes, base: 0n, littleEndian: true };
    const halves = new Halves(table(def, 3n, true), target, BigUint64Array.of(0n, 2n), 0n, true);
    expect(halves.write(plan, 0, AT)).toBe(done);
    expect(bytes[AT]).toBe(done ? 5 : 0);
  }
});
