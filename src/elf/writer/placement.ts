import { alignUp } from "../../base/bytes.ts";
import { SHT_NOBITS, SHT_NULL } from "../consts.ts";
import type { ElfFile } from "../reader.ts";
import { EHDR, SHDR } from "../views/layout.ts";
import type { NewContent } from "./content.ts";
import type { SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

/** Stands for the section header table among the parts. */
const TABLE = -1;

/** Something with a place in the file: a section, or the section header table. */
interface Part {
  readonly handle: SectionHandle | typeof TABLE;
  /** In the original file; 0 to 0 for an added section. */
  readonly offset: number;
  readonly end: number;
  readonly isNew: boolean;
}

/** File offsets of the new file. */
export interface FilePlacement {
  readonly offsets: ReadonlyMap<SectionHandle, number>;
  readonly tableOffset: number;
  /** Bytes up to the end of the last part. */
  readonly end: number;
  /** Up to here the original's bytes keep their places, those between its parts too. */
  readonly unmovedEnd: number;
  /** The original's bytes behind its last part, without a module signature. */
  readonly trailing: Uint8Array;
}

/** Parts keep the original's order, and their offsets up to the first one whose size changed. */
export function placeContent(file: ElfFile, numbering: Numbering, content: NewContent): FilePlacement {
  const original = originalParts(file);
  const offsets = new Map<number, number>();
  let end: number = EHDR.size;
  let unmoved: number = EHDR.size;
  let shifted = false;
  let moved = false;
  for (const part of inOrder(file, numbering, original)) {
    const isTable = part.handle === TABLE;
    if (!isTable && numbering.isRemoved(part.handle)) {
      shifted = true;
      moved = true;
      continue;
    }
    const isNobits = !isTable && !part.isNew && file.sections.type(part.handle) === SHT_NOBITS;
    const size = isTable ? numbering.sectionOrder.length * SHDR.size : isNobits ? 0 : content.of(part.handle).length;
    const sameSize = !part.isNew && size === part.end - part.offset;
    const keeps = !shifted && !part.isNew && (size === 0 || part.offset >= end);
    const offset =
      keeps && (sameSize || part.end > part.offset)
        ? part.offset
        : alignUp(end, isTable ? 8 : alignmentOf(part, file, numbering));
    offsets.set(part.handle, offset);
    if (!sameSize) shifted = true;
    if (part.isNew || offset !== part.offset) moved = true;
    if (!moved) unmoved = Math.max(unmoved, part.offset);
    // An empty part must lie in the file, too; only SHT_NOBITS may name a place behind its end.
    if (!isNobits && offset + size > end) end = offset + size;
  }
  return {
    offsets,
    tableOffset: offsets.get(TABLE) ?? 0,
    end,
    unmovedEnd: shifted ? unmoved : file.bytes.length,
    trailing: trailingBytes(file, original),
  };
}

function originalParts(file: ElfFile): Part[] {
  const { sections, header } = file;
  const tableEnd = header.sectionHeaderOffset + header.sectionCount * SHDR.size;
  const parts: Part[] = [{ handle: TABLE, offset: header.sectionHeaderOffset, end: tableEnd, isNew: false }];
  for (let i = 1; i < sections.count; i++) {
    const type = sections.type(i);
    if (type === SHT_NULL) continue;
    const offset = sections.offset(i);
    parts.push({ handle: i, offset, end: offset + (type === SHT_NOBITS ? 0 : sections.size(i)), isNew: false });
  }
  // Empty parts before the part that begins at the same place.
  return parts.sort((a, b) => a.offset - b.offset || a.end - b.end || a.handle - b.handle);
}

/** New sections come last, but before a trailing header table. */
function inOrder(file: ElfFile, numbering: Numbering, original: readonly Part[]): Part[] {
  const added = numbering.sectionOrder
    .filter((handle) => handle >= file.sections.count)
    .map((handle) => ({ handle, offset: 0, end: 0, isNew: true }));
  const behind = original.at(-1)?.handle === TABLE ? original.length - 1 : original.length;
  return [...original.slice(0, behind), ...added, ...original.slice(behind)];
}

/** Alignments up to this are always honoured in the file. */
const SMALL_ALIGNMENT = 64;

/**
 * Alignment in the file of a section that has to move. A large one is kept as far as the input kept it: the
 * loader does not need it there, and the output of a malformed file must not be padded to a gigabyte.
 */
function alignmentOf(part: Part, file: ElfFile, numbering: Numbering): number {
  if (part.isNew) return numbering.added(part.handle)?.addralign ?? 1;
  const addralign = file.sections.addralign(part.handle);
  let alignment = Math.min(addralign, SMALL_ALIGNMENT);
  while (alignment < addralign && part.offset % (alignment * 2) === 0) alignment *= 2;
  return alignment;
}

function trailingBytes(file: ElfFile, parts: readonly Part[]): Uint8Array {
  let end: number = EHDR.size;
  for (const part of parts) {
    // SHT_NOBITS may name any place, also behind the file's end.
    if (part.handle !== TABLE && file.sections.type(part.handle) === SHT_NOBITS) continue;
    if (part.end > end) end = part.end;
  }
  const trailingEnd = file.signature === null ? file.bytes.length : file.signature.start;
  return trailingEnd > end ? file.bytes.subarray(end, trailingEnd) : new Uint8Array(0);
}
