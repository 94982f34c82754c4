// Damaged debug information is absent information: no crash, no hang, no memory out of proportion.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CompressionError, sectionContent } from "../../../src/elf/containers/compressed.ts";
import { SourceIndex } from "../../../src/elf/dwarf/lines/source.ts";
import { ElfError } from "../../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";

const folder = new URL("../../fixtures/dwarf/", import.meta.url);
const objects = readdirSync(folder).filter((f) => f.endsWith(".o"));

/** Linear congruential: numbers in [0, below). */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function lookUpAll(file: ElfFile): Promise<number> {
  const index = await SourceIndex.read(file);
  let found = 0;
  for (let i = 1; i < file.sections.count; i++) {
    if (!file.sections.name(i).startsWith(".text")) continue;
    for (let at = 0; at < Math.min(file.sections.size(i), 512); at += 4) if (index.find(i, at) !== null) found++;
  }
  return found;
}

describe.each(objects)("%s", (object) => {
  const bytes = readFileSync(new URL(object, folder));

  test("whole: every word of code has a line", async () => {
    expect(await lookUpAll(readElf(bytes))).toBeGreaterThan(object.startsWith("sample-") ? 10 : 50);
  });

  test("bytes of debug sections changed, seed 5", async () => {
    const file = readElf(bytes);
    const targets = Array.from({ length: file.sections.count }, (_, i) => i).filter((i) =>
      /^\.(?:rela)?\.?z?debug/.test(file.sections.name(i)),
    );
    const pick = numbers(5);
    for (let round = 0; round < 60; round++) {
      const copy = new Uint8Array(bytes);
      for (let edits = 1 + pick(6); edits > 0; edits--) {
        const section = targets[pick(targets.length)] ?? 0;
        const at = file.sections.offset(section) + pick(file.sections.size(section));
        copy[at] = [0, 1, 0x7f, 0x80, 0xff, pick(256)][pick(6)] ?? 0;
      }
      try {
        await lookUpAll(readElf(copy));
      } catch (error) {
        if (!(error instanceof ElfError)) throw error;
      }
    }
  });
});

test("a compressed section that claims to be huge is refused before it is unpacked", async () => {
  for (const [name, header] of [
    ["linked-zlib-gabi.o", 8],
    ["linked-zstd.o", 8],
  ] as const) {
    const copy = new Uint8Array(readFileSync(new URL(name, folder)));
    const file = readElf(copy);
    const info = file.sections.findByName(".debug_info") ?? 0;
    expect((await sectionContent(file, info)).length).toBeGreaterThan(1000);
    new DataView(copy.buffer).setBigUint64(file.sections.offset(info) + header, 1n << 40n, true);
    const claiming = readElf(copy);
    await expect(sectionContent(claiming, info)).rejects.toThrow(CompressionError);
    const index = await SourceIndex.read(claiming);
    expect(index.fault).toMatch(/^\.debug_info: \d+ bytes cannot unpack to 1099511627776$/);
    expect(index.find(file.sections.findByName(".text.sum") ?? 0, 0)).toBeNull();
  }
});
