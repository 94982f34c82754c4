// What loggers put before a line. The forms of dmesg are what util-linux 2.38 prints of /dev/kmsg's text with the options
// named (`dmesg -F FILE OPTIONS`, FILE in the form of `dmesg -r`), those of syslog what its
// `logger -n HOST -s --no-act` prints; those of the journal follow the description of --output in journalctl(1).

import { expect, test } from "vitest";
import { stripLogger } from "../../../src/diag/messages/logger.ts";
import { recogniseLine } from "../../../src/diag/messages/recognise.ts";

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
  ["journalctl, French", `nov. 21 01:02:03 box kernel: ${LINE}`],
  ["journalctl, German", `Mär 21 01:02:03 box kernel: ${LINE}`],
  ["journalctl, Japanese", `11月 21 01:02:03 box kernel: ${LINE}`],
  ["journalctl, Korean", `11월 21 01:02:03 box kernel: ${LINE}`],
  ["journalctl, Russian", `сен 21 01:02:03 box kernel: ${LINE}`],
  ["dmesg -H, Chinese", `[11月21 00:26] ${LINE}`],
  ["dmesg -T, French", `[ven. nov. 21 01:02:03 2025] ${LINE}`],
  ["dmesg -T with a zone", `[Fri Nov 21 01:02:03 CET 2025] ${LINE}`],
  ["busybox syslogd", `Nov 21 01:02:03 box kern.err kernel: ${LINE}`],
  ["busybox syslogd, times of printk", `Nov 21 01:02:03 box kern.err kernel: [   28.412345] ${LINE}`],
  ["logread of OpenWrt", `Fri Nov 21 01:02:03 2025 kern.err kernel: [   28.412345] ${LINE}`],
  ["no host", `Jun 13 14:52:01.123456 kernel: ${LINE}`],
  ["minicom", `[2025-11-21 01:02:03] ${LINE}`],
  ["a serial console, before the login", `box login: [   28.412345] ${LINE}`],
  ["a serial console without times", `box login: ${LINE}`],
  ["a serial console, in a shell", `root@box:~# [   28.412345] ${LINE}`],
  ["a mail", `> [ 28.4] ${LINE}`],
  ["an answer to it", `>> > [ 28.4] ${LINE}`],
  ["double quotes", `"${LINE}"`],
  ["single quotes", `'[   28.412345] ${LINE}'`],
  ["backticks", `\`${LINE}\``],
  ["quotes, in a mail, at the end of a sentence", `> "${LINE}".`],
  ["an item of a list", `  - ${LINE}`],
])("%s", (_, line) => {
  expect(stripLogger(line)).toBe(LINE);
  expect(recogniseLine(line)?.fields.symbol).toBe("f");
});

test("what loggers put before a line is taken away, and nothing else", () => {
  expect(stripLogger("[    0.000000] Linux version 6.1.0")).toBe("Linux version 6.1.0");
  expect(stripLogger("[drm] Initialized")).toBe("[drm] Initialized");
  expect(stripLogger("m: Unknown symbol f (err -2)\r")).toBe("m: Unknown symbol f (err -2)");
});

test.each([
  ["a full stop", "m: no symbol version for f."],
  ["a comma", "m: no symbol version for f,"],
  ["a mark of what was left out", "m: no symbol version for f…"],
])("%s behind the line is not a part of its last value", (_, line) => {
  expect(recogniseLine(line)?.fields.symbol).toBe("f");
});

test("a full stop of the kernel's own stays", () => {
  expect(recogniseLine("m: doesn't contain .toc or .stubs.")?.text).toBe("m: doesn't contain .toc or .stubs.");
});

test("ordinary lines in these forms are nothing", () => {
  const noise = [
    "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    "systemd[1]: Started Journal Service.",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: (null)",
    "Could not allocate 42 bytes",
    "Failed to load module",
    "virtio_net: module verification",
    "symbol not found",
    "No such file or directory",
  ];
  const forms = [
    (l: string) => l,
    (l: string) => `nov. 21 01:02:03 box kernel: ${l}`,
    (l: string) => `11月 21 01:02:03 box systemd[1]: ${l}`,
    (l: string) => `Nov 21 01:02:03 box kern.err kernel: ${l}`,
    (l: string) => `[Fri Nov 21 01:02:03 CET 2025] ${l}`,
    (l: string) => `box login: [   28.412345] ${l}`,
    (l: string) => `box login: ${l}`,
    (l: string) => `> ${l}`,
    (l: string) => `"${l}"`,
    (l: string) => `'${l}'.`,
  ];
  const found = noise.flatMap((line) => forms.map((form) => form(line)).filter((text) => recogniseLine(text) !== null));
  expect(found).toEqual([]);
});

test("the time for a line grows no faster than the line", () => {
  const parts = [
    "<3>",
    "> ",
    ">",
    "- ",
    '"',
    "'.",
    "\r",
    ".",
    "[",
    "[ ",
    "1",
    "1 ",
    "a",
    "é",
    "é ",
    "Nov 21 01:02:03 ",
    "[1.1] ",
  ];
  const hostile = [
    ...parts,
    "a login: ",
    "a kernel: ",
    "kern.err ",
    "a: ",
    "\u001b[",
    "\u001b[0",
    '"msg": "',
    "[1]: ",
    "- - - ",
    "Expect noop ",
  ];
  const starts = [
    "",
    "[",
    '"',
    "MESSAGE=",
    "Nov 21 01:02:03 ",
    "[   28.4] ",
    "<3>1 2026-11-21T08:15:00Z box kernel - - ",
  ];
  for (const start of starts) {
    for (const part of hostile) {
      const line = `${start}${part.repeat(1_000_000 / part.length)}x`;
      const before = performance.now();
      recogniseLine(line);
      // A pattern whose time grows with the square would take minutes.
      expect(performance.now() - before, `${start}${part}`).toBeLessThan(3000);
    }
  }
}, 120_000);
