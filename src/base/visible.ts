// Text from outside, made safe for a terminal: no character that a terminal takes for a command, that ends a line, or that turns
// the direction of text.

/** C0, DEL and C1; marks and overrides of direction (Unicode UAX #9); the separators U+2028 and U+2029. */
const CONTROLS = "\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";

function makePatterns() {
  const hidden = new RegExp(`[${CONTROLS}]|\\p{Cs}`, "gu");
  return {
    hidden,
    anyHidden: new RegExp(hidden.source, "u"),
    /** A colour as the renderers write it, or what is hidden but a line's end and a tab. */
    raw: new RegExp(`(\\x1b\\[(?:1|22|3[1-4]|39)m)|(?![\\n\\t])(?:${hidden.source})`, "gu"),
    /** Every character of which `raw` may find one: without any, a text is as it may be. */
    anyRaw: new RegExp(`[${CONTROLS.replace("\\x00-\\x1f", "\\x00-\\x08\\x0b-\\x1f")}\\ud800-\\udfff]`),
  };
}
let made: ReturnType<typeof makePatterns> | null = null;
/** Most texts are plain, and do without. */
function patterns(): ReturnType<typeof makePatterns> {
  made ??= makePatterns();
  return made;
}

/** Looked for in all that is written. */
const PLAIN = /^[\t\n\x20-\x7e]*$/;
const PLAIN_LINE = /^[\x20-\x7e]*$/;

const inHex = (c: string, digits: number): string => (c.codePointAt(0) ?? 0).toString(16).padStart(digits, "0");

/** Whether a text holds anything that {@link visible} replaces. */
export const isHidden = (text: string): boolean => !PLAIN_LINE.test(text) && patterns().anyHidden.test(text);

/** A text that stays on its line and has no hidden characters: they become `\x1b`, `\u202e`. Twice is once. */
export const visible = (text: string): string =>
  isHidden(text)
    ? text.replace(patterns().hidden, (c) => (c < "\u0100" ? `\\x${inHex(c, 2)}` : `\\u${inHex(c, 4)}`))
    : text;

/**
 * What of a text may go to a stream: all but hidden characters, with the line ends, tabs and colours of our own. They become `\u001b`,
 * which is the same text again where they stood in a string of JSON.
 */
export const streamText = (text: string): string =>
  !PLAIN.test(text) && patterns().anyRaw.test(text)
    ? text.replace(patterns().raw, (c, color: string | undefined) => color ?? `\\u${inHex(c, 4)}`)
    : text;

const known = new WeakMap<object, object>();

/** A value whose texts are all {@link visible}, in lists and plain objects of any depth; all else stays. */
export function cleaned<T>(value: T): T {
  if (typeof value === "string") return visible(value) as T & string;
  if (typeof value !== "object" || value === null) return value;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  let clean = known.get(value);
  if (clean === undefined) {
    clean = cleanedObject(value);
    known.set(value, clean);
  }
  return clean as T & object;
}

/** The object itself where nothing in it changes. */
function cleanedObject(value: object): object {
  if (Array.isArray(value)) {
    const items = value.map(cleaned);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  const entries = Object.entries(value).map(([key, item]) => [visible(key), cleaned(item), key, item] as const);
  if (!entries.some(([a, b, key, item]) => a !== key || b !== item)) return value;
  return Object.fromEntries(entries);
}
