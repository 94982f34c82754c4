import { expect, test } from "vitest";
import { firstRefusal, type Problem, problem } from "../../src/diag/catalogue.ts";
import { MOST_OF_A_CODE, ProblemList } from "../../src/diag/problemList.ts";
import { PLAIN, renderText } from "../../src/diag/render/text.ts";
import { tallyOf } from "../../src/diag/tally.ts";

const found = (offset: number, rank: number | null, name = "R_X"): Problem => {
  const data = { module: "m", type: 1, name, message: "", symbol: "" };
  const more = rank === null ? {} : { loadOrder: [1, rank] };
  return problem("KLP201", { file: "m.ko", section: ".text", offset }, data, more);
};

function listOf(problems: Iterable<Problem>): Problem[] {
  const list = new ProblemList();
  list.add(problems);
  return list.all();
}

const many = (count: number, rank: (i: number) => number | null): Problem[] =>
  Array.from({ length: count }, (_, i) => found(8 * i, rank(i)));

test("as many as are listed: nothing else is said", () => {
  const all = many(MOST_OF_A_CODE, (i) => i);
  expect(listOf(all)).toEqual(all);
});

test("more than that are counted, in every total", () => {
  const all = many(5000, () => null);
  const list = listOf(all);
  expect(list.slice(0, -1)).toEqual(all.slice(0, MOST_OF_A_CODE));
  expect(list.at(-1)?.data).toEqual({ code: "KLP201", level: "error", count: 5000 - MOST_OF_A_CODE });
  expect(tallyOf([list])).toEqual({ files: 1, errors: { KLP201: 5000 }, warnings: {} });
  expect(renderText(list, { width: 80, palette: PLAIN })).toContain("\n5000 errors, 0 warnings\n");
});

test("the one that the loader meets first is kept, wherever it comes", () => {
  // The last row is met first, as where a loader sorts relocations.
  const backwards = listOf(many(5000, (i) => 5000 - i));
  expect(firstRefusal(backwards)?.at.offset).toBe(8 * 4999);
  expect(firstRefusal(listOf(many(5000, (i) => (i === 3000 ? 0 : null))))?.at.offset).toBe(8 * 3000);
});

test("a million of one place are one, the one met first", () => {
  const list = new ProblemList();
  for (let i = 0; i < 1_000_000; i++) list.push(found(8, 1_000_000 - i));
  expect(list.all()).toEqual([found(8, 1)]);
  // What says something else stays.
  expect(listOf([found(8, 1), found(8, 2, "R_Y"), found(8, 3), found(16, 4)])).toHaveLength(4);
});
