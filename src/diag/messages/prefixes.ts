// The grammar of what stands before a line: dmesg, the journal, syslog, consoles, Android's log and who quotes them all
// write some of these, in any order and number. One row a kind; logger.ts takes them away from the start again and again.

/** ISO 8601, as rsyslog, journalctl and `dmesg --time-format=iso` write it; parts of a second after a dot or a comma. */
const ISO = "\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?(?: ?(?:Z|UTC|[A-Z]{3,5}|[+-]\\d\\d:?\\d\\d))?";
/** A day's or month's name in any language, and `11月`. */
const NAME = "(?=.{0,14}\\p{L})[\\p{L}\\p{M}\\p{N}.'’]{1,15}?";
const CLOCK = "\\d{1,2}:\\d\\d:\\d\\d(?:[.,]\\d+)?";
const ZONE = "(?:[A-Z]{1,5}|[+-]\\d\\d:?\\d\\d)";
const SYSLOG_TIME = `${NAME} +\\d{1,2} ${CLOCK}`;
/** `Fri Nov 21 01:02:03 2025`, with or without the zone. */
const DATE = `${NAME} ${NAME} +\\d{1,2} ${CLOCK}(?: ${ZONE})? \\d{4}(?: ${ZONE})?`;
/** dmesg writes the decimal point of the locale, which is a comma in much of Europe. */
const SECONDS = "\\d+[.,]\\d+";
/** `<    0.000012>`, the time since the line before. */
const DELTA = `<\\s*${SECONDS}\\s*>`;
const FACILITY = "(?:kern|user|mail|daemon|auth|authpriv|syslog|lpr|news|uucp|cron|ftp|local\\d)";
const LEVEL = "(?:emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug)";
const KERNEL = "kernel(?:\\[[^\\]]*\\])?: ?";
/** Programs whose lines about modules reach a log without a process number behind the name. */
const PROGRAMS = "(?:insmod|modprobe|rmmod|depmod|dkms|kpatch|init|systemd-modules-load|systemd-udevd|ueventd)";

/**
 * Behind the time: host (seldom left out) and program, in syslog's form, busybox's (`kern.err kernel:`) or that of RFC 5424.
 */
const HOST = [
  `(?:\\S{1,255} )?(?:\\w{1,8}\\.\\w{1,8} )?${KERNEL}`,
  "\\S{1,255} \\S{1,255}\\[\\d{1,9}\\]: ?",
  '\\S{1,255} \\S{1,255} \\S{1,255} (?:-|[\\w.]+) (?:-|(?:\\[\\w+(?:@\\w+)?(?: \\w+="[^"]*")*\\])+) (?:\\ufeff)?',
  `[\\w.-]{1,255} (?=${PROGRAMS}: )`,
].join("|");

export interface Prefix {
  readonly name: string;
  /** Fits at the start of a line. */
  readonly pattern: RegExp;
  /** Fits at the start of what is left, and is not a prefix elsewhere. */
  readonly behind?: RegExp;
}

const row = (name: string, source: string, flags = ""): Prefix => ({
  name,
  pattern: new RegExp(`^(?:${source})`, flags),
});

/** Tried in this order, as the first of some is the whole of others. */
export const prefixes: readonly Prefix[] = [
  row("marks of a quotation or a list, prompt of a root shell", "(?:[>|#*•-]\\s+|>)+"),
  // 10-12 13:14:15.123  root     0     0 E   2025-10-12 13:14:15.123   412   412 W
  row(
    "time, user, process, thread and level of logcat",
    `(?:\\d{4}-)?\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3,9}(?: [+-]\\d{4})?\\s{1,8}(?:[\\w.-]{1,24}\\s{1,8})?\\d{1,9}\\s{1,9}\\d{1,9} [VDIWEFS] `,
  ),
  row("tag of logcat", "[\\w.-]{1,40}\\s{1,8}: (?=\\S)"),
  row(
    "level and tag of logcat -v brief",
    "(?:\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3} )?[VDIWEFS]\\/[\\w.-]{1,40}\\s{0,8}\\(\\s{0,6}\\d{1,9}\\): ",
  ),
  // dmesg alone writes the time without brackets and host.
  {
    ...row(
      "time, host and program of syslog and the journal",
      `(?:${ISO}|(?:\\w{3} )${ISO}|${SYSLOG_TIME}|${DATE}|\\d{9,11}\\.\\d{6})\\s+`,
      "u",
    ),
    behind: new RegExp(`^(?:${HOST})`, "u"),
  },
  // What grep writes before the lines that it finds; a time must stand behind it.
  row("file and line of grep", "[\\w./~+-]{0,200}:(?:\\d{1,9}:)?(?=\\[|<\\d|\\p{L}{3} +\\d|\\d{4}-\\d\\d-)", "u"),
  row("line of grep -n", "\\d{1,9}[:-](?=\\[|<\\d|\\p{L}{3} +\\d|\\d{4}-\\d\\d-)", "u"),
  // box login:  root@box:~#
  row(
    "what a serial console shows before the kernel's line",
    "[^[\\]]{0,80}[:$#%>]\\s?(?=\\[\\s{0,8}\\d{1,9}[.,]\\d{1,6}\\])",
  ),
  row("login prompt", "[\\w.-]{1,64} login: "),
  // <3>  and of RFC 5424 <3>1
  row("priority", "<\\d{1,3}>(?:1 )?"),
  // kern  :err   :
  row("facility and level of dmesg -x", `${FACILITY}\\s*:\\s*${LEVEL}\\s*:\\s*`),
  row("facility and level of busybox", `${FACILITY}\\.${LEVEL}:? `),
  // [   12.345678]  [12.345678,3]  [   12.345678 <    0.000012>]  [   12.345678 @12]  [  +0,000012]  [<    0.000012>]
  {
    ...row("seconds in brackets", `\\[\\s*(?:\\+?${SECONDS}(?:,\\d+)?(?:\\s*${DELTA}|\\s*@\\d+)?|${DELTA})\\s*\\]\\s*`),
    // journalctl -o short-monotonic.
    behind: new RegExp(`^\\S{1,255} ${KERNEL}`),
  },
  // [Fri Nov 21 01:02:03 2025]  [Fri Nov 21 01:02:03 2025 <    0.000012>]  [Nov21 03:12]  [16:41:09]
  row(
    "date or time in brackets",
    `\\[(?:${DATE}(?:\\s*${DELTA})?|${ISO}|${NAME} ?\\d{1,2} \\d\\d:\\d\\d|${CLOCK})\\]\\s*`,
    "u",
  ),
  row("clock", "\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?\\s+"),
  row("brackets in place of a time", "\\[\\s?(?:\\.{2,6}|…|x{2,6}|snip)\\s?\\]\\s*", "i"),
  // [ T123]  [C0]  [T1234@C0]
  row("thread or CPU of printk", "\\[\\s*[TC]\\s*\\d+(?:@C\\d+)?\\]\\s*"),
  // (0)[4410:insmod]   -(1)[0:swapper/1]   [9:       modprobe:  465]   I[0:      swapper/0:    1]
  row(
    "CPU and process of Android kernels",
    "-?\\(\\d{1,3}\\)\\[\\d{1,9}:[^\\]]{1,40}\\]\\s*|[A-Z]?\\[\\d{1,3}:\\s*[^\\]:]{1,40}:\\s*\\d{1,9}\\]\\s*",
  ),
  // 3,513,28412345,-;   3,513,28412345,-,caller=T123;
  row("record of /dev/kmsg", "\\d+,\\d+,\\d+,[^;\\s]{1,80};"),
  row("kernel as the program", `(?:[\\w.-]{1,255} )??${KERNEL}`),
  // systemd-modules-load[213]:   (udev-worker)[412]:
  row("program with its process", "(?:\\([\\w-]{1,40}\\)|[\\w.@-]{1,60})\\[\\d{1,9}\\]: "),
  row("stage of the boot", "stage-\\d-init: "),
];
