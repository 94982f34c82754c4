// docs/islands.md shows the table that test/user/matrix.test.ts runs, and the numbers of the strategies themselves.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { strategies } from "../../../src/stubs/strategies/index.ts";
import { table } from "../../user/ways.ts";

const guide = readFileSync("docs/islands.md", "utf8");

test("strategies and kinds of calls: the table that is run", () => {
  expect(guide).toContain(table());
});

test("each strategy with its own words", () => {
  expect(Object.values(strategies).map((s) => s.option)).toEqual([
    "island",
    "nop",
    "epilogue",
    "mini-frame",
    "shadow-stack",
  ]);
  for (const s of Object.values(strategies)) {
    expect(guide).toContain(
      `| \`${s.option}\` | ${s.name} | ${s.fixes} | ${s.needs} | ${s.forbids} | ${s.bytes} | ${s.instructions} |`,
    );
  }
});
