import { type Fault, IGNORED, type RelocDef, signed, UNCHECKED, unsigned } from "./def.ts";
import { DOUBLEWORD, WORD } from "./field.ts";

// System V ABI, AMD64 Supplement, 4.4 "Relocation".
// Accepted by apply_relocate_add in the kernel's arch/x86/kernel/module.c (6.1, 6.12, 7.2).
//
// PC32 and PLT32 are the same to the kernel (there is no PLT) and are cut to 32 bits without a check: everything that a
// module refers to lies in the top 2 GiB of the address space. The place must be all zero before the value is stored,
// so that a second application is noticed.

const where = (f: Fault): string => `for sec ${f.section}, idx ${f.row}, type ${f.type}, loc ${f.place.toString(16)}`;
/** The address was printed hashed (%p) until the message got section and index. */
const hashed = (f: Fault): string => `for type ${f.type}, loc ADDRESS`;

function message(f: Fault): string {
  const detailed = f.has("x86PlaceInMessage");
  if (f.kind === "nonzero") {
    const value = BigInt.asUintN(64, f.value).toString(16);
    const word = f.has("x86ClearsOnUnload") ? "Invalid" : "Skipping invalid";
    const what = `module: x86/modules: ${word} relocation target, existing value is nonzero`;
    return `${what} ${detailed ? where(f) : hashed(f)}, val ${value}`;
  }
  const place = detailed ? ` sec ${f.section} idx ${f.row}` : "";
  return `module: overflow in relocation type ${f.type} val ${f.target.toString(16)}${place}
module: \`${f.module}' likely not compiled with -mcmodel=kernel`;
}

/** Data are values, too: what stands in code only counts there. */
const VALUE = { stand: { kind: "value" }, align: 1, message } as const;
const WHOLE = { bytes: 8, field: DOUBLEWORD, overflow: UNCHECKED, ...VALUE } as const;
const RELATIVE = {
  bytes: 4,
  value: "S+A-P",
  field: WORD,
  overflow: UNCHECKED,
  align: 1,
  holds: signed(32),
  stand: { kind: "operand" },
  message,
} as const;

// biome-ignore format: one row a type
export const x86_64: readonly RelocDef[] = [
  { type: 0, name: "R_X86_64_NONE", ...IGNORED },
  { type: 1, name: "R_X86_64_64", value: "S+A", ...WHOLE },
  { type: 2, name: "R_X86_64_PC32", ...RELATIVE },
  { type: 4, name: "R_X86_64_PLT32", ...RELATIVE, since: "x86Plt32" },
  { type: 10, name: "R_X86_64_32", bytes: 4, value: "S+A", field: WORD, overflow: unsigned(32), ...VALUE },
  { type: 11, name: "R_X86_64_32S", bytes: 4, value: "S+A", field: WORD, overflow: signed(32), ...VALUE },
  { type: 24, name: "R_X86_64_PC64", value: "S+A-P", ...WHOLE, since: "x86Pc64" },
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
