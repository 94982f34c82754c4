import type { RelocDef } from "./def.ts";

// System V ABI, AMD64 Supplement, 4.4 "Relocation".
// Accepted by apply_relocate_add in the kernel's arch/x86/kernel/module.c (6.1, 6.12, 7.2).

export const x86_64: readonly RelocDef[] = [
  { type: 0, name: "R_X86_64_NONE", bytes: 0 },
  { type: 1, name: "R_X86_64_64", bytes: 8 },
  { type: 2, name: "R_X86_64_PC32", bytes: 4 },
  { type: 4, name: "R_X86_64_PLT32", bytes: 4 },
  { type: 10, name: "R_X86_64_32", bytes: 4 },
  { type: 11, name: "R_X86_64_32S", bytes: 4 },
  { type: 24, name: "R_X86_64_PC64", bytes: 8 },
];

/** Names of the types that the loader refuses, for messages. */
export const x86_64OtherNames: ReadonlyMap<number, string> = new Map([
  [3, "R_X86_64_GOT32"],
  [5, "R_X86_64_COPY"],
  [6, "R_X86_64_GLOB_DAT"],
  [7, "R_X86_64_JUMP_SLOT"],
  [8, "R_X86_64_RELATIVE"],
  [9, "R_X86_64_GOTPCREL"],
  [12, "R_X86_64_16"],
  [13, "R_X86_64_PC16"],
  [14, "R_X86_64_8"],
  [15, "R_X86_64_PC8"],
  [16, "R_X86_64_DTPMOD64"],
  [17, "R_X86_64_DTPOFF64"],
  [18, "R_X86_64_TPOFF64"],
  [19, "R_X86_64_TLSGD"],
  [20, "R_X86_64_TLSLD"],
  [21, "R_X86_64_DTPOFF32"],
  [22, "R_X86_64_GOTTPOFF"],
  [23, "R_X86_64_TPOFF32"],
  [25, "R_X86_64_GOTOFF64"],
  [26, "R_X86_64_GOTPC32"],
  [27, "R_X86_64_GOT64"],
  [28, "R_X86_64_GOTPCREL64"],
  [29, "R_X86_64_GOTPC64"],
  [30, "R_X86_64_GOTPLT64"],
  [31, "R_X86_64_PLTOFF64"],
  [32, "R_X86_64_SIZE32"],
  [33, "R_X86_64_SIZE64"],
  [34, "R_X86_64_GOTPC32_TLSDESC"],
  [35, "R_X86_64_TLSDESC_CALL"],
  [36, "R_X86_64_TLSDESC"],
  [37, "R_X86_64_IRELATIVE"],
  [38, "R_X86_64_RELATIVE64"],
  [41, "R_X86_64_GOTPCRELX"],
  [42, "R_X86_64_REX_GOTPCRELX"],
]);
