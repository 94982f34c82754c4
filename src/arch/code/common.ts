// Tables that all architectures have (include/asm-generic/bug.h, include/linux/jump_label.h; 6.1, 6.12, 7.2).

import type { OwnedTable } from "./code.ts";

/** {s32 bug_addr, s32 file, u16 line, u16 flags}; without CONFIG_DEBUG_BUGVERBOSE {s32 bug_addr, u16 flags}, filled up to 8. */
export const BUG_TABLE: OwnedTable = {
  section: "__bug_table",
  struct: "bug_entry",
  sizes: [12, 8, 24],
  owner: 0,
  exempt: [{ at: 8, size: 2, ofSize: 12, file: 4 }],
};

/** {s32 code, s32 target, s64 key}; before 5.13 ppc64le, and older kernels in general, had three addresses. */
export const JUMP_TABLE: OwnedTable = { section: "__jump_table", struct: "jump_entry", sizes: [16, 24], owner: 0 };

/** {s32 place}: clang's kCFI checks. */
export const KCFI_TRAPS: OwnedTable = { section: ".kcfi_traps", sizes: [4], owner: 0 };
