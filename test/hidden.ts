// What no output may hold, in the words of the standards, not of the sources: tests hold these against it.

/**
 * C0 and C1 controls and DEL (ECMA-48), marks and overrides of direction (Unicode UAX #9, table 1 and 2.4), the separators of lines and
 * paragraphs (Unicode 23.2), halves of pairs.
 */
const HIDDEN = (code: number): boolean =>
  code <= 0x1f ||
  (code >= 0x7f && code <= 0x9f) ||
  [0x061c, 0x200e, 0x200f, 0x2028, 0x2029].includes(code) ||
  (code >= 0x202a && code <= 0x202e) ||
  (code >= 0x2066 && code <= 0x2069) ||
  (code >= 0xd800 && code <= 0xdfff);

/** Whether a text holds a character that a terminal takes for a command, that ends a line, or that turns the direction of text. */
export function hasHidden(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at) ?? 0;
    if (HIDDEN(code)) return true;
    at += code > 0xffff ? 2 : 1;
  }
  return false;
}
