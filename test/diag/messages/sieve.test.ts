import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { messages, recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { Sieve } from "../../../src/diag/messages/sieve.ts";
import { lineOf } from "./lines.ts";
import { SAMPLES } from "./prefixSamples.ts";

const sieve = new Sieve();

/** The lines of a text that the sieve keeps. */
function kept(text: string): string[] {
  const block = Buffer.from(text);
  const lines: string[] = [];
  sieve.walk(block, (start, end) => lines.push(block.toString("utf8", start, end)));
  return lines;
}

const forms = messages.flatMap((m) => m.forms);
const prefixes = Object.values(SAMPLES).flat();

test("a line of every form is kept", () => {
  for (const form of forms) expect(kept(lineOf(form)), form).toEqual([lineOf(form)]);
});

/** What happens to lines on the way to a log, and to who quotes them. */
const changes: readonly ((line: string, n: number) => string)[] = [
  (line) => line,
  (line, n) => line.slice(0, n % (line.length + 1)),
  (line, n) =>
    `${line.slice(0, n % line.length)}${String.fromCharCode(32 + (n % 95))}${line.slice((n % line.length) + 1)}`,
  (line) => JSON.stringify({ MESSAGE: `${line}\n` }),
  (line) => JSON.stringify({ msg: line }).replace(/[aeiou]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
  (line, n) => `${line.slice(0, n % line.length)}\u001b[33m${line.slice(n % line.length)}\u001b[0m`,
  (line) => `we get: "${line}"`,
  (line) => `„${line}“ …`,
];

test.each([1, 2])("what it leaves out is not a message, seed %i", (seed) => {
  let messagesSeen = 0;
  const cases = fc.tuple(
    fc.array(fc.constantFrom(...prefixes), { maxLength: 3 }),
    fc.constantFrom(...forms),
    fc.constantFrom(...changes),
    fc.nat(),
  );
  fc.assert(
    fc.property(cases, ([chain, form, change, n]) => {
      const line = `${chain.join("")}${change(lineOf(form), n)}`.replace(/[\r\n]/g, " ");
      if (recogniseLine(line) === null) return;
      messagesSeen++;
      expect(kept(`${line}\n`)).toEqual([line]);
    }),
    { seed, numRuns: 1500 },
  );
  expect(messagesSeen).toBeGreaterThan(600);
});

describe("what the kernel prints every day is left out", () => {
  test.each([
    "[    0.000000] Linux version 6.12.57 (gcc 14.2.0) #1 SMP PREEMPT_DYNAMIC",
    "[    0.412345] pci 0000:00:1f.2: BAR 5 [mem 0xfebf1000-0xfebf1fff]",
    "[    1.812345] EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.",
    "[    2.112345] systemd[1]: Failed to start systemd-modules-load.service - Load Kernel Modules.",
    "[    3.012345] usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    "[    4.412345] loop: module loaded",
    "",
  ])("%s", (line) => {
    expect(recogniseLine(line)).toBeNull();
    expect(kept(line)).toEqual([]);
  });
});

test("lines by any end, and the last without one", () => {
  const line = "m: Unknown symbol f (err -2)";
  expect(kept(`a\r\n${line}\r${line}\n\nb\n${line}`)).toEqual([line, line, line]);
  // No word of one line counts for the next.
  expect(kept("m: Unknown\nsymbol f (err -2)")).toEqual([]);
});
