// Binary search against a search from the front.

import fc from "fast-check";
import { expect, test } from "vitest";
import { countUpTo, firstIndex } from "../../src/base/search.ts";

const ascending = fc.array(fc.integer({ min: -9, max: 9 })).map((list) => list.sort((a, b) => a - b));

test("the first index for which a thing holds that then holds for all behind it", () => {
  fc.assert(
    fc.property(ascending, fc.integer({ min: -10, max: 10 }), (list, value) => {
      const first = list.findIndex((n) => n >= value);
      expect(firstIndex(list.length, (i) => (list[i] ?? 0) >= value)).toBe(first < 0 ? list.length : first);
      expect(countUpTo(list, value)).toBe(list.filter((n) => n <= value).length);
    }),
  );
});
