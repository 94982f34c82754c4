// Whether two object files are the same but for what a kernel never loads: most files that a build makes anew are.

import { sameBytes } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";

/** Debug information and notes of the build: they name folders and times. Names of sections are compared with the sections. */
const NEVER_LOADED = /^(?:\.rela?)?\.(?:debug|zdebug|gdb_index|comment$|note|BTF(?:$|\.)|shstrtab$)/;

/**
 * Whether all sections of two files are the same, in order, but for debug information and notes. Relocations and symbols are compared
 * as they stand, so files that mean the same may still be called different.
 */
export function isSameWhenLoaded(one: ElfFile, other: ElfFile): boolean {
  const [a, b] = [one.sections, other.sections];
  if (a.count !== b.count || one.header.machine !== other.header.machine) return false;
  if (one.header.flags !== other.header.flags || one.header.type !== other.header.type) return false;
  for (let i = 0; i < a.count; i++) {
    const name = a.name(i);
    if (name !== b.name(i)) return false;
    if (NEVER_LOADED.test(name)) continue;
    const isSameForm =
      a.type(i) === b.type(i) &&
      a.flags(i) === b.flags(i) &&
      a.size(i) === b.size(i) &&
      a.link(i) === b.link(i) &&
      a.info(i) === b.info(i) &&
      a.addralign(i) === b.addralign(i) &&
      a.entsize(i) === b.entsize(i);
    if (!isSameForm || !sameBytes(a.data(i), b.data(i))) return false;
  }
  return true;
}
