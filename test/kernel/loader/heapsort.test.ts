// Orders from the kernel's own sort(), compiled from lib/sort.c of 6.1 and 6.12: test/golden/heapsort/make.sh.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { kernelSort } from "../../../src/kernel/loader/heapsort.ts";
import { root } from "../../helpers.ts";

type Orders = Record<"6.1" | "6.12", [string, number[]][]>;
const orders = JSON.parse(readFileSync(join(root, "test/golden/heapsort/orders.json"), "utf8")) as Orders;

const sortedBy = (keys: string, minor: number): number[] => [
  ...kernelSort(keys.length, (x, y) => Number(keys[x]) - Number(keys[y]), { major: 6, minor }),
];

describe("the kernel's sort, ties included", () => {
  for (const [version, minor] of [
    ["6.1", 1],
    ["6.12", 12],
  ] as const) {
    test(`as in ${version}`, () => {
      expect(orders[version].length).toBe(123);
      for (const [keys, order] of orders[version]) expect([keys, sortedBy(keys, minor)]).toEqual([keys, order]);
    });
  }

  test("the two differ where elements are equal", () => {
    expect(orders["6.1"]).not.toEqual(orders["6.12"]);
  });
});
