import { viewOf } from "../../base/bytes.ts";
import { RELA } from "../views/layout.ts";
import type { NewContent } from "./content.ts";
import type { ElfEdits, SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

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
    const original = sections.data(table.section);
    const kept = table.count - (changes?.removed.size ?? 0);
    const out = new Uint8Array((kept + (changes?.added.length ?? 0)) * table.rowSize);
    const view = viewOf(out);
    let at = 0;
    for (let row = 0; row < table.count; row++) {
      if (changes?.removed.has(row)) continue;
      const from = row * table.rowSize;
      out.set(original.subarray(from, from + table.rowSize), at);
      const moved = changes?.moved.get(row);
      if (moved !== undefined) view.setBigUint64(at + RELA.offset, BigInt(moved), file.littleEndian);
      const addend = changes?.addends.get(row);
      if (addend !== undefined) view.setBigInt64(at + RELA.addend, addend, file.littleEndian);
      if (renumber && table.symbol(row) !== 0) {
        const old = table.symbol(row);
        const symbol =
          numbering.symbolIndex(old) ?? numbering.symbol(old, `relocation ${row} of section ${table.section}`);
        view.setUint32(at + RELA.info + (file.littleEndian ? 4 : 0), symbol, file.littleEndian);
      }
      at += table.rowSize;
    }
    addRelocations(edits, numbering, table.section, view, at);
    content.set(table.section, out);
  }
  for (const section of edits.relocationEdits.keys()) {
    if (section < sections.count) continue;
    const changes = edits.relocationEdits.get(section);
    const out = new Uint8Array((changes?.added.length ?? 0) * RELA.size);
    addRelocations(edits, numbering, section, viewOf(out), 0);
    content.set(section, out);
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
  const [low, high] = littleEndian ? [0, 4] : [4, 0];
  let at = start;
  for (const r of edits.relocationEdits.get(section)?.added ?? []) {
    const symbol =
      r.symbol === 0
        ? 0
        : (numbering.symbolIndex(r.symbol) ?? numbering.symbol(r.symbol, `a new relocation of section ${section}`));
    view.setUint32(at + RELA.offset + low, r.offset >>> 0, littleEndian);
    view.setUint32(at + RELA.offset + high, Math.floor(r.offset / 0x1_0000_0000), littleEndian);
    view.setUint32(at + RELA.info + low, r.type, littleEndian);
    view.setUint32(at + RELA.info + high, symbol, littleEndian);
    view.setBigInt64(at + RELA.addend, r.addend, littleEndian);
    at += RELA.size;
  }
}
