// The header of a line number program: DWARF 5, 6.2.4; DWARF 2 to 4 for the older forms.

import type { Cursor } from "../cursor.ts";

export interface LineHeader {
  readonly version: number;
  readonly offsetSize: 4 | 8;
  /** Bytes of an address; of the unit before version 5, which does not tell. */
  readonly addressSize: number;
  /** Offset of the first operation. */
  readonly program: number;
  /** Offset of the first byte behind the program. */
  readonly end: number;
  readonly minInstructionLength: number;
  /** 1 but on VLIW machines. */
  readonly operationsPerInstruction: number;
  readonly defaultIsStmt: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operands of standard operation n. */
  readonly operandCounts: readonly number[];
}

/**
 * Reads from the unit's length up to the tables of directories and files, and ends the cursor with the unit.
 * @param addressSize of the unit that the program belongs to
 * @throws DwarfError
 */
export function readLineHeader(cursor: Cursor, addressSize: number): LineHeader {
  const { length, offsetSize } = cursor.unitLength();
  if (length > cursor.end - cursor.at) throw cursor.error("a line program that is longer than the section");
  cursor.end = cursor.at + length;
  const version = cursor.u16();
  if (version < 2 || version > 5) throw cursor.error(`a line program of version ${version}`);
  let ownAddressSize = addressSize;
  if (version >= 5) {
    ownAddressSize = cursor.u8();
    cursor.u8(); // segment selector size
  }
  const headerLength = cursor.uint(offsetSize);
  const program = cursor.at + headerLength;
  const minInstructionLength = cursor.u8();
  const operationsPerInstruction = version >= 4 ? cursor.u8() : 1;
  const defaultIsStmt = cursor.u8() !== 0;
  const lineBase = cursor.i8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  const operandCounts = [0];
  for (let i = 1; i < opcodeBase; i++) operandCounts.push(cursor.u8());
  if (lineRange === 0) throw cursor.error("a line range of 0");
  return {
    version,
    offsetSize,
    addressSize: ownAddressSize,
    program,
    end: cursor.end,
    minInstructionLength,
    operationsPerInstruction,
    defaultIsStmt,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
  };
}
