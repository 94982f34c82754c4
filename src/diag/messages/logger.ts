// What dmesg, the journal, syslog and the console put before a line, or around it.

/** ISO 8601, as rsyslog, journalctl and `dmesg --time-format=iso` write it; parts of a second after a dot or a comma. */
const ISO = "\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?(?: ?(?:Z|UTC|[A-Z]{3,5}|[+-]\\d\\d:?\\d\\d))?";
/** A day's or month's name in any language, and `11月`. */
const NAME = "(?=.{0,14}\\p{L})[\\p{L}\\p{M}\\p{N}.'’]{1,15}?";
const CLOCK = "\\d{1,2}:\\d\\d:\\d\\d(?:[.,]\\d+)?";
const ZONE = "(?:[A-Z]{1,5}|[+-]\\d\\d:?\\d\\d)";
const SYSLOG_TIME = `${NAME} +\\d{1,2} ${CLOCK}`;
/** `Fri Nov 21 01:02:03 2025`, with or without the zone. */
const DATE = `${NAME} ${NAME} +\\d{1,2} ${CLOCK}(?: ${ZONE})? \\d{4}(?: ${ZONE})?`;
const SECONDS = "\\d+\\.\\d+";
/** `<    0.000012>`, the time since the line before. */
const DELTA = `<\\s*${SECONDS}\\s*>`;

/** Escape sequences: `dmesg --color`, and what terminals record. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const ESCAPES = /\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]/g;

/** One layer each; taken away from the start again and again, as loggers stack. */
const LAYERS: readonly RegExp[] = [
  // Marks of a quotation or of a list, and the prompt of a root shell.
  /^(?:[>|#*-]\s+|>)+/,
  // What a serial console shows before the kernel's line: box login:  root@box:~#
  /^[^[\]]{0,80}[:$#%>]\s?(?=\[\s{0,8}\d{1,9}\.\d{1,6}\])/,
  /^[\w.-]{1,64} login: /,
  // <3>  and of RFC 5424 <3>1
  /^<\d{1,3}>(?:1 )?/,
  // kern  :err   :
  /^(?:kern|user|mail|daemon|auth|syslog|lpr|news|local\d)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*/,
  // [   12.345678]  [12.345678,3]  [   12.345678 <    0.000012>]  [   12.345678 @12]  [  +0.000012]  [<    0.000012>]
  new RegExp(`^\\[\\s*(?:\\+?${SECONDS}(?:,\\d+)?(?:\\s*${DELTA}|\\s*@\\d+)?|${DELTA})\\s*\\]\\s*`),
  // [Fri Nov 21 01:02:03 2025]  [Fri Nov 21 01:02:03 2025 <    0.000012>]  [Nov21 03:12]
  new RegExp(`^\\[(?:${DATE}(?:\\s*${DELTA})?|${ISO}|${NAME} ?\\d{1,2} \\d\\d:\\d\\d)\\]\\s*`, "u"),
  // [ T123]  [C0]
  /^\[\s*[TC]\s*\d+\]\s*/,
  // kmsg: 3,513,28412345,-;  3,513,28412345,-,caller=T123;
  /^\d+,\d+,\d+,[^;\s]{1,80};/,
  /^kernel(?:\[[^\]]*\])?: ?/,
];
/** Loggers do not stack higher. */
const MOST_LAYERS = 16;

/** A time of day: dmesg alone writes it without brackets and host. */
const TIME = new RegExp(`^(?:${ISO}|(?:\\w{3} )${ISO}|${SYSLOG_TIME}|${DATE}|\\d{9,11}\\.\\d{6})\\s+`, "u");
const KERNEL = "kernel(?:\\[[^\\]]*\\])?: ?";
/** Behind the time: host (seldom left out) and program, in syslog's form, busybox's (`kern.err kernel:`) or that of RFC 5424. */
const HOST = new RegExp(
  `^(?:(?:\\S{1,255} )?(?:\\w{1,8}\\.\\w{1,8} )?${KERNEL}|\\S{1,255} (?:\\S{1,255}\\[\\d{1,9}\\]: ?|\\S{1,255} \\S{1,255} (?:-|[\\w.]+) (?:-|(?:\\[\\w+(?:@\\w+)?(?: \\w+="[^"]*")*\\])+) (?:\ufeff)?))`,
);
/** journalctl -o short-monotonic: the time in brackets, as dmesg has it, and then the host. */
const HOST_KERNEL = new RegExp(`^\\S{1,255} ${KERNEL}`);

/** Marks of quotation that stand around a line. */
const QUOTES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "`": "`",
  "“": "”",
  "„": "“",
  "‘": "’",
  "«": "»",
};

/** The text between marks of quotation, if it begins with one and the other stands at its end. */
function unquoted(text: string): string {
  const close = QUOTES[text[0] ?? ""];
  if (close === undefined) return text;
  const end = withoutStop(text);
  return end.length > 1 && end.endsWith(close) ? end.slice(1, -1) : text;
}

/** A text without the punctuation of the sentence that quotes it. */
export function withoutStop(text: string): string {
  let end = text.length;
  while (end > 0 && /[.,;…\s]/.test(text[end - 1] ?? "")) end--;
  return text.slice(0, end);
}

/** The message of a line of `dmesg --json`, `journalctl -o json` or `-o export`; null if the line is none of them. */
function structured(line: string): string | null {
  const exported = /^\s*MESSAGE=(.*)$/.exec(line)?.[1];
  if (exported !== undefined) return exported;
  const json = /"(?:msg|MESSAGE)"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  if (json === undefined) return null;
  try {
    return String(JSON.parse(json));
  } catch {
    return null;
  }
}

/**
 * A line of dmesg, the journal or syslog without what the logger put before it: colour, priority, facility, time, host,
 * caller; and without the marks of who quotes it.
 */
export function stripLogger(line: string): string {
  let text = line.replace(ESCAPES, "").trimEnd();
  text = structured(text) ?? text;
  for (let layer = 0, before = ""; before !== text && layer < MOST_LAYERS; layer++) {
    before = text;
    text = unquoted(text.trimStart());
    const timed = text.replace(TIME, "");
    if (timed !== text) text = timed.replace(HOST, "");
    const bare = LAYERS.reduce((rest, layer) => rest.replace(layer, ""), text);
    text = bare === text ? text : bare.replace(HOST_KERNEL, "");
  }
  return text.trim();
}
