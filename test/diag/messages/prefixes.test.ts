// The grammar of prefixes (prefixes.ts): samples of each row as tools and systems write them (util-linux's dmesg and logger,
// journalctl(1), busybox syslogd, Android's logcat and kernels of MediaTek and Samsung as in public reports), and that any
// message behind any chain of them is the message that it is alone.

import fc from "fast-check";
import { expect, test } from "vitest";
import { layersOf, stripLogger } from "../../../src/diag/messages/logger.ts";
import { prefixes } from "../../../src/diag/messages/prefixes.ts";
import { messages, recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { lineOf } from "./lines.ts";
import { SAMPLES } from "./prefixSamples.ts";

const LINE = "m: Unknown symbol f (err -2)";

test("each row has samples, and no other samples are here", () => {
  expect(Object.keys(SAMPLES)).toEqual(prefixes.map((p) => p.name));
});

test.each(prefixes)("$name: its samples, whole", ({ name, pattern }) => {
  for (const sample of SAMPLES[name] ?? []) {
    expect(pattern.test(`${sample}${LINE}`), sample).toBe(true);
    expect(stripLogger(`${sample}${LINE}`), sample).toBe(LINE);
    expect(recogniseLine(`${sample}${LINE}`)?.fields, sample).toEqual({ module: "m", symbol: "f", errno: "-2" });
  }
});

test.each([
  ["a decimal comma", "[  +0,000002] BPF_NO: x", "BPF_NO: x"],
  ["MediaTek", `<4>[ 4283.531083] (0)[4410:insmod]${LINE}`, LINE],
  ["two times in a row", `[  812.1] [Fri Nov 21 01:02:03 2025] ${LINE}`, LINE],
  ["three times, two hosts", `Nov 21 00:26:10 a kernel: Nov 21 00:26:11 b kernel: [    1.2] ${LINE}`, LINE],
  ["busybox without a time", `kern.err kernel: ${LINE}`, LINE],
  ["logcat, kernel's buffer", `10-12 13:14:15.123  root     0     0 E ${LINE}`, LINE],
  ["time left out", `[...] ${LINE}`, LINE],
  ["the clock alone", `[16:41:09] ${LINE}`, LINE],
  [
    "a logger that writes the program without its process",
    "Nov 21 01:02:03 box modprobe: FATAL: x",
    "modprobe: FATAL: x",
  ],
])("%s", (_, line, rest) => {
  expect(stripLogger(line)).toBe(rest);
});

const forms = messages.flatMap((m) => m.forms);
const samples = Object.values(SAMPLES).flat();

test.each([11, 12, 13, 14])("any message behind any chain of prefixes is what it is alone, seed %i", (seed) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...samples), { maxLength: 6 }), fc.constantFrom(...forms), (chain, form) => {
      const line = lineOf(form);
      const alone = recogniseLine(line);
      const found = recogniseLine(`${chain.join("")}${line}`);
      expect(alone).not.toBeNull();
      expect({ form: found?.form, fields: found?.fields }).toEqual({ form: alone?.form, fields: alone?.fields });
    }),
    { seed, numRuns: 1500 },
  );
});

test("a message behind words that are not a prefix of the list", () => {
  const inside = (text: string): unknown => recogniseLine(text)?.fields;
  expect(inside(`MYLOGGER/7 ~~ ${LINE}`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  expect(inside(`when I load it I get: ${LINE}`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  expect(inside(`dmesg says "${LINE}"`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  // Too few words of its own to be told from what anyone may write.
  expect(recogniseLine("we were told that foo: truncated")).toBeNull();
});

test("layers: the line itself first, the one without any last", () => {
  expect(layersOf(`<3>[    1.2] ${LINE}`)).toEqual([`<3>[    1.2] ${LINE}`, `[    1.2] ${LINE}`, LINE]);
});
