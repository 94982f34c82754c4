import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { OutputStream } from "../../../src/cli/context.ts";
import { GatheredLines } from "../../../src/cli/files/gatheredLines.ts";

let now = 0;
beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

function stream(isTTY: boolean): { readonly stream: OutputStream; readonly written: string[] } {
  const written: string[] = [];
  return {
    written,
    stream: {
      fd: 1,
      isTTY,
      write(data, done = () => {}) {
        written.push(String(data));
        done(null);
        return true;
      },
      once: () => {},
      off: () => {},
    },
  };
}

test("lines are written together, in their order, once", async () => {
  const { stream: out, written } = stream(false);
  const lines = new GatheredLines(out);
  await lines.give();
  lines.add("a\n");
  lines.add("b\n");
  expect([lines.areDue, written]).toEqual([false, []]);
  await lines.give();
  await lines.give();
  expect(written).toEqual(["a\nb\n"]);
});

test("none waits longer than a tenth of a second for others, nor are they many", async () => {
  const { stream: out, written } = stream(false);
  const lines = new GatheredLines(out);
  lines.add("a\n");
  now += 99;
  lines.add("b\n");
  expect(lines.areDue).toBe(false);
  now += 1;
  expect(lines.areDue).toBe(true);
  await lines.give();
  expect(lines.areDue).toBe(false);
  lines.add("c\n");
  expect(lines.areDue).toBe(false);
  lines.add("d".repeat(1 << 16));
  expect(lines.areDue).toBe(true);
  await lines.give();
  expect(written.map((text) => text.length)).toEqual([4, 2 + (1 << 16)]);
});

test("a terminal shows each as it comes", () => {
  const lines = new GatheredLines(stream(true).stream);
  expect(lines.areDue).toBe(false);
  lines.add("a\n");
  expect(lines.areDue).toBe(true);
});
