import { expect, test } from "vitest";
import { Collector } from "../../../src/diag/messages/collect.ts";

const NOTICE = "klp_demo: loading out-of-tree module taints kernel.";

function collect(lines: Iterable<string>): Collector {
  const collector = new Collector();
  for (const line of lines) collector.add(line);
  return collector;
}

/** Text and count of each line. */
const shown = (collector: Collector): [string, number][] =>
  collector.lines().map(({ recognised, count }) => [recognised.text, count]);

test("each line once, whenever it came, in the order of its first coming", () => {
  const [a, b] = ["m: Unknown symbol a (err -2)", "m: Unknown symbol b (err -2)"];
  const collector = collect([`[    1.000000] ${a}`, `[    2.000000] ${b}`, NOTICE, "noise", `[    3.000000] ${a}`, a]);
  expect(shown(collector)).toEqual([
    [a, 3],
    [b, 1],
  ]);
  expect(shown(collect([NOTICE, NOTICE]))).toEqual([[NOTICE, 2]]);
});

test("the same words at another time are the same, and other words at the same time are not", () => {
  const times = Array.from({ length: 20 }, (_, i) => `[   1${i % 10}.00000${i % 10}] `);
  const lines = times.flatMap((time, i) => [`${time}m: Unknown symbol s${i % 2} (err -2)`, `${time}nothing`]);
  expect(shown(collect(lines))).toEqual([
    ["m: Unknown symbol s0 (err -2)", 10],
    ["m: Unknown symbol s1 (err -2)", 10],
  ]);
});

test("of too many, the first, and the last of each message; the others are counted", () => {
  const of = (i: number): string => `m: Unknown symbol s${i} (err -2)`;
  function* lines(): Generator<string> {
    for (let i = 0; i < 10_000; i++) {
      yield of(i);
      yield of(i);
    }
    yield "n: disagrees about version of symbol s3";
  }
  const collector = collect(lines());
  const texts = shown(collector);
  expect(texts.slice(0, 2)).toEqual([
    [of(0), 2],
    [of(1), 2],
  ]);
  expect(texts.slice(-2)).toEqual([
    [of(9999), 2],
    ["n: disagrees about version of symbol s3", 1],
  ]);
  const unlisted = collector.unlisted();
  expect(unlisted.map(({ message }) => message.forms[0])).toEqual(["{module}: Unknown symbol {symbol} (err {errno})"]);
  // No line is lost.
  const sum = texts.reduce((all, [, count]) => all + count, 0) + (unlisted[0]?.count ?? 0);
  expect(sum).toBe(20_001);
  expect(texts.length).toBeLessThan(2100);
});
