// How a kernel was configured: the file `.config` (as /boot/config-RELEASE or in a package), and the copy that a kernel with
// CONFIG_IKCONFIG=y carries: kernel/configs.c, between the marks IKCFG_ST and IKCFG_ED, packed with gzip.

import { gunzipSync } from "node:zlib";
import { latin1 } from "../base/bytes.ts";

/** Options that are set, with their values: `y`, `m`, a number, or a string without its quotes. */
export type KernelConfig = ReadonlyMap<string, string>;

/** The largest configuration that is taken for one, bytes: twenty times a distribution's. */
const LARGEST = 0x80_0000;

/** Marks that are tried: one pair is the configuration's, others stand in code that looks for them. */
const MOST_MARKS = 8;

/** Whether a text begins like a configuration. */
export const isConfig = (bytes: Uint8Array): boolean =>
  /^(?:#[^\n]*\n|[^\S\n]*\n)*(?:CONFIG_\w+=|# CONFIG_\w+ is not set)/.test(
    latin1(bytes, 0, Math.min(bytes.length, 4096)),
  );

/** The options that a configuration sets. Other lines say nothing. */
export function parseConfig(bytes: Uint8Array): KernelConfig {
  const found = new Map<string, string>();
  for (const line of latin1(bytes, 0, Math.min(bytes.length, LARGEST)).split("\n")) {
    const [, name, value] = /^(CONFIG_\w+)=(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) found.set(name, value.replace(/^"(.*)"$/, "$1"));
  }
  return found;
}

/** The configuration that a kernel carries itself; null if it carries none. @param parts bytes that hold its data */
export function findConfig(parts: Iterable<Uint8Array>): KernelConfig | null {
  const text = findConfigText(parts);
  return text === null ? null : parseConfig(text);
}

/** The same as the text that was packed, byte for byte the `.config` of the build. */
export function findConfigText(parts: Iterable<Uint8Array>): Uint8Array | null {
  let tried = 0;
  for (const bytes of parts) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = text.indexOf("IKCFG_ST\x1f\x8b", 0, "latin1"); at >= 0; ) {
      const end = text.indexOf("IKCFG_ED", at, "latin1");
      if (end < 0) break;
      if (++tried > MOST_MARKS) return null;
      try {
        const config = gunzipSync(text.subarray(at + 8, end), { maxOutputLength: LARGEST });
        if (isConfig(config)) return config;
      } catch {
        // The marks may stand in code that looks for them.
      }
      at = text.indexOf("IKCFG_ST\x1f\x8b", end, "latin1");
    }
  }
  return null;
}
