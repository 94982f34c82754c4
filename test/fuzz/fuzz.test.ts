import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { runShow } from "../../src/cli/commands/show.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { Unusable } from "../../src/passes/input.ts";
import { captured } from "../cli/run.ts";
import { type BuiltSymbol, buildElf } from "../elf/build.ts";
import { exercise, exerciseSource, nothingReached } from "./exercise.ts";
import { mutate } from "./mutate.ts";

// Any bytes are safe input: mutated objects go through the reader, the writer, and the link, check and show passes.
// KLPLINK_FUZZ_RUNS and KLPLINK_FUZZ_SEED set how many and where to begin (default: a few seconds, always the same).
// An input that was found to break something belongs in crashes/, as NAME.o or NAME.o.gz.

const root = fileURLToPath(new URL("../../", import.meta.url));
const runs = Number(process.env.KLPLINK_FUZZ_RUNS ?? 2000);
const firstSeed = Number(process.env.KLPLINK_FUZZ_SEED ?? 1);

const folders = ["test/fixtures/elf/", "test/fixtures/move/", "test/fixtures/dwarf/", "test/fixtures/elf/refused/"];
for (const arch of ["ppc64le", "arm64", "x86_64"]) {
  for (const name of readdirSync(`${root}samples/${arch}`)) folders.push(`samples/${arch}/${name}/`);
}
const samples = folders
  .flatMap((folder) => readdirSync(root + folder).map((entry) => folder + entry))
  .filter((path) => /\.o$|\/executable$|\/shared-object$/.test(path) && !path.endsWith(".klp.o"))
  .sort()
  .map((path) => ({ path, bytes: new Uint8Array(readFileSync(root + path)) }));
// A section whose relocations all move, so that it vanishes; in a group; with a section symbol of its own, too.
const vanishing = (more: readonly BuiltSymbol[]): Uint8Array<ArrayBuffer> =>
  buildElf({
    sections: [
      {
        name: ".group",
        type: 17,
        link: ".symtab",
        info: 2,
        align: 4,
        entsize: 4,
        members: [".rodata", ".rela.rodata"],
      },
      { name: ".rodata", type: 1, flags: 0x202, align: 8, data: new Uint8Array(16) },
      {
        name: ".rela.rodata",
        type: 4,
        flags: 0x240,
        link: ".symtab",
        info: ".rodata",
        align: 8,
        entsize: 24,
        relocations: [{ offset: 8, symbol: 2, type: 1 }],
      },
      { name: ".llvm_addrsig", type: 0x6fff_4c03, link: ".symtab", data: Uint8Array.of(2, 1) },
    ],
    symbols: [{ name: "", type: 3, home: ".rodata" }, { name: "show_val_kb", bind: 1 }, ...more],
  });
samples.push(
  { path: "built: a section that vanishes", bytes: vanishing([]) },
  {
    path: "built: a section that would vanish",
    bytes: vanishing([{ name: "in_rela", bind: 1, home: ".rela.rodata" }]),
  },
);
const maps = ["ppc64le/meminfo", "ppc64le/sibling", "arm64/convert"].map((name) =>
  readFileSync(`${root}samples/${name}/System.map`, "latin1"),
);
const symbols = parseSymbols(Buffer.from(maps.join("\n"), "latin1"), "System.map");

const folder = mkdtempSync(join(tmpdir(), "klplink-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function show(bytes: Uint8Array): Promise<void> {
  const path = join(folder, "in.o");
  writeFileSync(path, bytes);
  const { context, run } = captured();
  try {
    await runShow(path, { format: "text", color: "never" }, context);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
  }
  const { length } = run().stdout;
  if (length > 512 * bytes.length + 65_536) throw new Error(`${length} characters shown`);
}

describe("found inputs", () => {
  test("are in crashes/", () => expect(readdirSync(new URL("crashes/", import.meta.url))).toContain("README.md"));

  const found = readdirSync(new URL("crashes/", import.meta.url)).filter((entry) => /\.o(\.gz)?$/.test(entry));
  test.each(found)("%s", async (entry) => {
    const packed = readFileSync(new URL(`crashes/${entry}`, import.meta.url));
    const bytes = entry.endsWith(".gz") ? new Uint8Array(gunzipSync(packed)) : new Uint8Array(packed);
    exercise(bytes, symbols, nothingReached());
    await exerciseSource(bytes);
    await show(bytes);
  });
});

test("the mutator is deterministic and does mutate", () => {
  const [sample] = samples;
  if (sample === undefined) throw new Error("no samples");
  let same = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const mutated = Buffer.from(mutate(sample.bytes, seed));
    expect(mutated.equals(mutate(sample.bytes, seed))).toBe(true);
    if (mutated.equals(sample.bytes)) same++;
  }
  expect(same).toBeLessThan(60);
});

test("each sample as it is", async () => {
  for (const { bytes } of samples) {
    exercise(bytes, symbols, nothingReached());
    await exerciseSource(bytes);
    await show(bytes);
  }
});

const CHUNK = 1000;
const reached = nothingReached();
describe(`${runs} mutations from seed ${firstSeed}`, () => {
  for (let start = 0; start < runs; start += CHUNK) {
    test(`from ${firstSeed + start}`, async () => {
      const failures = new Map<string, string>();
      for (let seed = firstSeed + start; seed < firstSeed + Math.min(runs, start + CHUNK); seed++) {
        const sample = samples[seed % samples.length];
        if (sample === undefined) throw new Error("no samples");
        const bytes = mutate(sample.bytes, seed);
        try {
          exercise(bytes, symbols, reached);
          if (seed % 16 === 0) await show(bytes);
          if (seed % 4 === 0 || sample.path.includes("dwarf")) await exerciseSource(bytes);
        } catch (error) {
          const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
          const key = text.split("\n").slice(0, 2).join("\n").replace(/\d+/g, "N");
          if (!failures.has(key)) failures.set(key, `seed ${seed} of ${sample.path}: ${text}`);
          const keep = process.env.KLPLINK_FUZZ_KEEP;
          if (keep !== undefined) writeFileSync(join(keep, `seed-${seed}.o`), bytes);
        }
      }
      if (failures.size > 0) throw new Error([...failures.values()].join("\n\n"));
    });
  }

  test("every part was reached", () => {
    const least = runs / 50;
    expect(reached.refused).toBeGreaterThan(least);
    expect(reached.read).toBeGreaterThan(least);
    expect(reached.unusable).toBeGreaterThan(least);
    expect(reached.linked).toBeGreaterThan(least);
    expect(reached.changed).toBeGreaterThan(least);
  });
});
