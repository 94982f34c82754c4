// Linked files that hold no code: linux-headers packages bring a vmlinux with the kernel's types alone (.BTF, and symbols of .BTF_ids),
// for modules that are built out of the tree.

import { getUint64, viewOf } from "../base/bytes.ts";
import { ELFCLASS64, ELFDATA2LSB, SHF_EXECINSTR } from "./consts.ts";
import { elfType } from "./executable.ts";
import { EHDR, SHDR } from "./views/layout.ts";
import { SectionTable } from "./views/sections.ts";

/** Section headers that are looked at; a file with more has code. */
const MOST_SECTIONS = 4096;

/** Whether a file has a section of code, with its bytes or without (as debug information that stands apart). */
export function hasCode(sections: SectionTable): boolean {
  for (let i = 1; i < sections.count; i++) if (sections.hasFlags(i, SHF_EXECINSTR)) return true;
  return false;
}

/**
 * False for an ELF file without a section of code; true for all else, whatever it is.
 * @param read gives so many bytes of the file from a place on, fewer at its end
 */
export function mayHoldCode(read: (size: number, at: number) => Uint8Array): boolean {
  const header = read(EHDR.size, 0);
  if (elfType(header) === null || header[4] !== ELFCLASS64) return true;
  const view = viewOf(header);
  const littleEndian = header[5] === ELFDATA2LSB;
  const count = view.getUint16(EHDR.shnum, littleEndian);
  if (count === 0 || count > MOST_SECTIONS || view.getUint16(EHDR.shentsize, littleEndian) !== SHDR.size) return true;
  const headers = read(count * SHDR.size, getUint64(view, EHDR.shoff, littleEndian));
  if (headers.length < count * SHDR.size) return true;
  return hasCode(new SectionTable(headers, viewOf(headers), 0, count, littleEndian));
}
