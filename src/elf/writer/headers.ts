import { viewOf } from "../../base/bytes.ts";
import {
  SHF_INFO_LINK,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_DYNSYM,
  SHT_GROUP,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
} from "../consts.ts";
import { ElfError } from "../error.ts";
import type { ElfFile } from "../reader.ts";
import { EHDR, SHDR } from "../views/layout.ts";
import type { NewContent } from "./content.ts";
import type { SectionFields, SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";
import type { FilePlacement } from "./placement.ts";

/** New section index -> sh_name. Names of added sections are appended to the name table. */
export function sectionNames(file: ElfFile, numbering: Numbering, content: NewContent): Uint32Array {
  const { sections, header } = file;
  const names = new Uint32Array(numbering.sectionOrder.length);
  for (const [index, handle] of numbering.sectionOrder.entries()) {
    const added = numbering.added(handle);
    if (added === null) names[index] = sections.nameOffset(handle);
    else if (header.sectionNameIndex === SHN_UNDEF) {
      throw new ElfError("edit", EHDR.shstrndx, "the file has no section name table, so no section can be added");
    } else names[index] = content.string(header.sectionNameIndex, added.name);
  }
  return names;
}

/** What the sections of the new file are. */
export interface NewLayout {
  readonly numbering: Numbering;
  readonly content: NewContent;
  readonly placement: FilePlacement;
  /** New section index -> sh_name. */
  readonly names: Uint32Array;
}

/** The ELF header's fields of the section header table, and that table. `out` has the original's ELF header. */
export function writeHeaders(
  out: Uint8Array,
  file: ElfFile,
  { numbering, content, placement: { offsets, tableOffset }, names }: NewLayout,
): void {
  const { sections, header, bytes } = file;
  const view = viewOf(out);
  const count = numbering.sectionOrder.length;
  const le = file.littleEndian;
  const nameIndex =
    header.sectionNameIndex === SHN_UNDEF ? 0 : numbering.section(header.sectionNameIndex, "e_shstrndx");
  view.setBigUint64(EHDR.shoff, BigInt(tableOffset), le);
  view.setUint16(EHDR.shnum, count < SHN_LORESERVE ? count : 0, le);
  view.setUint16(EHDR.shstrndx, nameIndex < SHN_LORESERVE ? nameIndex : SHN_XINDEX, le);
  for (const [index, handle] of numbering.sectionOrder.entries()) {
    const at = tableOffset + index * SHDR.size;
    const added = numbering.added(handle);
    if (added === null) {
      const from = sections.headerOffset(handle);
      out.set(bytes.subarray(from, from + SHDR.size), at);
    } else {
      view.setUint32(at + SHDR.type, added.type, le);
      view.setBigUint64(at + SHDR.flags, added.flags, le);
      view.setBigUint64(at + SHDR.addralign, BigInt(added.addralign), le);
      view.setBigUint64(at + SHDR.entsize, BigInt(added.entsize), le);
    }
    if (handle === 0) {
      view.setBigUint64(at + SHDR.sizeField, count < SHN_LORESERVE ? 0n : BigInt(count), le);
      view.setUint32(at + SHDR.link, nameIndex < SHN_LORESERVE ? 0 : nameIndex, le);
      continue;
    }
    view.setUint32(at + SHDR.name, names[index] ?? 0, le);
    const type = added === null ? sections.type(handle) : added.type;
    if (type === SHT_NULL) continue;
    const offset = offsets.get(handle) ?? 0;
    // That of SHT_NOBITS may be too large to be exact as a number.
    if (added !== null || offset !== sections.offset(handle)) view.setBigUint64(at + SHDR.offset, BigInt(offset), le);
    if (type !== SHT_NOBITS) view.setBigUint64(at + SHDR.sizeField, BigInt(content.of(handle).length), le);
    const link = added === null ? sections.link(handle) : added.link;
    if (link !== SHN_UNDEF) {
      view.setUint32(at + SHDR.link, numbering.section(link, `sh_link of section ${handle}`), le);
    }
    view.setUint32(at + SHDR.info, newInfo(file, numbering, handle, type, added), le);
  }
}

/** sh_info: a section index, a symbol index, a count of locals, or a plain number, by type. */
function newInfo(
  file: ElfFile,
  numbering: Numbering,
  handle: SectionHandle,
  type: number,
  added: SectionFields | null,
): number {
  const { sections } = file;
  const info = added === null ? sections.info(handle) : added.info;
  const table = file.symbols;
  if (type === SHT_SYMTAB || type === SHT_DYNSYM) return handle === table?.section ? numbering.localCount : info;
  if (type === SHT_GROUP) {
    return table !== null && sections.link(handle) === table.section
      ? numbering.symbol(info, `the signature of group ${handle}`)
      : info;
  }
  const isSection =
    type === SHT_REL ||
    type === SHT_RELA ||
    (added === null ? sections.hasFlags(handle, SHF_INFO_LINK) : (added.flags & BigInt(SHF_INFO_LINK)) !== 0n);
  // A number that names none of the file's own sections is kept as it is; it must not come to name an added one.
  const known = added === null ? sections.count : numbering.sectionHandles;
  if (!isSection || info === SHN_UNDEF || info >= known) return info;
  return numbering.section(info, `sh_info of section ${handle}`);
}
