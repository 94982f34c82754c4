// The name of a module that exports nothing, from a few small parts of its file: of a tree's modules, most are such.

import { latin1, OrderedView, viewOf } from "../../base/bytes.ts";
import { EI_DATA, ELFDATA2LSB, SHT_STRTAB } from "../../elf/consts.ts";
import { EHDR, SHDR } from "../../elf/views/layout.ts";
import { SectionTable } from "../../elf/views/sections.ts";
import { StringTable } from "../../elf/views/strings.ts";
import { normalModuleName } from "./modinfo.ts";
import { nameInStruct } from "./moduleFile.ts";

/** Gives the bytes [start, start + length) of a file; fewer where it ends before. */
export type ReadPart = (start: number, length: number) => Uint8Array;

const EXPORT = Buffer.from("__ksymtab_", "latin1");
/** More than a module of functions in sections of their own has as a rule. */
const MOST_SECTIONS = 4096;
/** All names of symbols and sections, bytes: beyond that the file may as well be read whole. */
const MOST_NAMES = 1 << 22;

/**
 * The name in struct module of a file that has no table of exports and no symbol called like an entry of one. Null where it takes more
 * than that to tell. The file is not looked at beyond that: it may be malformed all the same.
 */
export function nameWithoutExports(read: ReadPart): string | null {
  const header = read(0, EHDR.size);
  // ELF of 64 bits.
  if (header.length < EHDR.size || latin1(header, 0, 5) !== "\x7fELF\x02") return null;
  const view = new OrderedView(header, header[EI_DATA] === ELFDATA2LSB);
  const count = view.getUint16(EHDR.shnum);
  const start = Number(view.getBigUint64(EHDR.shoff));
  const names = view.getUint16(EHDR.shstrndx);
  if (count === 0 || count > MOST_SECTIONS || names === 0 || names >= count || start > Number.MAX_SAFE_INTEGER)
    return null;
  const rows = read(start, count * SHDR.size);
  if (rows.length < count * SHDR.size) return null;
  const sections = new SectionTable(rows, viewOf(rows), 0, count, view.littleEndian);
  const part = (i: number, most: number): Uint8Array => read(sections.offset(i), Math.min(sections.size(i), most));
  let left = MOST_NAMES - sections.size(names);
  if (left < 0) return null;
  const texts = new StringTable(part(names, MOST_NAMES));
  const mayExport = texts.holds("__ksymtab");
  let name: string | null = null;
  for (let i = 1; i < count; i++) {
    const start = sections.nameOffset(i);
    if (mayExport && texts.startsWith(start, "__ksymtab")) return null;
    if (name === null && texts.is(start, ".gnu.linkonce.this_module")) {
      name = sections.hasBytes(i) ? nameInStruct(part(i, 80)) : null;
      if (name === null) return null;
    }
    if (sections.type(i) !== SHT_STRTAB) continue;
    left -= sections.size(i);
    if (left < 0) return null;
    const text = part(i, MOST_NAMES);
    if (Buffer.from(text.buffer, text.byteOffset, text.length).includes(EXPORT)) return null;
  }
  return name === null ? null : normalModuleName(name);
}
