// What is written of damaged files: GNU readelf has nothing to say of it that it does not say of the input. KLPLINK_DAMAGED sets how many
// inputs of the fuzz targets `link` and `writer` are made (the long form: 100000).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ElfError } from "../../src/elf/error.ts";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { link } from "../../src/passes/link.ts";
import { inputOf } from "../fuzz/frame/invariants.ts";
import type { Target } from "../fuzz/frame/target.ts";
import { targets } from "../fuzz/targets/index.ts";
import { usable } from "../fuzz/targets/objects.ts";
import { load } from "../helpers.ts";

const count = Number(process.env.KLPLINK_DAMAGED ?? 700);
const folder = mkdtempSync(join(tmpdir(), "klplink-damaged-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What readelf complains about, each kind once: without numbers, and without the names of sections, which new ones have others of. */
function complaints(bytes: Uint8Array): Set<string> {
  const path = join(folder, "in.o");
  writeFileSync(path, bytes);
  const { stdout, stderr, error } = spawnSync("readelf", ["-aW", path], {
    encoding: "latin1",
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined) throw error;
  const lines = `${stderr}\n${stdout}`.split("\n").filter((line) => /^readelf: (?:Warning|Error)/.test(line));
  return new Set(
    lines.map((line) =>
      line
        .replace(/'[^']*'|\.[\w.-]+/g, "NAME")
        .replace(/0x[0-9a-f]+|\d+|<[^>]*>/g, "N")
        .replace(/\[ +/g, "["),
    ),
  );
}

const symbols = parseSymbols(load("samples/ppc64le/meminfo/System.map"), "System.map");

/** A section and a symbol more than a file has; null where it cannot be changed without guessing. */
function edited(bytes: Uint8Array): Uint8Array | null {
  try {
    const file = readElf(bytes);
    if (file.symbols === null) return null;
    const edits = new ElfEdits(file);
    const section = edits.addSection({
      ...{ name: ".new", type: 1, flags: 2n, link: 0, info: 0, addralign: 16, entsize: 0 },
      data: new Uint8Array(40),
    });
    edits.addSymbol({ name: "new", info: 1, other: 0, home: { kind: "section", section }, value: 0n, size: 8 });
    return writeElf(edits);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return null;
  }
}

const FOUND: Record<string, readonly number[]> = { link: [10054] };
const WAYS: Record<string, (bytes: Uint8Array) => Uint8Array | null> = {
  link: (bytes) => {
    const result = usable(() => link(bytes, { file: "in.o", symbols, force: true }));
    return result?.changed === true ? result.output : null;
  },
  writer: edited,
};

test.each(Object.keys(WAYS))("%s", (name) => {
  const target = targets[name] as Target;
  const worse: string[] = [];
  let written = 0;
  let complained = 0;
  // The seeds that once gave something else, in the short form too.
  const seeds = [...(FOUND[name] ?? []), ...Array.from({ length: count }, (_, i) => i + 1)];
  for (const seed of seeds) {
    const bytes = inputOf(target, seed);
    const output = WAYS[name]?.(bytes) ?? null;
    if (output === null) continue;
    written++;
    const before = complaints(bytes);
    const after = complaints(output);
    if (after.size > 0) complained++;
    for (const line of after) if (!before.has(line)) worse.push(`seed ${seed}: ${line}`);
  }
  if (process.env.KLPLINK_DAMAGED !== undefined) console.log(name, { count, written, complained });
  expect(worse).toEqual([]);
  // Some are written, and of some readelf has something to say.
  expect([written > count / 50, complained > 0]).toEqual([true, true]);
});
