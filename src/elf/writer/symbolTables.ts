import { viewOf } from "../../base/bytes.ts";
import { SHN_LORESERVE, SHN_XINDEX, SHT_SYMTAB_SHNDX } from "../consts.ts";
import { ElfError } from "../error.ts";
import { SYM } from "../views/layout.ts";
import type { NewContent } from "./content.ts";
import type { ElfEdits, SymbolFields } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

/** The symbol table with its edits, and its SHT_SYMTAB_SHNDX. */
export function writeSymbols(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  const table = file.symbols;
  if (table === null) return;
  const { sections } = file;
  const untouched =
    !numbering.symbolsMoved &&
    edits.symbolEdits.size === 0 &&
    numbering.symbolOrder.length === table.count &&
    !numbering.sectionsMoved &&
    numbering.extended === null;
  if (untouched) return;
  const original = sections.data(table.section);
  const out = new Uint8Array(numbering.symbolOrder.length * SYM.size);
  const view = viewOf(out);
  const extended = new Uint8Array(numbering.symbolOrder.length * 4);
  const extendedView = viewOf(extended);
  const stringSection = sections.link(table.section);
  copyRows(original, numbering.symbolOrder, out);
  for (let index = 0; index < numbering.symbolOrder.length; index++) {
    const handle = numbering.symbolOrder[index] ?? 0;
    const at = index * SYM.size;
    const fields: Partial<SymbolFields> | undefined =
      handle < table.count ? edits.symbolEdits.get(handle) : edits.addedSymbols[handle - table.count];
    if (fields?.name !== undefined) {
      view.setUint32(at + SYM.name, content.string(stringSection, fields.name), file.littleEndian);
    }
    if (fields?.info !== undefined) view.setUint8(at + SYM.info, fields.info);
    if (fields?.other !== undefined) view.setUint8(at + SYM.other, fields.other);
    if (fields?.value !== undefined) view.setBigUint64(at + SYM.value, fields.value, file.littleEndian);
    if (fields?.size !== undefined) view.setBigUint64(at + SYM.sizeField, BigInt(fields.size), file.littleEndian);
    let home: number | null = null;
    if (fields?.home !== undefined) {
      if (fields.home.kind === "reserved") {
        view.setUint16(at + SYM.shndx, fields.home.index, file.littleEndian);
        continue;
      }
      home = fields.home.section;
    } else {
      home = table.sectionOf(handle);
    }
    if (home === null) continue;
    const section = numbering.sectionIndex(home) ?? numbering.section(home, `symbol ${handle}`);
    const short = section < SHN_LORESERVE;
    view.setUint16(at + SYM.shndx, short ? section : SHN_XINDEX, file.littleEndian);
    if (!short) extendedView.setUint32(index * 4, section, file.littleEndian);
  }
  content.set(table.section, out);
  if (numbering.extended !== null) content.set(numbering.extended.handle, extended);
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) === SHT_SYMTAB_SHNDX && sections.link(i) === table.section) content.set(i, extended);
  }
}

/** Copies the rows that the original has to their new places, as many at once as stay together. */
function copyRows(original: Uint8Array, order: readonly number[], out: Uint8Array): void {
  const count = original.length / SYM.size;
  for (let from = 0; from < order.length; ) {
    const first = order[from] ?? 0;
    let behind = from + 1;
    if (first < count) {
      while (behind < order.length && order[behind] === first + behind - from && first + behind - from < count)
        behind++;
      out.set(original.subarray(first * SYM.size, (first + behind - from) * SYM.size), from * SYM.size);
    }
    from = behind;
  }
}

/** Symbol tables that cannot be edited (SHT_DYNSYM, or one of several) still follow their sections. */
export function writeOtherSymbolTables(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  if (!numbering.sectionsMoved) return;
  for (const table of file.symbolTables.values()) {
    if (table === file.symbols || numbering.isRemoved(table.section)) continue;
    const out = new Uint8Array(file.sections.data(table.section));
    const view = viewOf(out);
    for (let i = 0; i < table.count; i++) {
      const home = table.sectionOf(i);
      if (home === null) continue;
      const section = numbering.section(home, `symbol ${i} of section ${table.section}`);
      if (table.rawShndx(i) === SHN_XINDEX || section >= SHN_LORESERVE) {
        throw new ElfError(
          "edit",
          file.sections.headerOffset(table.section),
          `section ${table.section}, a second symbol table, has extended section indices, and sections must be renumbered`,
        );
      }
      view.setUint16(i * SYM.size + SYM.shndx, section, file.littleEndian);
    }
    content.set(table.section, out);
  }
}
