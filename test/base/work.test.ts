import { expect, test } from "vitest";
import { TooMuchWork, Work, WorkPool } from "../../src/base/work.ts";

test("steps in proportion to an input's bytes, and an error that says what took more", () => {
  const work = new Work("a.o", 1000);
  work.take(1 << 28, "looking");
  work.take(256_000, "looking");
  expect(() => work.take(1, "comparing strings")).toThrow(TooMuchWork);
  expect(() => work.take(1, "comparing strings")).toThrow("a.o: comparing strings takes more work");
});

test("what is beyond their bytes, inputs of one run share; one that is given up takes nothing of it", () => {
  const pool = new WorkPool();
  const [one, other] = [new Work("a.o", 1000, pool), new Work("b.o", 1000, pool)];
  expect(() => one.take(Number.POSITIVE_INFINITY, "x")).toThrow(TooMuchWork);
  one.take(256_000 + (1 << 28) - 100, "x");
  other.take(256_000, "x");
  other.take(100, "x");
  expect(() => other.take(1, "x")).toThrow("b.o: x takes more work");
  new Work("c.o", 1000, pool).take(256_000, "x");
});
