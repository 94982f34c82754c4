import fc from "fast-check";
import { expect, test } from "vitest";
import { Cover } from "../../src/base/cover.ts";

const range = fc.tuple(fc.nat(40), fc.nat(40)).map(([start, end]) => ({ start, end }));
const item = fc.record({ ranges: fc.array(range, { maxLength: 3 }), rank: fc.nat(5) });

test("the item of the lowest rank that covers a place, the first of equal ones", () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 12 }), (items) => {
      const cover = new Cover(items.map((each, i) => ({ ...each, item: i })));
      for (let place = -1; place <= 41; place++) {
        const over = items.flatMap(({ ranges, rank }, i) =>
          ranges.some((r) => place >= r.start && place < r.end) ? [{ i, rank }] : [],
        );
        const first = over.sort((a, b) => a.rank - b.rank || a.i - b.i)[0]?.i ?? null;
        expect([place, cover.at(place)]).toEqual([place, first]);
      }
    }),
  );
});
