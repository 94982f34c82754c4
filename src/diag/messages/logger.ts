// What dmesg, the journal, syslog and the console put before a line (prefixes.ts), or around it, taken away.

import { prefixes } from "./prefixes.ts";

/** Escape sequences: `dmesg --color`, and what terminals record. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const ESCAPES = /\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]/g;

/** Loggers do not stack higher. */
const MOST_LAYERS = 24;

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
  while (end > 0 && /[.,;\u2026\s]/.test(text[end - 1] ?? "")) end--;
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
 * A line of dmesg, the journal or syslog behind each of the things that loggers put before it (colour, priority, facility,
 * time, host, caller), without the marks of who quotes it: the line itself first, the one without any of them last.
 */
export function layersOf(line: string): string[] {
  const bare = line.replace(ESCAPES, "").trim();
  const layers = [structured(bare) ?? bare];
  while (layers.length <= MOST_LAYERS) {
    const text = layers.at(-1) ?? "";
    const less = withoutPrefix(unquoted(text)).map((left) => left.trim());
    if (less.at(-1) === text) break;
    for (const left of less) layers.push(left);
  }
  return layers;
}

/** The text without its first prefix, and without what may follow that one only. */
function withoutPrefix(text: string): string[] {
  for (const { pattern, behind } of prefixes) {
    const fit = pattern.exec(text)?.[0] ?? "";
    if (fit === "") continue;
    const left = text.slice(fit.length);
    const more = behind?.exec(left)?.[0] ?? "";
    return more === "" ? [left] : [left, left.slice(more.length)];
  }
  return [text];
}

/** A line without all that loggers and quotations put before and around it. */
export const stripLogger = (line: string): string => layersOf(line).at(-1) ?? "";
