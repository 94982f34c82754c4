// An executable-like ELF64 file from sections that have their final addresses, for objdump, gdb and crash.

import { fromLatin1, OrderedView } from "../../base/bytes.ts";
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
} from "../consts.ts";
import { EHDR, SHDR, SYM } from "../views/layout.ts";

export interface OutputSection {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** SHF_WRITE, SHF_ALLOC and SHF_EXECINSTR; others are dropped. */
  readonly flags: number;
  readonly alignment: number;
  /** Whether the section is described by a program header. */
  readonly mapped: boolean;
  /** Whether it holds notes (SHT_NOTE), such as the build id. */
  readonly isNote?: boolean;
}

export interface OutputSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: number;
  readonly info: number;
  readonly other: number;
  /** Index in the list of sections, or a reserved section index (SHN_ABS, SHN_UNDEF) as `reserved`. */
  readonly section: number | { readonly reserved: number };
}

const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PHDR_SIZE = 56;
const KEPT_FLAGS = SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR;

class Names {
  readonly #parts: Uint8Array[] = [new Uint8Array(1)];
  readonly #known = new Map<string, number>([["", 0]]);
  #size = 1;

  add(name: string): number {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const at = this.#size;
    const bytes = fromLatin1(`${name}\0`);
    this.#parts.push(bytes);
    this.#size += bytes.length;
    this.#known.set(name, at);
    return at;
  }
  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

/** e_machine, e_flags and the byte order. */
export interface ImageHeader {
  readonly machine: number;
  readonly flags: number;
  readonly littleEndian: boolean;
}

/** Bytes of the file. Sections of only zero bytes take no room. @param header what the image takes from the file that it is of */
export function writeImageElf(
  { machine, flags, littleEndian }: ImageHeader,
  sections: readonly OutputSection[],
  symbols: readonly OutputSymbol[],
): Uint8Array {
  const sectionNames = new Names();
  const symbolNames = new Names();
  const locals = symbols.filter((s) => s.info >> 4 === STB_LOCAL);
  const ordered = [...locals, ...symbols.filter((s) => s.info >> 4 !== STB_LOCAL)];
  const symtab = new Uint8Array((ordered.length + 1) * SYM.size);
  const symView = new OrderedView(symtab, littleEndian);
  for (const [i, s] of ordered.entries()) {
    const at = (i + 1) * SYM.size;
    symView.setUint32(at + SYM.name, symbolNames.add(s.name));
    symView.setUint8(at + SYM.info, s.info);
    symView.setUint8(at + SYM.other, s.other);
    symView.setUint16(at + SYM.shndx, typeof s.section === "number" ? s.section + 1 : s.section.reserved);
    symView.setBigUint64(at + SYM.value, BigInt.asUintN(64, s.value));
    symView.setBigUint64(at + SYM.sizeField, BigInt(s.size));
  }
  const strtab = symbolNames.bytes();

  const mapped = sections.filter((s) => s.mapped && s.bytes.length > 0);
  const notes = mapped.filter((s) => s.isNote === true);
  const isZero = sections.map(
    (s) => (s.flags & (SHF_ALLOC | SHF_EXECINSTR)) === SHF_ALLOC && s.bytes.every((b) => b === 0),
  );
  const headers: {
    name: number;
    type: number;
    flags: number;
    address: bigint;
    offset: number;
    size: number;
    link: number;
    info: number;
    align: number;
    entsize: number;
  }[] = [];
  const none = { link: 0, info: 0, entsize: 0 };
  headers.push({ name: 0, type: SHT_NULL, flags: 0, address: 0n, offset: 0, size: 0, align: 0, ...none });
  let offset = EHDR.size + (mapped.length + notes.length) * PHDR_SIZE;
  const parts: { at: number; bytes: Uint8Array }[] = [];
  const emit = (bytes: Uint8Array, alignment: number): number => {
    offset = Math.ceil(offset / alignment) * alignment;
    parts.push({ at: offset, bytes });
    offset += bytes.length;
    return parts[parts.length - 1]?.at ?? 0;
  };
  const offsets = sections.map((s, i) => (isZero[i] === true ? offset : emit(s.bytes, 16)));
  for (const [i, s] of sections.entries()) {
    headers.push({
      name: sectionNames.add(s.name),
      type: isZero[i] === true ? SHT_NOBITS : s.isNote === true ? SHT_NOTE : SHT_PROGBITS,
      flags: s.flags & KEPT_FLAGS,
      address: s.address,
      offset: offsets[i] ?? 0,
      size: s.bytes.length,
      align: s.alignment,
      ...none,
    });
  }
  const link = headers.length + 1;
  const base = { flags: 0, address: 0n };
  headers.push({
    ...base,
    name: sectionNames.add(".symtab"),
    type: SHT_SYMTAB,
    offset: emit(symtab, 8),
    size: symtab.length,
    link,
    info: locals.length + 1,
    align: 8,
    entsize: SYM.size,
  });
  headers.push({
    ...base,
    ...none,
    name: sectionNames.add(".strtab"),
    type: SHT_STRTAB,
    offset: emit(strtab, 1),
    size: strtab.length,
    align: 1,
  });
  const nameAt = sectionNames.add(".shstrtab");
  const shstrtab = sectionNames.bytes();
  headers.push({
    ...base,
    ...none,
    name: nameAt,
    type: SHT_STRTAB,
    offset: emit(shstrtab, 1),
    size: shstrtab.length,
    align: 1,
  });
  const headerOffset = Math.ceil(offset / 8) * 8;

  const out = new Uint8Array(headerOffset + headers.length * SHDR.size);
  const view = new OrderedView(out, littleEndian);
  out.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, littleEndian ? ELFDATA2LSB : ELFDATA2MSB, 1]);
  view.setUint16(EHDR.type, ET_EXEC);
  view.setUint16(EHDR.machine, machine);
  view.setUint32(EHDR.version, 1);
  view.setBigUint64(EHDR.phoff, BigInt(mapped.length === 0 ? 0 : EHDR.size));
  view.setBigUint64(EHDR.shoff, BigInt(headerOffset));
  view.setUint32(EHDR.flags, flags);
  view.setUint16(EHDR.ehsize, EHDR.size);
  view.setUint16(EHDR.phentsize, PHDR_SIZE);
  view.setUint16(EHDR.phnum, mapped.length + notes.length);
  view.setUint16(EHDR.shentsize, SHDR.size);
  view.setUint16(EHDR.shnum, headers.length);
  view.setUint16(EHDR.shstrndx, headers.length - 1);
  const byAddress = mapped.slice().sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const segments = [
    ...notes.map((s) => ({ s, type: PT_NOTE, align: s.alignment })),
    ...byAddress.map((s) => ({ s, type: PT_LOAD, align: 1 })),
  ];
  for (const [i, { s, type, align }] of segments.entries()) {
    const at = EHDR.size + i * PHDR_SIZE;
    const index = sections.indexOf(s);
    const permissions = 4 | ((s.flags & SHF_WRITE) !== 0 ? 2 : 0) | ((s.flags & SHF_EXECINSTR) !== 0 ? 1 : 0);
    view.setUint32(at, type);
    view.setUint32(at + 4, permissions);
    view.setBigUint64(at + 8, BigInt(offsets[index] ?? 0));
    view.setBigUint64(at + 16, s.address);
    view.setBigUint64(at + 24, s.address);
    view.setBigUint64(at + 32, BigInt(isZero[index] === true ? 0 : s.bytes.length));
    view.setBigUint64(at + 40, BigInt(s.bytes.length));
    view.setBigUint64(at + 48, BigInt(align));
  }
  for (const { at, bytes } of parts) out.set(bytes, at);
  for (const [i, h] of headers.entries()) {
    const at = headerOffset + i * SHDR.size;
    view.setUint32(at + SHDR.name, h.name);
    view.setUint32(at + SHDR.type, h.type);
    view.setBigUint64(at + SHDR.flags, BigInt(h.flags));
    view.setBigUint64(at + SHDR.addr, h.address);
    view.setBigUint64(at + SHDR.offset, BigInt(h.offset));
    view.setBigUint64(at + SHDR.sizeField, BigInt(h.size));
    view.setUint32(at + SHDR.link, h.link);
    view.setUint32(at + SHDR.info, h.info);
    view.setBigUint64(at + SHDR.addralign, BigInt(h.align));
    view.setBigUint64(at + SHDR.entsize, BigInt(h.entsize));
  }
  return out;
}
