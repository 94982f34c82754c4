import { expect, test } from "vitest";
import { defined } from "../../src/base/defined.ts";

test("fields without a value are left out, others stay in their order", () => {
  const given: { a: number | undefined; b: null; c: number | undefined; d: boolean } = {
    ...{ a: undefined, b: null, c: 0, d: false },
  };
  expect(Object.entries(defined(given))).toEqual([
    ["b", null],
    ["c", 0],
    ["d", false],
  ]);
});
