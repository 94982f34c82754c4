import fc from "fast-check";
import { expect, test } from "vitest";
import { eachBlock, LONGEST_LINE } from "../../../src/cli/files/textLines.ts";

async function read(chunks: Iterable<Uint8Array>): Promise<{ text: string; blocks: string[]; left: number }> {
  const blocks: string[] = [];
  const left = await eachBlock(chunks, (block) => blocks.push(Buffer.from(block).toString()));
  return { text: blocks.join(""), blocks, left };
}

/** A text cut into pieces of these sizes, again and again. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const lines = fc.array(fc.constantFrom("a", "bcd", "\u00fcber", "\ud83d\ude00 ", "\n", "\r", "\r\n", "x".repeat(300)), {
  maxLength: 200,
});
const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 });

test("whole lines, however the text is cut, in each form of its characters", async () => {
  await fc.assert(
    fc.asyncProperty(lines, sizes, async (parts, steps) => {
      const text = `first line of the log\n${parts.join("")}`;
      for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`, "utf16le")]) {
        const { text: back, blocks, left } = await read(cut(bytes, steps));
        expect([back, left]).toEqual([text, 0]);
        expect(blocks.slice(0, -1).every((block) => /[\r\n]$/.test(block))).toBe(true);
      }
    }),
    { numRuns: 200, seed: 5 },
  );
});

test("of a line without end nothing but its end is kept, and the lines around it are whole", async () => {
  const piece = Buffer.alloc(1 << 16, "x");
  function* chunks(): Generator<Uint8Array> {
    yield Buffer.from("before\nbegin");
    for (let i = 0; i < (40 * LONGEST_LINE) / piece.length; i++) yield piece;
    yield Buffer.from("end\nafter\nlast");
  }
  const { text, left } = await read(chunks());
  expect([text, left]).toEqual(["before\nafter\nlast", 1]);
  const endless = await read([Buffer.from("a\n"), ...Array<Buffer>(40).fill(piece)]);
  expect([endless.text, endless.left]).toEqual(["a\n", 1]);
});

test("nothing is nothing", async () => {
  expect(await read([])).toEqual({ text: "", blocks: [], left: 0 });
});
