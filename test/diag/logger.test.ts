// What loggers put before a line. The forms of dmesg are what util-linux 2.38 prints of /dev/kmsg's text with the options
// named (`dmesg -F FILE OPTIONS`, FILE in the form of `dmesg -r`), those of syslog what its
// `logger -n HOST -s --no-act` prints; those of the journal follow the description of --output in journalctl(1).

import { expect, test } from "vitest";
import { stripLogger } from "../../src/diag/messages/logger.ts";
import { recognise } from "../../src/diag/messages/recognise.ts";

const LINE = "m: Unknown symbol f (err -2)";
const ESC = "\u001b";

test.each([
  ["dmesg", `[   28.412345] ${LINE}`],
  ["dmesg, caller", `[   28.412345] [ T123] ${LINE}`],
  ["dmesg, caller of an interrupt", `[   28.412345] [    C1] ${LINE}`],
  ["the console, caller", `[   28.412345][   T123] ${LINE}`],
  ["the caller alone (dmesg -t)", `[    T123] ${LINE}`],
  ["the CPU beside the time", `[    0.000000 @12] ${LINE}`],
  ["the CPU at the time", `[    0.000000@0] ${LINE}`],
  ["dmesg -r", `<3>[   30.000001][ T123] ${LINE}`],
  ["dmesg -x", `kern  :err   : [   28.412345] ${LINE}`],
  ["dmesg -H, first of a minute", `[Nov21 00:26] ${LINE}`],
  ["dmesg -H", `[  +0.000012] ${LINE}`],
  ["dmesg -x -e", `kern  :info  : [  +0.000012] ${LINE}`],
  ["dmesg -d", `[   28.412357 <    0.000012>] ${LINE}`],
  ["dmesg -T", `[Sat Nov 21 00:26:10 2026] ${LINE}`],
  ["dmesg -T, day of one digit", `[Sat Nov  7 00:26:10 2026] ${LINE}`],
  ["dmesg -T -d", `[Sat Nov 21 00:26:12 2026 <    1.587644>] ${LINE}`],
  ["dmesg --time-format=delta", `[<    0.000012>] ${LINE}`],
  ["dmesg --time-format=iso", `2026-11-21T00:26:10,412345+00:00 ${LINE}`],
  ["dmesg --time-format=iso -x", `kern  :err   : 2026-11-21T00:26:12,000001+00:00 [ T123] ${LINE}`],
  [
    "dmesg --color=always",
    `${ESC}[32m[   28.412345] ${ESC}[0m${ESC}[33mm: ${ESC}[0m${ESC}[31mUnknown symbol f (err -2)${ESC}[0m`,
  ],
  [
    "dmesg --color=always -x --time-format=iso",
    `kern  :err   : ${ESC}[32m2026-11-21T00:26:10,412345+00:00 ${ESC}[0m${ESC}[33mm: ${ESC}[0m${ESC}[31mUnknown symbol f (err -2)${ESC}[0m`,
  ],
  ["dmesg -J", `         "msg": "${LINE}"`],
  ["/dev/kmsg", `3,513,28412345,-;${LINE}`],
  ["/dev/kmsg, caller", `3,513,28412345,-,caller=T123;${LINE}`],
  ["journalctl", `Nov 21 00:26:10 box kernel: ${LINE}`],
  ["journalctl -o short-precise", `Nov 21 00:26:10.412345 box kernel: ${LINE}`],
  ["journalctl -o short-full", `Sat 2026-11-21 00:26:10 UTC box kernel: ${LINE}`],
  ["journalctl -o short-full, elsewhere", `Sat 2026-11-21 01:26:10 CET box kernel: ${LINE}`],
  ["journalctl -o short-iso", `2026-11-21T00:26:10+0000 box kernel: ${LINE}`],
  ["journalctl -o short-iso-precise", `2026-11-21T00:26:10.412345+00:00 box kernel: ${LINE}`],
  ["journalctl -o short-monotonic", `[   28.412345] box kernel: ${LINE}`],
  ["journalctl -o short-delta", `[   28.412345 <    0.000012 >] box kernel: ${LINE}`],
  ["journalctl -o short-unix", `1795220770.412345 box kernel: ${LINE}`],
  ["journalctl -o with-unit", `Sat 2026-11-21 00:26:10 UTC box kernel[n/a]: ${LINE}`],
  ["journalctl -o export", `MESSAGE=${LINE}`],
  ["journalctl -o json", `{"PRIORITY":"3","MESSAGE":"${LINE}","_TRANSPORT":"kernel"}`],
  ["rsyslog", `Nov  7 00:26:10 box kernel: [   28.412345] ${LINE}`],
  ["rsyslog, ISO time", `2026-11-21T00:26:10.412345+00:00 box kernel: [   28.412345] ${LINE}`],
  ["logger --rfc3164", `<3>Nov 21 00:26:10 box kernel: ${LINE}`],
  [
    "logger --rfc5424",
    `<3>1 2026-11-21T08:15:00.116423+00:00 box kernel - - [timeQuality tzKnown="1" isSynced="0"] ${LINE}`,
  ],
  ["logger --rfc5424=notq", `<3>1 2026-11-21T08:15:00.116423+00:00 box kernel - - - ${LINE}`],
  ["RFC 5424, as little as there can be", `<3>1 2026-11-21T08:15:00Z box kernel - - - ${LINE}`],
])("%s", (_, line) => {
  expect(stripLogger(line)).toBe(LINE);
  expect(recognise(line)?.fields.symbol).toBe("f");
});

test("what loggers put before a line is taken away, and nothing else", () => {
  expect(stripLogger("[    0.000000] Linux version 6.1.0")).toBe("Linux version 6.1.0");
  expect(stripLogger("[drm] Initialized")).toBe("[drm] Initialized");
  expect(stripLogger("m: Unknown symbol f (err -2)\r")).toBe("m: Unknown symbol f (err -2)");
});
