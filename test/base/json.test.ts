import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonPieces } from "../../src/base/json.ts";

const text = (value: unknown, plain?: (key: string, value: unknown) => unknown): string =>
  [...jsonPieces(value, plain)].join("");

test("the pieces are what JSON.stringify writes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      expect(text(value)).toBe(JSON.stringify(value, null, 2));
    }),
  );
  const some = { a: undefined, b: [undefined, 1], c: { d: undefined }, e: [], f: {} };
  expect(text(some)).toBe(JSON.stringify(some, null, 2));
  const hex = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  const deep = { a: 1n, b: [{ c: 2n, d: [[[[[[{ e: 16n }]]]]]] }] };
  expect(text(deep, hex)).toBe(JSON.stringify(deep, hex, 2));
});

test("a list may be made while it is written", () => {
  let made = 0;
  function* items(): Generator<number> {
    while (made < 1000) yield made++;
  }
  const pieces = jsonPieces({ items: items() });
  expect([pieces.next().value, pieces.next().value, pieces.next().value, made]).toEqual([
    '{\n  "items": ',
    "[\n    ",
    "0",
    1,
  ]);
  expect(JSON.parse(text({ items: new Set([1, 2]) }))).toEqual({ items: [1, 2] });
});
