import { type Fault, IGNORED, type RelocDef, signed, UNCHECKED } from "./def.ts";
import { DOUBLEWORD, type Field, HALF, NOTHING, WORD } from "./field.ts";
import { type Stand, words } from "./stand.ts";

// 64-bit ELF V2 ABI Specification, Power Architecture, 3.5 "Relocation Types".
// Accepted by apply_relocate_add in the kernel's arch/powerpc/kernel/module_64.c (6.1, 6.12, 7.2);
// R_PPC64_NONE is not. REL24_NOTOC, PCREL34 and GOT_PCREL34 only on PCREL kernels (Power10), which in turn do not
// accept the TOC types: the column `feature`.
//
// Halves: #lo is the low 16 bits, #ha the next 16 after adding 0x8000, because the low half is added with its sign.
// DS forms keep the two low bits of the place, which belong to the opcode. r_offset of a halfword relocation points at
// the halfword itself (on little-endian: the first two bytes of the instruction).

const HALF_HA: Field = { bytes: 2, bias: 0x8000, slices: [{ from: 16, width: 16, at: 0 }] };
const HALF_DS: Field = { bytes: 2, slices: [{ from: 2, width: 14, at: 2 }] };
const BRANCH24: Field = { bytes: 4, slices: [{ from: 2, width: 24, at: 2 }] };
/** A prefixed instruction: 18 bits in the prefix, 16 in the suffix. */
const PREFIXED34: Field = {
  bytes: 8,
  slices: [
    { from: 16, width: 16, at: 0, word: 0 },
    { from: 32, width: 2, at: 16, word: 0 },
    { from: 0, width: 16, at: 0, word: 1 },
  ],
};

const outOfRange =
  (name: string) =>
  (f: Fault): string =>
    `module_64: ${f.module}: ${name} ${f.value} out of range!`;
const bad =
  (name: string) =>
  (f: Fault): string =>
    `module_64: ${f.module}: bad ${name} relocation (0x${BigInt.asUintN(64, f.value).toString(16)})`;
const silent = (): string => "";

const WORD_SIZED = { bytes: 4, field: WORD, align: 1 } as const;
const HALF_SIZED = { bytes: 2, field: HALF, align: 1 } as const;
const HA = { bytes: 2, field: HALF_HA, overflow: UNCHECKED, align: 1, holds: signed(32), message: silent } as const;
const WHOLE = { bytes: 8, field: DOUBLEWORD, overflow: UNCHECKED, align: 1, message: silent } as const;

// Power ISA 3.1: `b` and `bl` are I-form, opcode 18, here with AA = 0; the prefix of a prefixed instruction has opcode 1.
const BRANCH: Stand = words("a relative b or bl", [0xfc00_0002, 0x4800_0000]);
const PREFIX: Stand = words("a prefixed instruction", [0xfc00_0000, 0x0400_0000]);
const REL24 = {
  bytes: 4,
  value: "S+A-P",
  field: BRANCH24,
  overflow: signed(26),
  align: 4,
  hook: "branch",
  stand: BRANCH,
} as const;
/** The low half of an instruction; with little-endian bytes, its first. */
const IMMEDIATE = { stand: { kind: "aligned" }, reach: "module" } as const;

// biome-ignore format: one row a type
export const ppc64le: readonly RelocDef[] = [
  { type: 1, name: "R_PPC64_ADDR32", value: "S+A", ...WORD_SIZED, overflow: UNCHECKED, holds: { check: "unsigned", bits: 32 }, message: silent },
  { type: 10, name: "R_PPC64_REL24", ...REL24, message: outOfRange("REL24") },
  { type: 26, name: "R_PPC64_REL32", value: "S+A-P", ...WORD_SIZED, overflow: signed(32), message: outOfRange("REL32") },
  { type: 38, name: "R_PPC64_ADDR64", value: "S+A", ...WHOLE },
  { type: 44, name: "R_PPC64_REL64", value: "S+A-P", ...WHOLE },
  { type: 47, name: "R_PPC64_TOC16", ...IMMEDIATE, feature: "toc", value: "S+A-TOC", ...HALF_SIZED, overflow: signed(16), message: bad("TOC16") },
  { type: 48, name: "R_PPC64_TOC16_LO", ...IMMEDIATE, feature: "toc", value: "S+A-TOC", ...HALF_SIZED, overflow: UNCHECKED, message: silent },
  { type: 50, name: "R_PPC64_TOC16_HA", ...IMMEDIATE, feature: "toc", value: "S+A-TOC", ...HA },
  { type: 51, name: "R_PPC64_TOC", feature: "toc", value: "TOC", ...WHOLE },
  { type: 63, name: "R_PPC64_TOC16_DS", ...IMMEDIATE, feature: "toc", bytes: 2, value: "S+A-TOC", field: HALF_DS, overflow: signed(16), align: 4, message: bad("TOC16_DS") },
  { type: 64, name: "R_PPC64_TOC16_LO_DS", ...IMMEDIATE, feature: "toc", bytes: 2, value: "S+A-TOC", field: HALF_DS, overflow: UNCHECKED, align: 4, message: bad("TOC16_LO_DS") },
  { type: 109, name: "R_PPC64_TOCSAVE", feature: "toc", ...IGNORED },
  { type: 116, name: "R_PPC64_REL24_NOTOC", ...REL24, feature: "pcrel", since: "ppcPcrel", message: outOfRange("REL24") },
  // The prologue at the place is rewritten as a whole: see `entry` in stubs/ppc64le.ts.
  { type: 118, name: "R_PPC64_ENTRY", bytes: 8, value: "none", field: NOTHING, overflow: UNCHECKED, align: 1, hook: "entry", message: silent },
  { type: 132, name: "R_PPC64_PCREL34", bytes: 8, value: "S+A-P", field: PREFIXED34, overflow: signed(34), align: 1, hook: "far data", feature: "pcrel", since: "ppcPcrel", message: outOfRange("REL34"), stand: PREFIX },
  { type: 133, name: "R_PPC64_GOT_PCREL34", bytes: 8, value: "S+A-P", field: PREFIXED34, overflow: UNCHECKED, align: 1, holds: signed(34), hook: "got entry", feature: "pcrel", since: "ppcPcrel", message: silent, stand: PREFIX },
  { type: 250, name: "R_PPC64_REL16_LO", ...IMMEDIATE, value: "S+A-P", ...HALF_SIZED, overflow: UNCHECKED, message: silent },
  { type: 252, name: "R_PPC64_REL16_HA", ...IMMEDIATE, value: "S+A-P", ...HA },
];

/** Names of the types that the loader refuses, for messages. */
export const ppc64leOtherNames: ReadonlyMap<number, string> = new Map([
  [0, "R_PPC64_NONE"],
  [2, "R_PPC64_ADDR24"],
  [3, "R_PPC64_ADDR16"],
  [4, "R_PPC64_ADDR16_LO"],
  [5, "R_PPC64_ADDR16_HI"],
  [6, "R_PPC64_ADDR16_HA"],
  [7, "R_PPC64_ADDR14"],
  [8, "R_PPC64_ADDR14_BRTAKEN"],
  [9, "R_PPC64_ADDR14_BRNTAKEN"],
  [11, "R_PPC64_REL14"],
  [12, "R_PPC64_REL14_BRTAKEN"],
  [13, "R_PPC64_REL14_BRNTAKEN"],
  [14, "R_PPC64_GOT16"],
  [15, "R_PPC64_GOT16_LO"],
  [16, "R_PPC64_GOT16_HI"],
  [17, "R_PPC64_GOT16_HA"],
  [19, "R_PPC64_COPY"],
  [20, "R_PPC64_GLOB_DAT"],
  [21, "R_PPC64_JMP_SLOT"],
  [22, "R_PPC64_RELATIVE"],
  [24, "R_PPC64_UADDR32"],
  [25, "R_PPC64_UADDR16"],
  [27, "R_PPC64_PLT32"],
  [28, "R_PPC64_PLTREL32"],
  [29, "R_PPC64_PLT16_LO"],
  [30, "R_PPC64_PLT16_HI"],
  [31, "R_PPC64_PLT16_HA"],
  [33, "R_PPC64_SECTOFF"],
  [34, "R_PPC64_SECTOFF_LO"],
  [35, "R_PPC64_SECTOFF_HI"],
  [36, "R_PPC64_SECTOFF_HA"],
  [37, "R_PPC64_ADDR30"],
  [39, "R_PPC64_ADDR16_HIGHER"],
  [40, "R_PPC64_ADDR16_HIGHERA"],
  [41, "R_PPC64_ADDR16_HIGHEST"],
  [42, "R_PPC64_ADDR16_HIGHESTA"],
  [43, "R_PPC64_UADDR64"],
  [45, "R_PPC64_PLT64"],
  [46, "R_PPC64_PLTREL64"],
  [49, "R_PPC64_TOC16_HI"],
  [52, "R_PPC64_PLTGOT16"],
  [53, "R_PPC64_PLTGOT16_LO"],
  [54, "R_PPC64_PLTGOT16_HI"],
  [55, "R_PPC64_PLTGOT16_HA"],
  [56, "R_PPC64_ADDR16_DS"],
  [57, "R_PPC64_ADDR16_LO_DS"],
  [58, "R_PPC64_GOT16_DS"],
  [59, "R_PPC64_GOT16_LO_DS"],
  [60, "R_PPC64_PLT16_LO_DS"],
  [61, "R_PPC64_SECTOFF_DS"],
  [62, "R_PPC64_SECTOFF_LO_DS"],
  [65, "R_PPC64_PLTGOT16_DS"],
  [66, "R_PPC64_PLTGOT16_LO_DS"],
  [67, "R_PPC64_TLS"],
  [68, "R_PPC64_DTPMOD64"],
  [69, "R_PPC64_TPREL16"],
  [70, "R_PPC64_TPREL16_LO"],
  [71, "R_PPC64_TPREL16_HI"],
  [72, "R_PPC64_TPREL16_HA"],
  [73, "R_PPC64_TPREL64"],
  [74, "R_PPC64_DTPREL16"],
  [75, "R_PPC64_DTPREL16_LO"],
  [76, "R_PPC64_DTPREL16_HI"],
  [77, "R_PPC64_DTPREL16_HA"],
  [78, "R_PPC64_DTPREL64"],
  [79, "R_PPC64_GOT_TLSGD16"],
  [80, "R_PPC64_GOT_TLSGD16_LO"],
  [81, "R_PPC64_GOT_TLSGD16_HI"],
  [82, "R_PPC64_GOT_TLSGD16_HA"],
  [83, "R_PPC64_GOT_TLSLD16"],
  [84, "R_PPC64_GOT_TLSLD16_LO"],
  [85, "R_PPC64_GOT_TLSLD16_HI"],
  [86, "R_PPC64_GOT_TLSLD16_HA"],
  [87, "R_PPC64_GOT_TPREL16_DS"],
  [88, "R_PPC64_GOT_TPREL16_LO_DS"],
  [89, "R_PPC64_GOT_TPREL16_HI"],
  [90, "R_PPC64_GOT_TPREL16_HA"],
  [91, "R_PPC64_GOT_DTPREL16_DS"],
  [92, "R_PPC64_GOT_DTPREL16_LO_DS"],
  [93, "R_PPC64_GOT_DTPREL16_HI"],
  [94, "R_PPC64_GOT_DTPREL16_HA"],
  [95, "R_PPC64_TPREL16_DS"],
  [96, "R_PPC64_TPREL16_LO_DS"],
  [97, "R_PPC64_TPREL16_HIGHER"],
  [98, "R_PPC64_TPREL16_HIGHERA"],
  [99, "R_PPC64_TPREL16_HIGHEST"],
  [100, "R_PPC64_TPREL16_HIGHESTA"],
  [101, "R_PPC64_DTPREL16_DS"],
  [102, "R_PPC64_DTPREL16_LO_DS"],
  [103, "R_PPC64_DTPREL16_HIGHER"],
  [104, "R_PPC64_DTPREL16_HIGHERA"],
  [105, "R_PPC64_DTPREL16_HIGHEST"],
  [106, "R_PPC64_DTPREL16_HIGHESTA"],
  [107, "R_PPC64_TLSGD"],
  [108, "R_PPC64_TLSLD"],
  [110, "R_PPC64_ADDR16_HIGH"],
  [111, "R_PPC64_ADDR16_HIGHA"],
  [112, "R_PPC64_TPREL16_HIGH"],
  [113, "R_PPC64_TPREL16_HIGHA"],
  [114, "R_PPC64_DTPREL16_HIGH"],
  [115, "R_PPC64_DTPREL16_HIGHA"],
  [117, "R_PPC64_ADDR64_LOCAL"],
  [119, "R_PPC64_PLTSEQ"],
  [120, "R_PPC64_PLTCALL"],
  [121, "R_PPC64_PLTSEQ_NOTOC"],
  [122, "R_PPC64_PLTCALL_NOTOC"],
  [123, "R_PPC64_PCREL_OPT"],
  [124, "R_PPC64_REL24_P9NOTOC"],
  [128, "R_PPC64_D34"],
  [129, "R_PPC64_D34_LO"],
  [130, "R_PPC64_D34_HI30"],
  [131, "R_PPC64_D34_HA30"],
  [134, "R_PPC64_PLT_PCREL34"],
  [135, "R_PPC64_PLT_PCREL34_NOTOC"],
  [247, "R_PPC64_JMP_IREL"],
  [248, "R_PPC64_IRELATIVE"],
  [249, "R_PPC64_REL16"],
  [251, "R_PPC64_REL16_HI"],
]);
