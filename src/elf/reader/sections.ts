import { hex } from "../../base/bytes.ts";
import { SHT_NOBITS, SHT_NULL } from "../consts.ts";
import { EHDR, SHDR } from "../views/layout.ts";
import type { SectionTable } from "../views/sections.ts";
import type { StringTable } from "../views/strings.ts";
import type { ElfHeader } from "./header.ts";
import { malformed } from "./malformed.ts";
import { NameBudget } from "./names.ts";

export function checkSections(sections: SectionTable, fileSize: number): void {
  if (sections.type(0) !== SHT_NULL) {
    throw malformed(sections.headerOffset(0) + SHDR.type, `section 0 has type ${sections.type(0)}, not SHT_NULL`);
  }
  for (let i = 1; i < sections.count; i++) {
    const at = sections.headerOffset(i);
    if (sections.type(i) === SHT_NULL) continue;
    const offset = sections.offset(i);
    const size = sections.size(i);
    if (sections.type(i) === SHT_NOBITS) {
      if (size > Number.MAX_SAFE_INTEGER) {
        throw malformed(at + SHDR.sizeField, `section ${i} (SHT_NOBITS) has ${hex(size)} bytes`);
      }
    } else if (offset > fileSize) {
      throw malformed(
        at + SHDR.offset,
        `section ${i} begins at ${hex(offset)}, past the file's end at ${hex(fileSize)}`,
      );
    } else if (size > fileSize - offset) {
      throw malformed(
        at + SHDR.sizeField,
        `section ${i} at ${hex(offset)} has ${hex(size)} bytes, but the file ends at ${hex(fileSize)}`,
      );
    }
    const align = sections.addralign(i);
    // Also keeps every alignment exact as a number; larger than any page, it could never be honoured.
    if (align > 0x4000_0000 || (align !== 0 && (align & (align - 1)) !== 0)) {
      throw malformed(
        at + SHDR.addralign,
        `section ${i} has alignment ${hex(align)}, no power of two up to 0x40000000`,
      );
    }
    if (sections.link(i) >= sections.count) {
      throw malformed(
        at + SHDR.link,
        `section ${i} has sh_link ${sections.link(i)}, but there are ${sections.count} sections`,
      );
    }
  }
}

/**
 * No two parts of the file may share bytes: such a file could not be written back after an edit, and
 * thousands of sections over one large table would make reading it quadratic.
 */
export function checkOverlap(sections: SectionTable, header: ElfHeader): void {
  if (areApart(sections, header)) return;
  // Starts and ends of non-empty sections, by start; the section header table takes part as index -1.
  const parts: { start: number; end: number; index: number }[] = [
    { start: 0, end: EHDR.size, index: -2 },
    {
      start: header.sectionHeaderOffset,
      end: header.sectionHeaderOffset + header.sectionCount * SHDR.size,
      index: -1,
    },
  ];
  for (let i = 1; i < sections.count; i++) {
    const size = sections.size(i);
    if (!sections.hasBytes(i) || size === 0) continue;
    const start = sections.offset(i);
    parts.push({ start, end: start + size, index: i });
  }
  parts.sort((a, b) => a.start - b.start || a.index - b.index);
  const label = (index: number): string =>
    index === -2 ? "the ELF header" : index === -1 ? "the section header table" : `section ${index}`;
  for (let k = 1; k < parts.length; k++) {
    const before = parts[k - 1];
    const part = parts[k];
    if (before === undefined || part === undefined || part.start >= before.end) continue;
    throw malformed(part.start, `${label(before.index)} and ${label(part.index)} overlap`);
  }
}

/** Whether no two parts share bytes, found out of numbers alone; false also where these would not be exact. */
function areApart(sections: SectionTable, { sectionHeaderOffset, sectionCount }: ElfHeader): boolean {
  const count = sections.count;
  // Start and index in one number; section 0 has no bytes, and stands for the section headers.
  const keys = new Float64Array(count);
  keys[0] = sectionHeaderOffset * count;
  let used = 1;
  for (let i = 1; i < count; i++)
    if (sections.size(i) > 0 && sections.hasBytes(i)) keys[used++] = sections.offset(i) * count + i;
  const parts = keys.subarray(0, used).sort();
  if ((parts[used - 1] ?? 0) > Number.MAX_SAFE_INTEGER) return false;
  let end = EHDR.size;
  for (const key of parts) {
    const index = key % count;
    const start = (key - index) / count;
    if (start < end) return false;
    end = start + (index === 0 ? sectionCount * SHDR.size : sections.size(index));
  }
  return true;
}

export function checkSectionNames(sections: SectionTable, names: StringTable | null, fileSize: number): void {
  const size = names === null ? 0 : names.size;
  const budget = new NameBudget(fileSize);
  const areShort = names !== null && budget.holds(sections.count, names);
  for (let i = 0; i < sections.count; i++) {
    const start = sections.nameOffset(i);
    if (names !== null && start < size) {
      if (areShort) continue;
      budget.take(names, start, sections.headerOffset(i) + SHDR.name, "section", i);
      continue;
    }
    // An absent table, and offset 0 in an empty one, mean "no name" (gABI, "String Table").
    if (start === 0) continue;
    throw malformed(
      sections.headerOffset(i) + SHDR.name,
      `section ${i} has its name at ${hex(start)}, but the section name table has ${hex(size)} bytes`,
    );
  }
}
