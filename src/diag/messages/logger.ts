// What dmesg, the journal, syslog and the console put before a line, or around it.

/** ISO 8601, as rsyslog, journalctl and `dmesg --time-format=iso` write it; parts of a second after a dot or a comma. */
const ISO = "\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?(?: ?(?:Z|UTC|[A-Z]{3,5}|[+-]\\d\\d:?\\d\\d))?";
const SYSLOG_TIME = "\\w{3} +\\d+ [\\d:]+(?:\\.\\d+)?";
const SECONDS = "\\d+\\.\\d+";
/** `<    0.000012>`, the time since the line before. */
const DELTA = `<\\s*${SECONDS}\\s*>`;

/** Escape sequences: `dmesg --color`, and what terminals record. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const ESCAPES = /\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]/g;

/** One layer each; taken away from the start again and again, as loggers stack. */
const LAYERS: readonly RegExp[] = [
  // <3>  and of RFC 5424 <3>1
  /^<\d{1,3}>(?:1 )?/,
  // kern  :err   :
  /^(?:kern|user|mail|daemon|auth|syslog|lpr|news|local\d)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*/,
  // [   12.345678]  [12.345678,3]  [   12.345678 <    0.000012>]  [   12.345678 @12]  [  +0.000012]  [<    0.000012>]
  new RegExp(`^\\[\\s*(?:\\+?${SECONDS}(?:,\\d+)?(?:\\s*${DELTA}|\\s*@\\d+)?|${DELTA})\\s*\\]\\s*`),
  // [Fri Nov 21 01:02:03 2025]  [Fri Nov 21 01:02:03 2025 <    0.000012>]  [Nov21 03:12]
  new RegExp(`^\\[(?:\\w{3} \\w{3} +\\d+ [\\d:]+ \\d{4}(?:\\s*${DELTA})?|\\w{3} ?\\d+ \\d\\d:\\d\\d)\\]\\s*`),
  // [ T123]  [C0]
  /^\[\s*[TC]\s*\d+\]\s*/,
  // kmsg: 3,513,28412345,-;  3,513,28412345,-,caller=T123;
  /^\d+,\d+,\d+,[^;\s]{1,80};/,
  /^kernel(?:\[[^\]]*\])?: ?/,
];

/** A time of day: dmesg alone writes it without brackets and host. */
const TIME = new RegExp(`^(?:${ISO}|(?:\\w{3} )${ISO}|${SYSLOG_TIME}|\\d{9,11}\\.\\d{6})\\s+`);
/** Behind the time: host and program, in syslog's form or in that of RFC 5424. */
const HOST =
  /^\S+ (?:(?:kernel(?:\[[^\]]*\])?|\S+\[\d+\]): ?|\S+ \S+ (?:-|[\w.]+) (?:-|(?:\[\w+(?:@\w+)?(?: \w+="[^"]*")*\])+) (?:\ufeff)?)/;
/** journalctl -o short-monotonic: the time in brackets, as dmesg has it, and then the host. */
const HOST_KERNEL = /^\S+ kernel(?:\[[^\]]*\])?: ?/;

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
 * caller.
 */
export function stripLogger(line: string): string {
  let text = line.replace(ESCAPES, "").replace(/[\r\n]+$/, "");
  text = structured(text) ?? text;
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replace(/^\s+/, "");
    const timed = text.replace(TIME, "");
    if (timed !== text) text = timed.replace(HOST, "");
    const bare = LAYERS.reduce((rest, layer) => rest.replace(layer, ""), text);
    text = bare === text ? text : bare.replace(HOST_KERNEL, "");
  }
  return text.trimEnd();
}
