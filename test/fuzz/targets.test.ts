// Any bytes are safe input: each target gets some mutated files (test/fuzz/targets), always the same. `npm run fuzz` runs more, and what it
// finds stays in crashes/, which all run here.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { root } from "../helpers.ts";
import { crashesOf } from "./frame/crashes.ts";
import { inputOf, kindOf, runInput, samplesOf } from "./frame/invariants.ts";
import { minimise } from "./frame/minimise.ts";
import type { Target } from "./frame/target.ts";
import { targets } from "./targets/index.ts";

describe.each(Object.entries(targets))("%s", (_, target) => {
  test(`${target.count} mutations`, async () => {
    const failures = new Map<string, string>();
    const ends = new Set<string>();
    for (let seed = 1; seed <= target.count; seed++) {
      try {
        ends.add(await runInput(target, inputOf(target, seed), seed));
      } catch (error) {
        const text = error instanceof Error ? error.stack : String(error);
        if (!failures.has(kindOf(error))) failures.set(kindOf(error), `seed ${seed}: ${text}`);
      }
    }
    if (failures.size > 0) throw new Error([...failures.values()].join("\n\n"));
    // Some are taken, and some are refused.
    expect(ends.size).toBeGreaterThan(1);
  });

  test("inputs are always the same, and are changed", () => {
    let same = 0;
    for (let seed = 1; seed <= 50; seed++) {
      const bytes = Buffer.from(inputOf(target, seed));
      expect(bytes.equals(inputOf(target, seed))).toBe(true);
      const samples = samplesOf(target);
      if (bytes.equals(samples[seed % samples.length] as Uint8Array)) same++;
    }
    expect(same).toBeLessThan(25);
  });
});

describe("kept inputs", () => {
  const kept = Object.keys(targets).flatMap((name) => crashesOf(name).map((crash) => ({ name, crash })));
  test.each(kept.map(({ name, crash }) => [`${name}/${crash.name}`, name, crash] as const))(
    "%s",
    async (_, name, crash) => {
      await runInput(targets[name] as Target, crash.bytes, crash.seed);
    },
  );

  // Those of one object each go through every target of objects, with all its options; diff-… through diff.
  const folder = join(root, "test/fuzz/crashes");
  const files = readdirSync(folder).filter((name) => /\.o(\.gz)?$/.test(name));
  test("are in crashes/", () => expect(files.length).toBeGreaterThan(9));
  test.each(files)("%s", async (file) => {
    const packed = readFileSync(join(folder, file));
    const bytes = new Uint8Array(file.endsWith(".gz") ? gunzipSync(packed) : packed);
    const names = file.startsWith("diff-")
      ? ["diff"]
      : ["elf", "writer", "link", "check", "image", "dwarf", "producers", "show"];
    for (const name of names)
      for (let seed = 0; seed < 15; seed++) await runInput(targets[name] as Target, bytes, seed);
  });
});

describe("the frame", () => {
  const broken: Target = {
    count: 0,
    samples: () => [new Uint8Array(4000)],
    mutate: (sample, seed) => sample.map((_, i) => (i * seed) & 0xff),
    run: (bytes) => {
      if (bytes[700] === 44) throw new Error("a broken promise");
      return { end: "good" };
    },
  };
  test("makes a failing input as small as it can be, and it still fails", async () => {
    const bytes = new Uint8Array(4000).map((_, i) => (i === 700 ? 44 : i & 0xff));
    const small = await minimise(broken, bytes, new Uint8Array(4000), 1);
    expect([small.length, small[700], small.filter((b) => b !== 0).length]).toEqual([701, 44, 1]);
  });
  test.each<[string, Target["run"], RegExp]>([
    ["another output", () => ({ end: "x", output: String(Math.random()) }), /two different outputs/],
    ["another end", () => ({ end: String(Math.random()) }), /a second time/],
    ["a changed input", (bytes) => ({ end: String(bytes.fill(1).length) }), /bytes were changed/],
  ])("sees %s", async (_, run, message) => {
    await expect(runInput({ ...broken, run }, new Uint8Array(8), 8)).rejects.toThrow(message);
  });
});
