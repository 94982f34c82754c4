// Strings of the kernel that say which it is.

import { latin1 } from "../../base/bytes.ts";

/** The release that the kernel's banner names, from bytes that hold its strings; null if there is no banner. */
export function findRelease(strings: Iterable<Uint8Array>): string | null {
  for (const data of strings) {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const at = text.indexOf("Linux version ");
    if (at < 0) continue;
    const match = /^Linux version (\S{1,64}) \(/.exec(latin1(text, at, at + 90));
    if (match !== null) return match[1] ?? null;
  }
  return null;
}

/** The string that kernel/module/main.c compares with: the release, then features, then NUL. */
export function findVermagic(strings: Iterable<Uint8Array>, release: string): string | null {
  const wanted = `${release} `;
  for (const data of strings) {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
      const end = text.indexOf(0, at);
      if (end < 0 || end - at > 300 || text[at - 1] !== 0) continue;
      const candidate = latin1(text, at, end);
      if (/ (?:SMP|mod_unload|preempt|modversions) /.test(`${candidate} `) && !candidate.includes("("))
        return candidate;
    }
  }
  return null;
}
