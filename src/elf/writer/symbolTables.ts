import { viewOf } from "../../base/bytes.ts";
import { SHN_LORESERVE, SHN_XINDEX, SHT_SYMTAB_SHNDX } from "../consts.ts";
import { ElfError } from "../error.ts";
import { SYM } from "../views/layout.ts";
import type { SymbolTable } from "../views/symbols.ts";
import type { GrownStrings, NewContent } from "./content.ts";
import type { ElfEdits, SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";
import { GIVEN } from "./symbolEdits.ts";

/** The symbol table with its edits, and its SHT_SYMTAB_SHNDX. */
export function writeSymbols(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  const table = file.symbols;
  if (table === null) return;
  const { sections } = file;
  const untouched =
    !numbering.symbolsMoved &&
    edits.symbols.edited === 0 &&
    numbering.symbolOrder.length === table.count &&
    !numbering.sectionsMoved &&
    numbering.extended === null;
  if (untouched) return;
  const rows = new SymbolRows(edits, numbering, content, table);
  content.set(table.section, rows.bytes);
  if (numbering.extended !== null) content.set(numbering.extended.handle, rows.extended);
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) === SHT_SYMTAB_SHNDX && sections.link(i) === table.section) content.set(i, rows.extended);
  }
}

/** The rows of the new symbol table. */
class SymbolRows {
  readonly bytes: Uint8Array;
  /** What belongs into SHT_SYMTAB_SHNDX. */
  readonly extended: Uint8Array;
  readonly #view: DataView;
  readonly #extendedView: DataView;
  readonly #edits: ElfEdits;
  readonly #numbering: Numbering;
  readonly #littleEndian: boolean;

  constructor(edits: ElfEdits, numbering: Numbering, content: NewContent, table: SymbolTable) {
    const { file, symbols } = edits;
    const order = numbering.symbolOrder;
    this.#edits = edits;
    this.#numbering = numbering;
    this.#littleEndian = file.littleEndian;
    this.bytes = new Uint8Array(order.length * SYM.size);
    this.extended = new Uint8Array(order.length * 4);
    this.#view = viewOf(this.bytes);
    this.#extendedView = viewOf(this.extended);
    copyRows(file.sections.data(table.section), order, this.bytes);
    const names = content.strings(file.sections.link(table.section));
    for (let index = 0; index < order.length; index++) {
      const handle = order[index] as number;
      const given = symbols.given(handle);
      if (given !== 0) this.#setFields(index, handle, given, names);
      if ((given & GIVEN.home) !== 0) this.#setHome(index, handle, symbols.section(handle));
      else this.#setHome(index, handle, table.sectionOf(handle));
    }
  }

  #setFields(index: number, handle: number, given: number, names: GrownStrings): void {
    const { symbols } = this.#edits;
    const view = this.#view;
    const at = index * SYM.size;
    const le = this.#littleEndian;
    if ((given & GIVEN.name) !== 0) view.setUint32(at + SYM.name, names.offsetOf(symbols.name(handle)), le);
    if ((given & GIVEN.info) !== 0) view.setUint8(at + SYM.info, symbols.info(handle));
    if ((given & GIVEN.other) !== 0) view.setUint8(at + SYM.other, symbols.other(handle));
    if ((given & GIVEN.value) !== 0) {
      view.setUint32(at + SYM.value + (le ? 0 : 4), symbols.valueLow(handle), le);
      view.setUint32(at + SYM.value + (le ? 4 : 0), symbols.valueHigh(handle), le);
    }
    if ((given & GIVEN.size) !== 0) {
      const size = symbols.size(handle);
      view.setUint32(at + SYM.sizeField + (le ? 0 : 4), size, le);
      view.setUint32(at + SYM.sizeField + (le ? 4 : 0), size / 0x1_0000_0000, le);
    }
    if ((given & GIVEN.home) !== 0 && symbols.section(handle) === null)
      view.setUint16(at + SYM.shndx, symbols.reserved(handle), le);
  }

  /** @param home null: none of the file's sections */
  #setHome(index: number, handle: number, home: SectionHandle | null): void {
    if (home === null) return;
    const section = this.#numbering.sectionIndex(home) ?? this.#numbering.section(home, `symbol ${handle}`);
    const short = section < SHN_LORESERVE;
    this.#view.setUint16(index * SYM.size + SYM.shndx, short ? section : SHN_XINDEX, this.#littleEndian);
    if (!short) this.#extendedView.setUint32(index * 4, section, this.#littleEndian);
  }
}

/** Copies the rows that the original has to their new places, as many at once as stay together. */
function copyRows(original: Uint8Array, order: Uint32Array, out: Uint8Array): void {
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
