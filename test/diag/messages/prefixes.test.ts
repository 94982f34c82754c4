// The grammar of prefixes (prefixes.ts): samples of each row as tools and systems write them (util-linux's dmesg and logger,
// journalctl(1), busybox syslogd, Android's logcat and kernels of MediaTek and Samsung as in public reports), and that any
// message behind any chain of them is the message that it is alone.

import fc from "fast-check";
import { expect, test } from "vitest";
import { layersOf, stripLogger } from "../../../src/diag/messages/logger.ts";
import { prefixes } from "../../../src/diag/messages/prefixes.ts";
import { messages, recognise } from "../../../src/diag/messages/recognise.ts";
import { lineOf } from "./lines.ts";

/** A prompt is one only before a time in brackets: with it; what grep writes, too. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  "marks of a quotation or a list, prompt of a root shell": ["> ", ">> > ", "| ", "# ", "* ", "- ", "• "],
  "time, user, process, thread and level of logcat": [
    "10-12 13:14:15.123  root     0     0 E ",
    "10-12 13:14:15.123     0     0 W ",
    "2025-10-12 13:14:15.123   412   412 I ",
    "10-12 13:14:15.123456 +0200  1000  1234 E ",
  ],
  "tag of logcat": ["init    : ", "kernel : "],
  "level and tag of logcat -v brief": ["E/kernel  (    0): ", "10-12 13:14:15.123 W/modprobe(  412): "],
  "time, host and program of syslog and the journal": [
    "Nov 21 00:26:10 box kernel: ",
    "Nov  7 00:26:10 kernel: ",
    "2026-11-21T00:26:10.412345+00:00 box kernel: ",
    "2026-11-21T00:26:10,412345+00:00 ",
    "2026-11-21T00:26:10.1234567Z ",
    "Sat 2026-11-21 01:26:10 CET box kernel: ",
    "1795220770.412345 box kernel: ",
    "Fri Nov 21 01:02:03 2025 kern.err kernel: ",
    "Nov 21 01:02:03 box kern.err kernel: ",
    "Nov 21 01:02:03 box systemd-modules-load[213]: ",
    "11月 21 01:02:03 box kernel: ",
    "mrt 26 17:11:09 box kernel: ",
    "2026-11-21T08:15:00.116423+00:00 box kernel - - - ",
  ],
  "file and line of grep": ["dmesg.txt:[   28.412345] ", "/var/log/kern.log.1:812:Nov 21 00:26:10 box kernel: "],
  "line of grep -n": ["812:[   28.412345] ", "7-[   28.412345] "],
  "what a serial console shows before the kernel's line": ["root@box:~# [   28.412345] ", "box login: [   28.412345] "],
  "login prompt": ["box login: "],
  priority: ["<3>", "<4>", "<30>", "<3>1 "],
  "facility and level of dmesg -x": ["kern  :err   : ", "user  :warn  : "],
  "facility and level of busybox": ["kern.err ", "user.notice "],
  "seconds in brackets": [
    "[   28.412345] ",
    "[28.412345]",
    "[12.345678,3] ",
    "[  +0.000012] ",
    "[  +0,000002] ",
    "[   28,412345] ",
    "[   28.412357 <    0.000012>] ",
    "[    0.000000 @12] ",
    "[    0.000000@0] ",
    "[<    0.000012>] ",
    "[   28.412345] box kernel: ",
  ],
  "date or time in brackets": [
    "[Sat Nov 21 00:26:10 2026] ",
    "[Nov21 00:26] ",
    "[mrt26 17:11] ",
    "[2025-11-21 01:02:03] ",
    "[16:41:09] ",
    "[16:41:09.123] ",
  ],
  clock: ["16:41:09 ", "16:41:09.123456 "],
  "brackets in place of a time": ["[...] ", "[…] ", "[ ... ] ", "[xxx] "],
  "thread or CPU of printk": ["[ T123] ", "[    C1] ", "[T1234@C0] "],
  "CPU and process of Android kernels": [
    "(0)[4410:insmod]",
    "(0)[4410:insmod] ",
    "-(1)[0:swapper/1]",
    "[9:       modprobe:  465] ",
    "I[0:      swapper/0:    1] ",
  ],
  "record of /dev/kmsg": ["3,513,28412345,-;", "3,513,28412345,-,caller=T123;"],
  "kernel as the program": ["kernel: ", "kernel[n/a]: ", "box kernel: "],
  "program with its process": ["systemd-modules-load[213]: ", "(udev-worker)[412]: "],
  "stage of the boot": ["stage-1-init: "],
};

const LINE = "m: Unknown symbol f (err -2)";

test("each row has samples, and no other samples are here", () => {
  expect(Object.keys(SAMPLES)).toEqual(prefixes.map((p) => p.name));
});

test.each(prefixes)("$name: its samples, whole", ({ name, pattern }) => {
  for (const sample of SAMPLES[name] ?? []) {
    expect(pattern.test(`${sample}${LINE}`), sample).toBe(true);
    expect(stripLogger(`${sample}${LINE}`), sample).toBe(LINE);
    expect(recognise(`${sample}${LINE}`)?.fields, sample).toEqual({ module: "m", symbol: "f", errno: "-2" });
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
      const alone = recognise(line);
      const found = recognise(`${chain.join("")}${line}`);
      expect(alone).not.toBeNull();
      expect({ form: found?.form, fields: found?.fields }).toEqual({ form: alone?.form, fields: alone?.fields });
    }),
    { seed, numRuns: 1500 },
  );
});

test("a message behind words that are no prefix of the list", () => {
  const inside = (text: string): unknown => recognise(text)?.fields;
  expect(inside(`MYLOGGER/7 ~~ ${LINE}`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  expect(inside(`when I load it I get: ${LINE}`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  expect(inside(`dmesg says "${LINE}"`)).toEqual({ module: "m", symbol: "f", errno: "-2" });
  // Too few words of its own to be told from what anyone may write.
  expect(recognise("we were told that foo: truncated")).toBeNull();
});

test("layers: the line itself first, the one without any last", () => {
  expect(layersOf(`<3>[    1.2] ${LINE}`)).toEqual([`<3>[    1.2] ${LINE}`, `[    1.2] ${LINE}`, LINE]);
});
