// ppc64le: instructions that refer to places (Power ISA 3.1, I-form and B-form), and moves of constants.

import { viewOf } from "../../base/bytes.ts";
import { R_PPC64_REL24 } from "../../reloc/numbers.ts";
import { ppc64leOtherNames, ppc64le as relocs } from "../../reloc/ppc64le.ts";
import { decodeBranch, NOP } from "../../stubs/insn.ts";
import type { CodeInstruction, CodeTraits, OwnedTable, RewrittenField } from "./code.ts";
import { BUG_TABLE, JUMP_TABLE, KCFI_TRAPS } from "./common.ts";
import { ppc64lePointerUse } from "./pointers.ts";
import { typesNamed } from "./types.ts";

/** The byte order of instructions, which this row is for. */
const INSTRUCTIONS_ARE_LITTLE = true;

/** li, lis, and ori or oris of a register with itself. */
function constantOf(word: number): CodeInstruction["constant"] {
  const opcode = word >>> 26;
  const target = (word >>> 21) & 31;
  const other = (word >>> 16) & 31;
  const value = word & 0xffff;
  const signed = (value << 16) >> 16;
  if (opcode === 14 && other === 0) return { register: target, value: signed, form: "whole" };
  if (opcode === 15 && other === 0) return { register: target, value: signed * 0x1_0000, form: "whole" };
  if (word === NOP || target !== other) return null;
  if (opcode === 24) return { register: target, value, form: "part" };
  if (opcode === 25) return { register: target, value: value * 0x1_0000, form: "part" };
  return null;
}

function decode(code: Uint8Array, at: number): CodeInstruction | null {
  if (at + 4 > code.length) return null;
  const word = viewOf(code).getUint32(at, INSTRUCTIONS_ARE_LITTLE);
  const branch = decodeBranch(word);
  const isIndirect = word >>> 26 === 19 && (((word >>> 1) & 0x3ff) === 16 || ((word >>> 1) & 0x3ff) === 528);
  const links = (word & 1) !== 0;
  const isAlways = ((word >>> 21) & 0x14) === 0x14;
  const isTrap = word === 0x7fe0_0008;
  return {
    // A prefixed instruction: opcode 1.
    size: word >>> 26 === 1 ? 8 : 4,
    relative:
      branch === null || branch.absolute
        ? null
        : {
            field: at,
            mask: branch.conditional ? 0xfffc : 0x03ff_fffc,
            to: at + branch.displacement,
            isBranch: true,
          },
    constant: constantOf(word),
    isCall: branch?.links === true || (isIndirect && links),
    isJump:
      (branch !== null && !branch.links && (!branch.conditional || isAlways)) ||
      (isIndirect && !links && isAlways) ||
      isTrap,
  };
}

/** nop, and zeros. */
function fillAt(code: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return code[at] === 0 ? 1 : 0;
  const word = viewOf(code).getUint32(at, INSTRUCTIONS_ARE_LITTLE);
  return word === NOP || word === 0 ? 4 : 0;
}

/** b and bl; conditional branches reach 32 KiB. */
function farBranch(code: Uint8Array, field: number): RewrittenField | null {
  const word = field + 4 <= code.length ? viewOf(code).getUint32(field, INSTRUCTIONS_ARE_LITTLE) : 0;
  return word >>> 26 === 18 ? { type: R_PPC64_REL24, bias: 0, bytes: null, moved: 0 } : null;
}

const types = typesNamed(relocs, ppc64leOtherNames);
const BRANCHES = types(
  "R_PPC64_REL24",
  "R_PPC64_REL24_NOTOC",
  "R_PPC64_REL24_P9NOTOC",
  "R_PPC64_REL14",
  "R_PPC64_REL14_BRTAKEN",
  "R_PPC64_REL14_BRNTAKEN",
);

/** struct fixup_entry (arch/powerpc/include/asm/feature-fixups.h): mask, value, then four distances from its start. */
const featureFixup = (section: string): OwnedTable => ({
  struct: "fixup_entry",
  section,
  sizes: [48],
  owner: 16,
  fromEntry: true,
  piece: { at: 32, size: { end: 40 } },
});

const tables: readonly OwnedTable[] = [
  BUG_TABLE,
  { section: "__ex_table", struct: "exception_table_entry", sizes: [8], owner: 0 },
  JUMP_TABLE,
  KCFI_TRAPS,
  featureFixup("__ftr_fixup"),
  featureFixup("__mmu_ftr_fixup"),
  featureFixup("__fw_ftr_fixup"),
  { section: "__lwsync_fixup", sizes: [8], owner: 0 },
  { section: "__barrier_nospec_fixup", sizes: [8], owner: 0 },
  { section: "__spec_barrier_fixup", sizes: [8], owner: 0 },
  { section: "__uaccess_flush_fixup", sizes: [8], owner: 0 },
  { section: "__entry_flush_fixup", sizes: [8], owner: 0 },
  { section: "__stf_entry_barrier_fixup", sizes: [8], owner: 0 },
  { section: "__stf_exit_barrier_fixup", sizes: [8], owner: 0 },
  { section: "__rfi_flush_fixup", sizes: [8], owner: 0 },
];

export const ppc64leCode: CodeTraits = {
  decode,
  fillAt,
  countsFromField: false,
  branchTypes: BRANCHES,
  sameOnBranches: new Set(),
  relativeTypes: types("R_PPC64_REL32", "R_PPC64_REL64", "R_PPC64_REL16_HA", "R_PPC64_REL16_LO"),
  noneTypes: types("R_PPC64_NONE"),
  tocTypes: types(
    "R_PPC64_TOC16",
    "R_PPC64_TOC16_LO",
    "R_PPC64_TOC16_HI",
    "R_PPC64_TOC16_HA",
    "R_PPC64_TOC16_DS",
    "R_PPC64_TOC16_LO_DS",
  ),
  gotTypes: types("R_PPC64_GOT16_HA", "R_PPC64_GOT16_LO_DS"),
  farBranch,
  withoutGot: () => null,
  landingPads: [],
  arguments: [3, 4, 5, 6, 7, 8, 9, 10],
  tables,
  flagSlack: { base: 32, share: 1 / 8, data: 16, jump: 0 },
  pointerUse: (code, field) => ppc64lePointerUse(code, field, decode),
};
