// Attribute values (DWARF 5, 7.5.5): how many bytes each form takes, and those values that lines are found with.

import {
  DW_FORM_addr,
  DW_FORM_addrx,
  DW_FORM_addrx1,
  DW_FORM_addrx2,
  DW_FORM_addrx3,
  DW_FORM_addrx4,
  DW_FORM_block,
  DW_FORM_block1,
  DW_FORM_block2,
  DW_FORM_block4,
  DW_FORM_data1,
  DW_FORM_data2,
  DW_FORM_data4,
  DW_FORM_data8,
  DW_FORM_data16,
  DW_FORM_exprloc,
  DW_FORM_flag,
  DW_FORM_flag_present,
  DW_FORM_GNU_addr_index,
  DW_FORM_GNU_ref_alt,
  DW_FORM_GNU_str_index,
  DW_FORM_GNU_strp_alt,
  DW_FORM_implicit_const,
  DW_FORM_indirect,
  DW_FORM_line_strp,
  DW_FORM_loclistx,
  DW_FORM_ref_addr,
  DW_FORM_ref_sig8,
  DW_FORM_ref_sup4,
  DW_FORM_ref_sup8,
  DW_FORM_ref_udata,
  DW_FORM_ref1,
  DW_FORM_ref2,
  DW_FORM_ref4,
  DW_FORM_ref8,
  DW_FORM_rnglistx,
  DW_FORM_sdata,
  DW_FORM_sec_offset,
  DW_FORM_string,
  DW_FORM_strp,
  DW_FORM_strp_sup,
  DW_FORM_strx,
  DW_FORM_strx1,
  DW_FORM_strx2,
  DW_FORM_strx3,
  DW_FORM_strx4,
  DW_FORM_udata,
} from "./consts.ts";
import type { Cursor } from "./cursor.ts";

/** The sizes that forms depend on, from a unit's header. */
export interface FormSizes {
  readonly version: number;
  readonly offsetSize: 4 | 8;
  readonly addressSize: number;
}

/**
 * Reads one value and returns it as a number: an address, a constant, an index, or the offset that a reference or a
 * string stands at (in the section that the form means). For blocks it is their offset; flags are 0 or 1.
 */
export function readForm(cursor: Cursor, form: number, sizes: FormSizes, implicit: number): number {
  switch (form) {
    case DW_FORM_addr:
      return cursor.uint(sizes.addressSize);
    case DW_FORM_data1:
    case DW_FORM_ref1:
    case DW_FORM_flag:
    case DW_FORM_strx1:
    case DW_FORM_addrx1:
      return cursor.u8();
    case DW_FORM_data2:
    case DW_FORM_ref2:
    case DW_FORM_strx2:
    case DW_FORM_addrx2:
      return cursor.u16();
    case DW_FORM_strx3:
    case DW_FORM_addrx3:
      return cursor.u24();
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_strx4:
    case DW_FORM_addrx4:
    case DW_FORM_ref_sup4:
      return cursor.u32();
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
      return cursor.u64();
    case DW_FORM_data16:
      return cursor.skip(16);
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
    case DW_FORM_GNU_addr_index:
    case DW_FORM_GNU_str_index:
      return cursor.uleb();
    case DW_FORM_sdata:
      return cursor.sleb();
    case DW_FORM_strp:
    case DW_FORM_line_strp:
    case DW_FORM_strp_sup:
    case DW_FORM_sec_offset:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
      return cursor.uint(sizes.offsetSize);
    case DW_FORM_ref_addr:
      // Of the size of an address in DWARF 2, of an offset since.
      return cursor.uint(sizes.version <= 2 ? sizes.addressSize : sizes.offsetSize);
    case DW_FORM_string: {
      const start = cursor.at;
      cursor.string();
      return start;
    }
    case DW_FORM_block1:
      return cursor.skip(cursor.u8());
    case DW_FORM_block2:
      return cursor.skip(cursor.u16());
    case DW_FORM_block4:
      return cursor.skip(cursor.u32());
    case DW_FORM_block:
    case DW_FORM_exprloc:
      return cursor.skip(cursor.uleb());
    case DW_FORM_flag_present:
      return 1;
    case DW_FORM_implicit_const:
      return implicit;
    case DW_FORM_indirect: {
      const actual = cursor.uleb();
      if (actual === DW_FORM_indirect) throw cursor.error("an indirect form of an indirect form");
      return readForm(cursor, actual, sizes, 0);
    }
    default:
      throw cursor.error(`the unknown form 0x${form.toString(16)}`);
  }
}

/** Whether a value of this form is an index into .debug_addr. */
export function isAddressIndex(form: number): boolean {
  return (
    form === DW_FORM_addrx || (form >= DW_FORM_addrx1 && form <= DW_FORM_addrx4) || form === DW_FORM_GNU_addr_index
  );
}

/** Whether a value of this form is an index into .debug_str_offsets. */
export function isStringIndex(form: number): boolean {
  return form === DW_FORM_strx || (form >= DW_FORM_strx1 && form <= DW_FORM_strx4) || form === DW_FORM_GNU_str_index;
}

/** Whether a value of this form is an offset from the start of its own unit. */
export function isUnitReference(form: number): boolean {
  return (form >= DW_FORM_ref1 && form <= DW_FORM_ref8) || form === DW_FORM_ref_udata;
}
