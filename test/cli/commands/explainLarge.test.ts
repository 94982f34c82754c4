// Logs of any length, in a heap that would not hold them.

import { expect, test } from "vitest";
import { klplinkSmall } from "../run.ts";
import { isExplanation } from "./explained.ts";

const HEAP = 64;
const MEGABYTE = 1 << 20;

/** Lines that say nothing. */
function* noise(megabytes: number): Generator<string> {
  const others = ["usb 1-1: new high-speed USB device number 2 using xhci_hcd", "loop: module loaded", "x".repeat(200)];
  const lines = Array.from({ length: 10_000 }, (_, i) => `[${(i / 1e4).toFixed(6).padStart(12)}] ${others[i % 3]}\n`);
  const block = lines.join("");
  for (let length = 0; length < megabytes * MEGABYTE; length += block.length) yield block;
}

test("100 MB between a line and its reason", async () => {
  function* log(): Generator<string> {
    yield "[    1.000000] mod: disagrees about version of symbol printk\n";
    yield* noise(100);
    yield "[99999.000000] mod: Unknown symbol printk (err -22)";
  }
  const { status, stdout, stderr } = await klplinkSmall(["explain"], HEAP, log());
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /^mod: disagrees about version of symbol printk\n[\s\S]*\n\nmod: Unknown symbol printk \(err -22\)\n/,
  );
  expect(stdout.replace(/\s+/g, " ")).toContain("cause: one fault, reported twice: printk is there");
});

test("lines that all say something else, as JSON", async () => {
  let lines = 0;
  function* log(): Generator<string> {
    for (let length = 0; length < 10 * MEGABYTE; ) {
      const block = Array.from(
        { length: 500 },
        () => `m: Unknown symbol s${lines++} (err -2)${" ".repeat(400)}\n`,
      ).join("");
      length += block.length;
      yield block;
    }
  }
  const { status, stdout, stderr } = await klplinkSmall(["explain", "--format", "json"], HEAP, log());
  expect([status, stderr]).toEqual([0, ""]);
  const document = JSON.parse(stdout) as { lines: { line: string; count: number }[]; unlisted: { count: number }[] };
  expect(isExplanation(document) ? [] : isExplanation.errors).toEqual([]);
  expect(document.lines[0]?.line).toBe("m: Unknown symbol s0 (err -2)");
  expect(document.lines.at(-1)?.line).toBe(`m: Unknown symbol s${lines - 1} (err -2)`);
  const counted = [...document.lines, ...document.unlisted].reduce((sum, { count }) => sum + count, 0);
  expect(counted).toBe(lines);
});

test("a line of 100 MB", async () => {
  function* log(): Generator<string> {
    yield "m: Unknown symbol f (err -2)\n";
    for (let i = 0; i < 100; i++) yield "Unknown symbol ".repeat(MEGABYTE / 15);
    yield "\nm: Unknown symbol g (err -2)\n";
  }
  const { status, stdout } = await klplinkSmall(["explain"], HEAP, log());
  expect(status).toBe(0);
  expect(stdout.match(/^m: Unknown symbol \w/gm)).toEqual(["m: Unknown symbol f", "m: Unknown symbol g"]);
  const alone = await klplinkSmall(["explain"], HEAP, Array<string>(100).fill("x".repeat(MEGABYTE)));
  expect([alone.status, alone.stdout]).toEqual([
    1,
    expect.stringContaining("none of this is a line that klplink knows"),
  ]);
});
