// Tables of types that refer to themselves, or to one part twice as often at each step: what they tell is told, in few steps. Walked as they
// stand, none of them would end.

import { describe, expect, test } from "vitest";
import { Btf } from "../../src/elf/btf.ts";

const STRUCT = 4 << 24;
const FUNC = 12 << 24;
const FUNC_PROTO = 13 << 24;

/** BTF (Documentation/bpf/btf.rst) of types as words, and of names. */
function btf(types: readonly (readonly number[])[], strings: string): Btf {
  const words = types.flat();
  const bytes = Buffer.alloc(24 + 4 * words.length + strings.length);
  bytes.writeUInt16LE(0xeb9f, 0);
  bytes.writeUInt8(1, 2);
  for (const [i, word] of [24, 0, 4 * words.length, 4 * words.length, strings.length].entries())
    bytes.writeUInt32LE(word, 4 + 4 * i);
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 24 + 4 * i);
  bytes.write(strings, 24 + 4 * words.length, "latin1");
  return new Btf(new Uint8Array(bytes), true);
}
/** A struct of members: name, type, bits from its start. */
const struct = (name: number, members: readonly (readonly [name: number, type: number, bits: number])[]) => [
  ...[name, STRUCT | members.length, 64],
  ...members.flat(),
];

describe("BTF", () => {
  const NAMES = "\0module\0name\0";
  test("a struct that holds itself twice", () => {
    const table = btf(
      [
        struct(1, [
          [0, 1, 0],
          [0, 1, 8],
          [8, 2, 16],
        ]),
      ],
      NAMES,
    );
    expect(table.structLayout("module")).toEqual({ size: 64, members: new Map([["name", 2]]) });
    expect([table.memberOffset("module", "name"), table.memberOffset("module", "none")]).toEqual([2, null]);
  });

  test("64 structs, each of which holds the next one twice", () => {
    const each = Array.from({ length: 64 }, (_, i) =>
      struct(i === 0 ? 1 : 0, [
        [0, i + 2, 8],
        [0, i + 2, 8],
      ]),
    );
    const table = btf([...each, struct(0, [[8, 0, 8]])], NAMES);
    expect(table.structLayout("module")?.members).toEqual(new Map([["name", 65]]));
    expect([table.memberOffset("module", "name"), table.memberOffset("module", "none")]).toEqual([65, null]);
  });

  test("10,000 structs of one name of a million bytes", () => {
    const types = Array.from({ length: 10_000 }, () => struct(1, [[0, 0, 0]]));
    const table = btf(types, `\0${"x".repeat(1e6)}\0`);
    expect([table.structLayout("module"), table.memberOffset("module", "name")]).toEqual([null, null]);
  });

  test("100,000 functions of one prototype of 60,000 parameters", () => {
    const prototype = [0, FUNC_PROTO | 60_000, 0, ...Array.from({ length: 120_000 }, (_, i) => i % 2)];
    const functions = Array.from({ length: 100_000 }, () => [1, FUNC, 1]);
    expect(btf([prototype, ...functions], NAMES).prototypes()).toEqual(new Map([["module", null]]));
  });
});
