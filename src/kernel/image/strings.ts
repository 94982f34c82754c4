// Strings of the kernel that say which it is.

import { latin1 } from "../../base/bytes.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfExecutable } from "../../elf/executable.ts";

/** Bytes of all sections that a string of the kernel may stand in. */
export function* stringSections({ sections }: Pick<ElfExecutable, "sections">): Generator<Uint8Array> {
  for (let i = 1; i < sections.count; i++) {
    if (sections.hasBytes(i) && sections.addr(i) !== 0n && !sections.hasFlags(i, SHF_EXECINSTR)) yield sections.data(i);
  }
}

/** The release that the kernel's banner names, from bytes that hold its strings; null if there is no banner. */
export function findRelease(strings: Iterable<Uint8Array>): string | null {
  for (const data of strings) {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (let at = text.indexOf("Linux version "); at >= 0; at = text.indexOf("Linux version ", at + 1)) {
      const match = /^Linux version (\S{1,64}) \(/.exec(latin1(text, at, at + 90));
      if (match !== null) return match[1] ?? null;
    }
  }
  return null;
}

/** More than a vermagic has, bytes. */
const LONGEST = 301;

/** The string that kernel/module/main.c compares with: the release, then features, then NUL. */
export function findVermagic(strings: Iterable<Uint8Array>, release: string): string | null {
  const wanted = `${release} `;
  for (const data of strings) {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
      if (text[at - 1] !== 0) continue;
      const candidate = latin1(text, at, Math.min(text.length, at + LONGEST)).split("\0", 1)[0] ?? "";
      if (candidate.length === LONGEST || at + candidate.length === text.length) continue;
      if (/ (?:SMP|mod_unload|preempt|modversions) /.test(`${candidate} `) && !candidate.includes("("))
        return candidate;
    }
  }
  return null;
}
