// Unwind tables (DWARF 5, 6.4; LSB, 10.6 for .eh_frame). An entry covers one function and counts from its start, so
// nothing in it changes when functions are moved apart. One that covers more cannot be followed.

import { viewOf } from "../../../base/bytes.ts";
import type { ElfFile } from "../../reader.ts";
import { Cursor, type DebugSection } from "../cursor.ts";
import type { AddressMove } from "./addresses.ts";

const DW_EH_PE_absptr = 0;
const DW_EH_PE_omit = 0xff;
/** Bytes of each format of DW_EH_PE_*, by its low four bits; 0 stands for LEB128. */
const FORMAT_SIZES: ReadonlyMap<number, number> = new Map([
  [0x0, 8],
  [0x2, 2],
  [0x3, 4],
  [0x4, 8],
  [0xa, 2],
  [0xb, 4],
  [0xc, 8],
]);

/** The made-up address that the relocation at an offset leads to; null if there is none. */
export type TargetAt = (at: number) => number | null;

/**
 * Offset of the first unwind entry that covers code which is moved apart; null if there is none.
 * @param isEh whether the section is an .eh_frame
 * @throws DwarfError
 */
export function frameAcross(
  section: DebugSection,
  littleEndian: boolean,
  isEh: boolean,
  target: TargetAt,
  move: AddressMove,
): number | null {
  const cursor = new Cursor(section, littleEndian, 0);
  /** Offset of a CIE -> size of the addresses in its entries. */
  const sizes = new Map<number, number>();
  while (cursor.at < section.bytes.length) {
    cursor.end = section.bytes.length;
    const start = cursor.at;
    const { length, offsetSize } = cursor.unitLength();
    if (length === 0) continue; // the end mark of .eh_frame
    const body = cursor.at;
    if (length > cursor.end - body) throw cursor.error("an unwind entry that is longer than the section");
    cursor.end = body + length;
    const id = cursor.uint(isEh ? 4 : offsetSize);
    const isCie = isEh ? id === 0 : id === (offsetSize === 8 ? 2 ** 64 : 0xffff_ffff);
    if (isCie) sizes.set(start, addressSize(cursor));
    else {
      const size = sizes.get(isEh ? body - id : id);
      if (size === undefined) throw cursor.error("an unwind entry without its common part");
      const at = cursor.skip(size);
      const range = cursor.uint(size);
      const begin = target(at);
      if (begin !== null && (!move.isWhole(begin, begin + range) || move.length(begin, range) !== range)) return start;
    }
    cursor.at = body + length;
  }
  return null;
}

/** Bytes of an address in the entries that refer to this common part. */
function addressSize(cursor: Cursor): number {
  const version = cursor.u8();
  const augmentation = cursor.string();
  let size = 8;
  if (version >= 4) {
    size = cursor.u8();
    cursor.u8(); // segment selector size
  }
  if (augmentation === "") return size;
  if (!augmentation.startsWith("z")) throw cursor.error(`the unwind augmentation ${JSON.stringify(augmentation)}`);
  cursor.uleb(); // code alignment factor
  cursor.sleb(); // data alignment factor
  if (version === 1) cursor.u8();
  else cursor.uleb(); // return address register
  cursor.uleb(); // length of what follows
  let encoding = DW_EH_PE_absptr;
  for (const letter of augmentation.slice(1)) {
    if (letter === "R") encoding = cursor.u8();
    else if (letter === "L") cursor.u8();
    else if (letter === "P") cursor.skip(encodedSize(cursor, cursor.u8()));
    else if (letter !== "S" && letter !== "B") {
      throw cursor.error(`the unwind augmentation ${JSON.stringify(augmentation)}`);
    }
  }
  return encodedSize(cursor, encoding);
}

function encodedSize(cursor: Cursor, encoding: number): number {
  const size = encoding === DW_EH_PE_omit ? undefined : FORMAT_SIZES.get(encoding & 0xf);
  if (size === undefined) throw cursor.error(`the unwind pointer encoding 0x${encoding.toString(16)}`);
  return size;
}

/**
 * Where the relocations of a section lead, in made-up addresses; a place-relative one leads to its label.
 * @param baseOf the made-up address of a section
 */
export function relocationTargets(file: ElfFile, section: number, baseOf: (section: number) => number): TargetAt {
  const targets = new Map<number, number>();
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    const symbols = file.symbolTables.get(file.sections.link(table.section));
    if (symbols === undefined) continue;
    const view = viewOf(file.sections.data(section));
    for (let row = 0; row < table.count; row++) {
      const home = symbols.sectionOf(table.symbol(row));
      const base = home === null ? 0 : baseOf(home);
      if (base === 0 || table.offset(row) >= view.byteLength) continue;
      targets.set(table.offset(row), base + Number(symbols.value(table.symbol(row)) + table.addend(row)));
    }
  }
  return (at) => targets.get(at) ?? null;
}
