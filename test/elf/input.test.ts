// The input is never changed, whatever holds its bytes: `slice` of a Node.js Buffer gives no copy.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DebugSections } from "../../src/elf/dwarf/sections.ts";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";

const path = new URL("../../samples/ppc64le/meminfo/meminfo.o", import.meta.url);
const before = Uint8Array.from(readFileSync(path));

const uses: readonly (readonly [string, (input: Uint8Array) => unknown])[] = [
  [
    "an edit",
    (input) => {
      const edits = new ElfEdits(readElf(input));
      const { sections } = edits.file;
      for (let i = 1; i < sections.count; i++) {
        if (sections.hasBytes(i) && sections.size(i) > 0) edits.patch(i, 0, Uint8Array.of(255));
      }
      return writeElf(edits);
    },
  ],
  ["reading debug information", (input) => DebugSections.read(readElf(input), ["info", "line", "str", "line_str"])],
];

for (const [what, use] of uses) {
  test(`${what} leaves a Buffer as it was`, async () => {
    const input = readFileSync(path);
    await use(input);
    expect(Buffer.compare(input, before)).toBe(0);
  });
}
