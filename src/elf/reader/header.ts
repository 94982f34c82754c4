import { getUint64, hex, latin1 } from "../../base/bytes.ts";
import {
  EI_CLASS,
  EI_DATA,
  EI_VERSION,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  ET_REL,
  fileTypeNames,
  SHN_LORESERVE,
  SHN_XINDEX,
} from "../consts.ts";
import { fileKindOf } from "../containers/recognise.ts";
import { ElfError } from "../error.ts";
import { EHDR, SHDR } from "../views/layout.ts";
import { malformed } from "./malformed.ts";

export interface ElfHeader {
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  /** e_shoff: file offset of the section headers in bytes; 0 if there are none. */
  readonly sectionHeaderOffset: number;
  /** Number of section headers, the null section included; from section 0 when e_shnum is 0. */
  readonly sectionCount: number;
  /** Section index of the section name table; from section 0 when e_shstrndx is SHN_XINDEX. */
  readonly sectionNameIndex: number;
}

/** Returns whether the file is little-endian. */
export function checkIdentification(bytes: Uint8Array): boolean {
  if (latin1(bytes, 0, 4) !== "\x7fELF") {
    throw new ElfError("not-elf", 0, `not an ELF file: ${fileKindOf(bytes)}`);
  }
  if (bytes.length < 16) throw malformed(bytes.length, "the file ends inside the ELF identification");
  const fileClass = bytes[EI_CLASS];
  const data = bytes[EI_DATA];
  if (fileClass === ELFCLASS32) {
    throw new ElfError("unsupported", EI_CLASS, "an ELF32 file: only ELF64 can be a module that klplink handles");
  }
  if (fileClass !== ELFCLASS64) throw malformed(EI_CLASS, `EI_CLASS is ${fileClass}: neither ELF32 (1) nor ELF64 (2)`);
  if (data !== ELFDATA2LSB && data !== ELFDATA2MSB) {
    throw malformed(EI_DATA, `EI_DATA is ${data}: neither little-endian (1) nor big-endian (2)`);
  }
  if (bytes[EI_VERSION] !== 1) throw malformed(EI_VERSION, `EI_VERSION is ${bytes[EI_VERSION]}, not 1`);
  if (bytes.length < EHDR.size) throw malformed(bytes.length, "the file ends inside the ELF header");
  return data === ELFDATA2LSB;
}

export function readHeader(view: DataView, littleEndian: boolean): ElfHeader {
  const u16 = (at: number): number => view.getUint16(at, littleEndian);
  const type = u16(EHDR.type);
  if (type !== ET_REL) {
    const name = fileTypeNames.get(type) ?? `a file of unknown type ${type}`;
    throw new ElfError("unsupported", EHDR.type, `${name}: only relocatable files (ET_REL: .o, .ko) can be linked`);
  }
  const version = view.getUint32(EHDR.version, littleEndian);
  if (version !== 1) throw malformed(EHDR.version, `e_version is ${version}, not 1`);
  const ehsize = u16(EHDR.ehsize);
  if (ehsize !== EHDR.size) throw malformed(EHDR.ehsize, `e_ehsize is ${ehsize}, not ${EHDR.size}`);
  const phnum = u16(EHDR.phnum);
  if (phnum !== 0) {
    throw new ElfError("unsupported", EHDR.phnum, `a relocatable file with ${phnum} program headers`);
  }
  const sectionHeaderOffset = getUint64(view, EHDR.shoff, littleEndian);
  const shnum = u16(EHDR.shnum);
  if (sectionHeaderOffset === 0) {
    if (shnum !== 0) throw malformed(EHDR.shoff, `e_shoff is 0, but e_shnum is ${shnum}`);
    throw malformed(EHDR.shoff, "the file has no section headers");
  }
  const shentsize = u16(EHDR.shentsize);
  if (shentsize !== SHDR.size) throw malformed(EHDR.shentsize, `e_shentsize is ${shentsize}, not ${SHDR.size}`);
  if (sectionHeaderOffset < EHDR.size || sectionHeaderOffset + SHDR.size > view.byteLength) {
    throw malformed(
      EHDR.shoff,
      `e_shoff is ${hex(view.getBigUint64(EHDR.shoff, littleEndian))}, but the file has ${hex(view.byteLength)} bytes`,
    );
  }
  return {
    type,
    machine: u16(EHDR.machine),
    flags: view.getUint32(EHDR.flags, littleEndian),
    sectionHeaderOffset,
    ...readCounts(view, littleEndian, sectionHeaderOffset),
  };
}

/** How many section headers there are, and which is that of the name table. */
function readCounts(
  view: DataView,
  littleEndian: boolean,
  sectionHeaderOffset: number,
): Pick<ElfHeader, "sectionCount" | "sectionNameIndex"> {
  const shnum = view.getUint16(EHDR.shnum, littleEndian);
  const shstrndx = view.getUint16(EHDR.shstrndx, littleEndian);
  // gABI, "Sections": from 0xff00 sections on, e_shnum is 0 and the count stands in section 0's sh_size;
  // likewise e_shstrndx is SHN_XINDEX and the index stands in section 0's sh_link.
  const sectionCount = shnum === 0 ? getUint64(view, sectionHeaderOffset + SHDR.sizeField, littleEndian) : shnum;
  const countField = shnum === 0 ? sectionHeaderOffset + SHDR.sizeField : EHDR.shnum;
  if (sectionCount === 0) throw malformed(countField, "the file has no section headers");
  if (shnum >= SHN_LORESERVE) {
    throw malformed(EHDR.shnum, `e_shnum is ${hex(shnum)}, a reserved section index`);
  }
  if (sectionCount * SHDR.size > view.byteLength - sectionHeaderOffset) {
    throw malformed(
      countField,
      `${sectionCount} section headers at ${hex(sectionHeaderOffset)} do not fit in a file of ${hex(view.byteLength)} bytes`,
    );
  }
  const sectionNameIndex =
    shstrndx === SHN_XINDEX ? view.getUint32(sectionHeaderOffset + SHDR.link, littleEndian) : shstrndx;
  const indexField = shstrndx === SHN_XINDEX ? sectionHeaderOffset + SHDR.link : EHDR.shstrndx;
  if (sectionNameIndex >= sectionCount) {
    throw malformed(
      indexField,
      `the section name table's index ${sectionNameIndex} is not below the section count ${sectionCount}`,
    );
  }
  return { sectionCount, sectionNameIndex };
}
