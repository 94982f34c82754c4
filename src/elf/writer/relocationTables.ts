import { viewOf } from "../../base/bytes.ts";
import type { NumberSet } from "../../base/numberSet.ts";
import { RELA } from "../views/layout.ts";
import type { RelocationTable } from "../views/relas.ts";
import type { NewContent } from "./content.ts";
import type { ElfEdits, SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";
import type { RelocationChanges } from "./relocationEdits.ts";

/** Relocation sections with their edits, and with the new symbol indices. */
export function writeRelocations(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  const { sections } = file;
  const symbolSection = file.symbols?.section;
  for (const table of file.relocations) {
    if (edits.removedSections.has(table.section)) continue;
    const changes = edits.relocationEdits.get(table.section);
    const renumber = numbering.symbolsMoved && sections.link(table.section) === symbolSection;
    if (changes === undefined && !renumber) continue;
    const kept = table.count - (changes?.removed.size ?? 0);
    const out = new Uint8Array((kept + (changes?.added.length ?? 0)) * table.rowSize);
    const view = viewOf(out);
    copyKept(sections.data(table.section), table, changes?.removed ?? null, out);
    if (renumber) renumberSymbols(numbering, table, changes?.removed ?? null, view, file.littleEndian);
    if (changes !== undefined) {
      setFields(table, changes, view, file.littleEndian);
      addRelocations(edits, numbering, table.section, view, kept * table.rowSize);
    }
    content.set(table.section, out);
  }
  for (const [section, { added }] of edits.relocationEdits) {
    if (section < sections.count) continue;
    const out = new Uint8Array(added.length * RELA.size);
    addRelocations(edits, numbering, section, viewOf(out), 0);
    content.set(section, out);
  }
}

type Removed = Pick<NumberSet, "has"> | null;

/** Copies the rows that stay, as many at once as stay together. */
function copyKept(original: Uint8Array, { count, rowSize }: RelocationTable, removed: Removed, out: Uint8Array): void {
  let at = 0;
  for (let row = 0; row < count; ) {
    const first = row;
    while (row < count && removed?.has(row) !== true) row++;
    out.set(original.subarray(first * rowSize, row * rowSize), at);
    at += (row - first) * rowSize;
    while (row < count && removed?.has(row) === true) row++;
  }
}

/** Puts the new indices of their symbols into the rows that stay. */
function renumberSymbols(
  numbering: Numbering,
  table: RelocationTable,
  removed: Removed,
  view: DataView,
  littleEndian: boolean,
): void {
  let at = RELA.info + (littleEndian ? 4 : 0);
  for (let row = 0; row < table.count; row++) {
    if (removed?.has(row) === true) continue;
    const old = table.symbol(row);
    if (old !== 0) {
      const symbol =
        numbering.symbolIndex(old) ?? numbering.symbol(old, `relocation ${row} of section ${table.section}`);
      view.setUint32(at, symbol, littleEndian);
    }
    at += table.rowSize;
  }
}

/** Puts new offsets and addends into the rows that stay. */
function setFields(
  table: RelocationTable,
  { removed, moved, addends }: RelocationChanges,
  view: DataView,
  littleEndian: boolean,
): void {
  if (moved.size === 0 && addends.size === 0) return;
  let at = 0;
  for (let row = 0; row < table.count; row++) {
    if (removed.has(row)) continue;
    const offset = moved.get(row);
    if (offset !== undefined) view.setBigUint64(at + RELA.offset, BigInt(offset), littleEndian);
    const addend = addends.get(row);
    if (addend !== undefined) view.setBigInt64(at + RELA.addend, addend, littleEndian);
    at += table.rowSize;
  }
}

function addRelocations(
  edits: ElfEdits,
  numbering: Numbering,
  section: SectionHandle,
  view: DataView,
  start: number,
): void {
  const { littleEndian } = edits.file;
  const added = edits.relocationEdits.get(section)?.added;
  if (added === undefined) return;
  const [low, high] = littleEndian ? [0, 4] : [4, 0];
  for (let row = 0, at = start; row < added.length; row++, at += RELA.size) {
    const handle = added.symbol(row);
    const symbol =
      handle === 0
        ? 0
        : (numbering.symbolIndex(handle) ?? numbering.symbol(handle, `a new relocation of section ${section}`));
    view.setUint32(at + RELA.offset + low, added.offsetLow(row), littleEndian);
    view.setUint32(at + RELA.offset + high, added.offsetHigh(row), littleEndian);
    view.setUint32(at + RELA.info + low, added.type(row), littleEndian);
    view.setUint32(at + RELA.info + high, symbol, littleEndian);
    view.setUint32(at + RELA.addend + low, added.addendLow(row), littleEndian);
    view.setUint32(at + RELA.addend + high, added.addendHigh(row), littleEndian);
  }
}
