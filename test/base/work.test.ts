import { expect, test } from "vitest";
import { TooMuchWork, Work } from "../../src/base/work.ts";

test("steps in proportion to an input's bytes, and an error that says what took more", () => {
  const work = new Work("a.o", 1000);
  work.take(1 << 28, "looking");
  work.take(256_000, "looking");
  expect(() => work.take(1, "comparing strings")).toThrow(TooMuchWork);
  expect(() => work.take(1, "comparing strings")).toThrow("a.o: comparing strings takes more work");
});
