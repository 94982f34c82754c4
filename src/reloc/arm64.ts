import type { HasFact } from "../kernel/versionFacts.ts";
import { type Fault, IGNORED, type RelocDef, signed, UNCHECKED, unsigned } from "./def.ts";
import { DOUBLEWORD, type Field, HALF, WORD } from "./field.ts";
import { type Stand, words } from "./stand.ts";

// ELF for the Arm 64-bit Architecture, "Relocation".
// Accepted by apply_relocate_add in the kernel's arch/arm64/kernel/module.c (6.1, 6.12, 7.2).
//
// The kernel stores first and checks then, and its ranges for data are narrower than the ABI's: ABS32 and ABS16 are
// unsigned, PREL32 and PREL16 signed. Low bits that a field has no room for are dropped without an alignment check.
// A MOVW type with a sign chooses between MOVZ and MOVN (bits 30:29); it fits if the value or its complement does.
// The encoder returns the word BRK #0x100 unchanged, since that is how it reports its own failures.

const BRK_FAULT = 0xd420_2000;

const MOVW = (from: number): Field => ({ bytes: 4, slices: [{ from, width: 16, at: 5 }], frozen: BRK_FAULT });
const MOVNZ = (from: number): Field => ({
  ...MOVW(from),
  signForm: { mask: 0x6000_0000, positive: 0x4000_0000, negative: 0 },
});
/** The 12-bit immediate; scaled accesses leave its top bits zero. */
const IMM12 = (from: number): Field => ({
  bytes: 4,
  slices: [{ from, width: 12 - from, at: 10 }],
  clears: 0x003f_fc00,
  frozen: BRK_FAULT,
});
/** A count of instructions in `width` bits. */
const WORDS = (width: number, at: number): Field => ({
  bytes: 4,
  slices: [{ from: 2, width, at }],
  frozen: BRK_FAULT,
});
const ADR: Field = {
  bytes: 4,
  slices: [
    { from: 0, width: 2, at: 29 },
    { from: 2, width: 19, at: 5 },
  ],
  frozen: BRK_FAULT,
};
const ADRP: Field = {
  bytes: 4,
  slices: [
    { from: 12, width: 2, at: 29 }, // immlo
    { from: 14, width: 18, at: 5 }, // immhi, below bit 32
    { from: 32, width: 1, at: 23 }, // immhi, sign
  ],
  frozen: BRK_FAULT,
};

export const arm64Prefix = (has: HasFact): string => (has("arm64Prefix") ? "Modules: " : "");
const message = (f: Fault): string =>
  `${arm64Prefix(f.has)}module ${f.module}: overflow in relocation type ${f.type} val ${f.target.toString(16)}`;

const DATA8 = { bytes: 8, field: DOUBLEWORD, overflow: UNCHECKED, align: 1, message } as const;
const DATA4 = { bytes: 4, field: WORD, align: 1, message } as const;
const DATA2 = { bytes: 2, field: HALF, align: 1, message } as const;
const INSN = { bytes: 4, align: 1, message } as const;
const ABS = { ...INSN, value: "S+A" } as const;
const PREL = { ...INSN, value: "S+A-P" } as const;
const PAGE = { ...INSN, value: "page(S+A)-page(P)", field: ADRP, hook: "adrp" } as const;

// What each may stand at: Arm Architecture Reference Manual, C4.1 (top-level encodings), by the bits that are fixed.
const BRANCH: Stand = words("b or bl", [0x7c00_0000, 0x1400_0000]);
const CONDITIONAL: Stand = words("b.cond, cbz or cbnz", [0xff00_0000, 0x5400_0000], [0x7e00_0000, 0x3400_0000]);
const TEST: Stand = words("tbz or tbnz", [0x7e00_0000, 0x3600_0000]);
const LITERAL: Stand = words("a load of a literal", [0x3b00_0000, 0x1800_0000]);
const ADR_WORD: Stand = words("adr", [0x9f00_0000, 0x1000_0000]);
const ADRP_WORD: Stand = words("adrp", [0x9f00_0000, 0x9000_0000]);
const ADD: Stand = words("add with an immediate", [0x7f80_0000, 0x1100_0000]);
const LDST: Stand = words("a load or store with an immediate offset", [0x3b00_0000, 0x3900_0000]);
const MOVE: Stand = words("movz, movn or movk", [0x1f80_0000, 0x1280_0000]);

// biome-ignore format: one row a type
export const arm64: readonly RelocDef[] = [
  { type: 0, name: "R_AARCH64_NONE", ...IGNORED },
  { type: 256, name: "R_AARCH64_NONE", ...IGNORED },
  { type: 257, name: "R_AARCH64_ABS64", value: "S+A", ...DATA8 },
  { type: 258, name: "R_AARCH64_ABS32", value: "S+A", ...DATA4, overflow: unsigned(32) },
  { type: 259, name: "R_AARCH64_ABS16", value: "S+A", ...DATA2, overflow: unsigned(16) },
  { type: 260, name: "R_AARCH64_PREL64", value: "S+A-P", ...DATA8 },
  { type: 261, name: "R_AARCH64_PREL32", value: "S+A-P", ...DATA4, overflow: signed(32) },
  { type: 262, name: "R_AARCH64_PREL16", value: "S+A-P", ...DATA2, overflow: signed(16) },
  { type: 263, name: "R_AARCH64_MOVW_UABS_G0", ...ABS, field: MOVW(0), overflow: unsigned(16), stand: MOVE },
  { type: 264, name: "R_AARCH64_MOVW_UABS_G0_NC", ...ABS, field: MOVW(0), overflow: UNCHECKED, stand: MOVE },
  { type: 265, name: "R_AARCH64_MOVW_UABS_G1", ...ABS, field: MOVW(16), overflow: unsigned(32), stand: MOVE },
  { type: 266, name: "R_AARCH64_MOVW_UABS_G1_NC", ...ABS, field: MOVW(16), overflow: UNCHECKED, stand: MOVE },
  { type: 267, name: "R_AARCH64_MOVW_UABS_G2", ...ABS, field: MOVW(32), overflow: unsigned(48), stand: MOVE },
  { type: 268, name: "R_AARCH64_MOVW_UABS_G2_NC", ...ABS, field: MOVW(32), overflow: UNCHECKED, stand: MOVE },
  { type: 269, name: "R_AARCH64_MOVW_UABS_G3", ...ABS, field: MOVW(48), overflow: UNCHECKED, stand: MOVE },
  { type: 270, name: "R_AARCH64_MOVW_SABS_G0", ...ABS, field: MOVNZ(0), overflow: signed(17), stand: MOVE },
  { type: 271, name: "R_AARCH64_MOVW_SABS_G1", ...ABS, field: MOVNZ(16), overflow: signed(33), stand: MOVE },
  { type: 272, name: "R_AARCH64_MOVW_SABS_G2", ...ABS, field: MOVNZ(32), overflow: signed(49), stand: MOVE },
  { type: 273, name: "R_AARCH64_LD_PREL_LO19", ...PREL, field: WORDS(19, 5), overflow: signed(21), stand: LITERAL },
  { type: 274, name: "R_AARCH64_ADR_PREL_LO21", ...PREL, field: ADR, overflow: signed(21), stand: ADR_WORD },
  { type: 275, name: "R_AARCH64_ADR_PREL_PG_HI21", ...PAGE, overflow: signed(33), stand: ADRP_WORD },
  { type: 276, name: "R_AARCH64_ADR_PREL_PG_HI21_NC", ...PAGE, overflow: UNCHECKED, stand: ADRP_WORD },
  { type: 277, name: "R_AARCH64_ADD_ABS_LO12_NC", ...ABS, field: IMM12(0), overflow: UNCHECKED, stand: ADD },
  { type: 278, name: "R_AARCH64_LDST8_ABS_LO12_NC", ...ABS, field: IMM12(0), overflow: UNCHECKED, stand: LDST },
  { type: 279, name: "R_AARCH64_TSTBR14", ...PREL, field: WORDS(14, 5), overflow: signed(16), stand: TEST },
  { type: 280, name: "R_AARCH64_CONDBR19", ...PREL, field: WORDS(19, 5), overflow: signed(21), stand: CONDITIONAL },
  { type: 282, name: "R_AARCH64_JUMP26", ...PREL, field: WORDS(26, 0), overflow: signed(28), hook: "branch", stand: BRANCH },
  { type: 283, name: "R_AARCH64_CALL26", ...PREL, field: WORDS(26, 0), overflow: signed(28), hook: "branch", stand: BRANCH },
  { type: 284, name: "R_AARCH64_LDST16_ABS_LO12_NC", ...ABS, field: IMM12(1), overflow: UNCHECKED, stand: LDST },
  { type: 285, name: "R_AARCH64_LDST32_ABS_LO12_NC", ...ABS, field: IMM12(2), overflow: UNCHECKED, stand: LDST },
  { type: 286, name: "R_AARCH64_LDST64_ABS_LO12_NC", ...ABS, field: IMM12(3), overflow: UNCHECKED, stand: LDST },
  { type: 287, name: "R_AARCH64_MOVW_PREL_G0", ...PREL, field: MOVNZ(0), overflow: signed(17), stand: MOVE },
  { type: 288, name: "R_AARCH64_MOVW_PREL_G0_NC", ...PREL, field: MOVW(0), overflow: UNCHECKED, stand: MOVE },
  { type: 289, name: "R_AARCH64_MOVW_PREL_G1", ...PREL, field: MOVNZ(16), overflow: signed(33), stand: MOVE },
  { type: 290, name: "R_AARCH64_MOVW_PREL_G1_NC", ...PREL, field: MOVW(16), overflow: UNCHECKED, stand: MOVE },
  { type: 291, name: "R_AARCH64_MOVW_PREL_G2", ...PREL, field: MOVNZ(32), overflow: signed(49), stand: MOVE },
  { type: 292, name: "R_AARCH64_MOVW_PREL_G2_NC", ...PREL, field: MOVW(32), overflow: UNCHECKED, stand: MOVE },
  { type: 293, name: "R_AARCH64_MOVW_PREL_G3", ...PREL, field: MOVNZ(48), overflow: UNCHECKED, stand: MOVE },
  { type: 299, name: "R_AARCH64_LDST128_ABS_LO12_NC", ...ABS, field: IMM12(4), overflow: UNCHECKED, stand: LDST },
];

/** Names of the types that the loader refuses, for messages. */
export const arm64OtherNames: ReadonlyMap<number, string> = new Map([
  [300, "R_AARCH64_MOVW_GOTOFF_G0"],
  [301, "R_AARCH64_MOVW_GOTOFF_G0_NC"],
  [302, "R_AARCH64_MOVW_GOTOFF_G1"],
  [303, "R_AARCH64_MOVW_GOTOFF_G1_NC"],
  [304, "R_AARCH64_MOVW_GOTOFF_G2"],
  [305, "R_AARCH64_MOVW_GOTOFF_G2_NC"],
  [306, "R_AARCH64_MOVW_GOTOFF_G3"],
  [307, "R_AARCH64_GOTREL64"],
  [308, "R_AARCH64_GOTREL32"],
  [309, "R_AARCH64_GOT_LD_PREL19"],
  [310, "R_AARCH64_LD64_GOTOFF_LO15"],
  [311, "R_AARCH64_ADR_GOT_PAGE"],
  [312, "R_AARCH64_LD64_GOT_LO12_NC"],
  [313, "R_AARCH64_LD64_GOTPAGE_LO15"],
  [512, "R_AARCH64_TLSGD_ADR_PREL21"],
  [513, "R_AARCH64_TLSGD_ADR_PAGE21"],
  [514, "R_AARCH64_TLSGD_ADD_LO12_NC"],
  [515, "R_AARCH64_TLSGD_MOVW_G1"],
  [516, "R_AARCH64_TLSGD_MOVW_G0_NC"],
  [517, "R_AARCH64_TLSLD_ADR_PREL21"],
  [518, "R_AARCH64_TLSLD_ADR_PAGE21"],
  [519, "R_AARCH64_TLSLD_ADD_LO12_NC"],
  [520, "R_AARCH64_TLSLD_MOVW_G1"],
  [521, "R_AARCH64_TLSLD_MOVW_G0_NC"],
  [522, "R_AARCH64_TLSLD_LD_PREL19"],
  [523, "R_AARCH64_TLSLD_MOVW_DTPREL_G2"],
  [524, "R_AARCH64_TLSLD_MOVW_DTPREL_G1"],
  [525, "R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC"],
  [526, "R_AARCH64_TLSLD_MOVW_DTPREL_G0"],
  [527, "R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC"],
  [528, "R_AARCH64_TLSLD_ADD_DTPREL_HI12"],
  [529, "R_AARCH64_TLSLD_ADD_DTPREL_LO12"],
  [530, "R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC"],
  [531, "R_AARCH64_TLSLD_LDST8_DTPREL_LO12"],
  [532, "R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC"],
  [533, "R_AARCH64_TLSLD_LDST16_DTPREL_LO12"],
  [534, "R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC"],
  [535, "R_AARCH64_TLSLD_LDST32_DTPREL_LO12"],
  [536, "R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC"],
  [537, "R_AARCH64_TLSLD_LDST64_DTPREL_LO12"],
  [538, "R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC"],
  [539, "R_AARCH64_TLSIE_MOVW_GOTTPREL_G1"],
  [540, "R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC"],
  [541, "R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21"],
  [542, "R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC"],
  [543, "R_AARCH64_TLSIE_LD_GOTTPREL_PREL19"],
  [544, "R_AARCH64_TLSLE_MOVW_TPREL_G2"],
  [545, "R_AARCH64_TLSLE_MOVW_TPREL_G1"],
  [546, "R_AARCH64_TLSLE_MOVW_TPREL_G1_NC"],
  [547, "R_AARCH64_TLSLE_MOVW_TPREL_G0"],
  [548, "R_AARCH64_TLSLE_MOVW_TPREL_G0_NC"],
  [549, "R_AARCH64_TLSLE_ADD_TPREL_HI12"],
  [550, "R_AARCH64_TLSLE_ADD_TPREL_LO12"],
  [551, "R_AARCH64_TLSLE_ADD_TPREL_LO12_NC"],
  [552, "R_AARCH64_TLSLE_LDST8_TPREL_LO12"],
  [553, "R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC"],
  [554, "R_AARCH64_TLSLE_LDST16_TPREL_LO12"],
  [555, "R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC"],
  [556, "R_AARCH64_TLSLE_LDST32_TPREL_LO12"],
  [557, "R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC"],
  [558, "R_AARCH64_TLSLE_LDST64_TPREL_LO12"],
  [559, "R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC"],
  [560, "R_AARCH64_TLSDESC_LD_PREL19"],
  [561, "R_AARCH64_TLSDESC_ADR_PREL21"],
  [562, "R_AARCH64_TLSDESC_ADR_PAGE21"],
  [563, "R_AARCH64_TLSDESC_LD64_LO12"],
  [564, "R_AARCH64_TLSDESC_ADD_LO12"],
  [565, "R_AARCH64_TLSDESC_OFF_G1"],
  [566, "R_AARCH64_TLSDESC_OFF_G0_NC"],
  [567, "R_AARCH64_TLSDESC_LDR"],
  [568, "R_AARCH64_TLSDESC_ADD"],
  [569, "R_AARCH64_TLSDESC_CALL"],
  [570, "R_AARCH64_TLSLE_LDST128_TPREL_LO12"],
  [571, "R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC"],
  [572, "R_AARCH64_TLSLD_LDST128_DTPREL_LO12"],
  [573, "R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC"],
  [1024, "R_AARCH64_COPY"],
  [1025, "R_AARCH64_GLOB_DAT"],
  [1026, "R_AARCH64_JUMP_SLOT"],
  [1027, "R_AARCH64_RELATIVE"],
  [1028, "R_AARCH64_TLS_DTPMOD"],
  [1029, "R_AARCH64_TLS_DTPREL"],
  [1030, "R_AARCH64_TLS_TPREL"],
  [1031, "R_AARCH64_TLSDESC"],
  [1032, "R_AARCH64_IRELATIVE"],
]);
