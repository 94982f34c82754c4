// Forms of characters: byte order marks by the Unicode Standard 2.6, and the same text without one.

import { expect, test } from "vitest";
import { decoderFor, type Encoding, encodingOf } from "../../src/base/text.ts";

const LINE = "[    1.000000] m: Unknown symbol f (err -2)\r\nlivepatch: enabling patch 'p'\r\n";
const le = Buffer.from(LINE, "utf16le");
const be = Buffer.from(le).swap16();

test.each<[string, Encoding, Uint8Array]>([
  ["UTF-8", "utf-8", Buffer.from(LINE)],
  ["UTF-8 with a byte order mark", "utf-8", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(LINE)])],
  ["UTF-16LE with a byte order mark", "utf-16le", Buffer.concat([Buffer.from([0xff, 0xfe]), le])],
  ["UTF-16BE with a byte order mark", "utf-16be", Buffer.concat([Buffer.from([0xfe, 0xff]), be])],
  ["UTF-16LE", "utf-16le", le],
  ["UTF-16BE", "utf-16be", be],
])("%s", (_, encoding, bytes) => {
  expect(encodingOf(bytes)).toBe(encoding);
  expect(decoderFor(bytes).decode(bytes)).toBe(LINE);
});

test("what is not UTF-16: a few bytes, bytes that are zero here and there", () => {
  expect(encodingOf(new Uint8Array())).toBe("utf-8");
  expect(encodingOf(Buffer.from("a\0b\0"))).toBe("utf-8");
  expect(encodingOf(Buffer.from("a line with one \0 in it, and no more of them"))).toBe("utf-8");
  expect(encodingOf(new Uint8Array(64))).toBe("utf-8");
});

test("characters of other scripts in UTF-16", () => {
  const text = "ошибка: m: Unknown symbol f\n";
  const bytes = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
  expect(decoderFor(bytes).decode(bytes)).toBe(text);
});
