// Numbers of the ELF specification (gABI), the processor supplements and the Linux kernel, by their own names.

export const EI_CLASS = 4;
export const EI_DATA = 5;
export const EI_VERSION = 6;
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ELFDATA2MSB = 2;

export const ET_REL = 1;
export const EM_PPC64 = 21;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

export const SHN_UNDEF = 0;
export const SHN_LORESERVE = 0xff00;
/** A livepatch symbol: resolved by the livepatch core, not by the module loader (include/uapi/linux/elf.h). */
export const SHN_LIVEPATCH = 0xff20;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;
export const SHN_XINDEX = 0xffff;

export const SHT_NULL = 0;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
const SHT_HASH = 5;
const SHT_DYNAMIC = 6;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHT_DYNSYM = 11;
const SHT_INIT_ARRAY = 14;
const SHT_FINI_ARRAY = 15;
const SHT_PREINIT_ARRAY = 16;
export const SHT_GROUP = 17;
export const SHT_SYMTAB_SHNDX = 18;
export const SHT_LOOS = 0x6000_0000;
export const SHT_LLVM_LINKER_OPTIONS = 0x6fff_4c01;
/** Old call graph profile: entries of {from symbol u32, to symbol u32, weight u64}. */
export const SHT_LLVM_CALL_GRAPH_PROFILE_V0 = 0x6fff_4c02;
/** Address-significance table: ULEB128 symbol indices. */
export const SHT_LLVM_ADDRSIG = 0x6fff_4c03;
export const SHT_LLVM_DEPENDENT_LIBRARIES = 0x6fff_4c04;
export const SHT_LLVM_BB_ADDR_MAP_V0 = 0x6fff_4c08;
export const SHT_LLVM_CALL_GRAPH_PROFILE = 0x6fff_4c09;
export const SHT_LLVM_BB_ADDR_MAP = 0x6fff_4c0a;
export const SHT_LLVM_OFFLOADING = 0x6fff_4c0b;
export const SHT_LLVM_LTO = 0x6fff_4c0c;
export const SHT_GNU_ATTRIBUTES = 0x6fff_fff5;
export const SHT_X86_64_UNWIND = 0x7000_0001;
export const SHT_AARCH64_ATTRIBUTES = 0x7000_0003;

export const SHF_WRITE = 0x1;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
export const SHF_INFO_LINK = 0x40;
export const SHF_LINK_ORDER = 0x80;
export const SHF_GROUP = 0x200;
export const SHF_TLS = 0x400;
export const SHF_COMPRESSED = 0x800;
/** The section holds livepatch relocations (include/uapi/linux/elf.h). */
export const SHF_RELA_LIVEPATCH = 0x0010_0000;

export const STB_LOCAL = 0;
export const STB_GLOBAL = 1;
export const STB_WEAK = 2;
export const STT_NOTYPE = 0;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_SECTION = 3;
export const STT_FILE = 4;
export const STT_TLS = 6;

const named = <K extends number>(rows: readonly (readonly [K, string])[]): ReadonlyMap<number, string> =>
  new Map<number, string>(rows);

/** e_type, spelled for people. */
export const fileTypeNames = named([
  [0, "a file of type ET_NONE"],
  [1, "a relocatable file (ET_REL)"],
  [2, "an executable (ET_EXEC)"],
  [3, "a shared object or position-independent executable (ET_DYN)"],
  [4, "a core dump (ET_CORE)"],
]);

/** e_machine of architectures that have, or had, Linux livepatch or kernel modules. */
export const machineNames = named([
  [3, "i386"],
  [8, "MIPS"],
  [15, "PA-RISC"],
  [20, "PowerPC (32-bit)"],
  [EM_PPC64, "ppc64"],
  [22, "s390"],
  [40, "ARM"],
  [43, "SPARC V9"],
  [EM_X86_64, "x86_64"],
  [EM_AARCH64, "arm64"],
  [243, "RISC-V"],
  [247, "BPF"],
  [258, "LoongArch"],
]);

export const sectionTypeNames = named([
  [SHT_NULL, "NULL"],
  [SHT_PROGBITS, "PROGBITS"],
  [SHT_SYMTAB, "SYMTAB"],
  [SHT_STRTAB, "STRTAB"],
  [SHT_RELA, "RELA"],
  [SHT_HASH, "HASH"],
  [SHT_DYNAMIC, "DYNAMIC"],
  [SHT_NOTE, "NOTE"],
  [SHT_NOBITS, "NOBITS"],
  [SHT_REL, "REL"],
  [SHT_DYNSYM, "DYNSYM"],
  [SHT_INIT_ARRAY, "INIT_ARRAY"],
  [SHT_FINI_ARRAY, "FINI_ARRAY"],
  [SHT_PREINIT_ARRAY, "PREINIT_ARRAY"],
  [SHT_GROUP, "GROUP"],
  [SHT_SYMTAB_SHNDX, "SYMTAB_SHNDX"],
  [SHT_LLVM_LINKER_OPTIONS, "LLVM_LINKER_OPTIONS"],
  [SHT_LLVM_CALL_GRAPH_PROFILE_V0, "LLVM_CALL_GRAPH_PROFILE_V0"],
  [SHT_LLVM_ADDRSIG, "LLVM_ADDRSIG"],
  [SHT_LLVM_DEPENDENT_LIBRARIES, "LLVM_DEPENDENT_LIBRARIES"],
  [SHT_LLVM_CALL_GRAPH_PROFILE, "LLVM_CALL_GRAPH_PROFILE"],
  [SHT_LLVM_BB_ADDR_MAP, "LLVM_BB_ADDR_MAP"],
  [SHT_LLVM_LTO, "LLVM_LTO"],
  [SHT_GNU_ATTRIBUTES, "GNU_ATTRIBUTES"],
]);

export const bindNames = named([
  [0, "LOCAL"],
  [1, "GLOBAL"],
  [2, "WEAK"],
  [10, "UNIQUE"],
]);

export const symbolTypeNames = named([
  [0, "NOTYPE"],
  [1, "OBJECT"],
  [2, "FUNC"],
  [3, "SECTION"],
  [4, "FILE"],
  [5, "COMMON"],
  [6, "TLS"],
  [10, "IFUNC"],
]);

export const visibilityNames = named([
  [0, "DEFAULT"],
  [1, "INTERNAL"],
  [2, "HIDDEN"],
  [3, "PROTECTED"],
]);
