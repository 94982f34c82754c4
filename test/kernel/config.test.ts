// Configurations, as files and inside a kernel: what is taken for one, and that nothing else costs time.

import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { findConfig, findConfigText, isConfig, parseConfig } from "../../src/kernel/config.ts";

const TEXT =
  '#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="some text"\n';
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const packed = (content: Uint8Array): Buffer =>
  Buffer.concat([bytes("IKCFG_ST"), gzipSync(content), bytes("IKCFG_ED")]);

test("a configuration begins with comments, empty lines and an option", () => {
  expect(isConfig(bytes(TEXT))).toBe(true);
  expect(isConfig(bytes("\n \n\t\n# CONFIG_B is not set\n"))).toBe(true);
  expect(isConfig(bytes("text\nCONFIG_A=y\n"))).toBe(false);
  // Many empty lines, and then something else.
  expect(isConfig(bytes(`${"\n".repeat(4000)}x`))).toBe(false);
  expect(isConfig(bytes(`${" \n".repeat(1000)}${"#\n".repeat(800)}x`))).toBe(false);
});

test("a kernel's own configuration comes out byte for byte, behind marks in code that looks for them", () => {
  const image = [bytes("IKCFG_ST\x1f\x8b in code IKCFG_ED"), packed(bytes("something else\n")), packed(bytes(TEXT))];
  expect(Buffer.from(findConfigText(image) ?? []).toString("latin1")).toBe(TEXT);
  expect(findConfig([Buffer.concat(image)])).toEqual(parseConfig(bytes(TEXT)));
  expect(findConfig([bytes("IKCFG_ST\x1f\x8b")])).toBeNull();
});

test("of any number of marks only the first few are unpacked", () => {
  const other = packed(Buffer.alloc(1000));
  expect(findConfigText([...Array<Buffer>(7).fill(other), packed(bytes(TEXT))])).not.toBeNull();
  expect(findConfigText([...Array<Buffer>(8).fill(other), packed(bytes(TEXT))])).toBeNull();
});
