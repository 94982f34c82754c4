// Field offsets in bytes of the ELF64 structures (gABI chapter 4). One table a structure.

export const EHDR = {
  size: 64,
  type: 16,
  machine: 18,
  version: 20,
  entry: 24,
  phoff: 32,
  shoff: 40,
  flags: 48,
  ehsize: 52,
  phentsize: 54,
  phnum: 56,
  shentsize: 58,
  shnum: 60,
  shstrndx: 62,
} as const;

export const SHDR = {
  size: 64,
  name: 0,
  type: 4,
  flags: 8,
  addr: 16,
  offset: 24,
  sizeField: 32,
  link: 40,
  info: 44,
  addralign: 48,
  entsize: 56,
} as const;

export const SYM = { size: 24, name: 0, info: 4, other: 5, shndx: 6, value: 8, sizeField: 16 } as const;

/** Elf64_Rel is the first 16 bytes of Elf64_Rela. */
export const RELA = { size: 24, relSize: 16, offset: 0, info: 8, addend: 16 } as const;
