// .debug_aranges (DWARF 5, 6.1.2), and the headers of .debug_rnglists and .debug_loclists, once their lists have grown.

import { alignUp } from "../../../base/bytes.ts";
import { type Budget, Cursor, type DebugSection } from "../cursor.ts";
import type { AddressMove } from "./addresses.ts";
import type { Draft, Splices } from "./draft.ts";

/**
 * Drafts the new lengths of the set of address ranges that the cursor stands at.
 * @throws DwarfError
 */
export function moveAddressRanges(cursor: Cursor, move: AddressMove, budget: Budget, draft: Draft): void {
  const start = cursor.at;
  const { length, offsetSize } = cursor.unitLength();
  if (length > cursor.end - cursor.at) throw cursor.error("a set of ranges that is longer than the section");
  cursor.end = cursor.at + length;
  const version = cursor.u16();
  if (version !== 2) throw cursor.error(`address ranges of version ${version}`);
  cursor.uint(offsetSize);
  const size = cursor.u8();
  if (cursor.u8() !== 0 || (size !== 4 && size !== 8)) throw cursor.error("address ranges with segments");
  cursor.at = Math.min(cursor.end, start + alignUp(cursor.at - start, 2 * size));
  while (cursor.at < cursor.end) {
    budget.spend(cursor);
    const from = cursor.uint(size);
    const at = cursor.at;
    const bytes = cursor.uint(size);
    if (!move.isWhole(from, from + bytes)) throw cursor.error("a range that is not in one section");
    const now = move.length(from, bytes);
    if (now !== bytes) draft.number(cursor, at, size, now);
  }
}

/** A number to overwrite in the new content; `at` is an offset of the old one. */
export interface NumberChange {
  readonly at: number;
  readonly size: number;
  readonly value: number;
}

/**
 * The lengths of all tables of lists in a section, and the offsets in their indices, with `splices` carried out.
 * @throws DwarfError if the headers cannot be read
 */
export function listHeaders(section: DebugSection, littleEndian: boolean, splices: Splices): NumberChange[] {
  const patches: NumberChange[] = [];
  const cursor = new Cursor(section, littleEndian, 0);
  while (cursor.at < section.bytes.length) {
    cursor.end = section.bytes.length;
    const { length, offsetSize } = cursor.unitLength();
    const body = cursor.at;
    if (length > cursor.end - body) throw cursor.error("a table of lists that is longer than the section");
    cursor.end = body + length;
    patches.push({ at: body - offsetSize, size: offsetSize, value: splices.map(cursor.end) - splices.map(body) });
    const version = cursor.u16();
    if (version !== 5) throw cursor.error(`a table of lists of version ${version}`);
    cursor.skip(2); // sizes of addresses and segment selectors
    const count = cursor.u32();
    const table = cursor.at;
    if (count * offsetSize > cursor.end - table) throw cursor.error("an index that is longer than its table");
    for (let i = 0; i < count; i++) {
      const at = cursor.at;
      const target = table + cursor.uint(offsetSize);
      if (target > cursor.end) throw cursor.error("an index that leaves its table");
      patches.push({ at, size: offsetSize, value: splices.map(target) - splices.map(table) });
    }
    cursor.at = cursor.end;
  }
  return patches;
}
