// An executable-like ELF64 file from sections that have their final addresses, for objdump, gdb and crash.

import { alignUp, OrderedView } from "../../base/bytes.ts";
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
} from "../consts.ts";
import { EHDR, SHDR, SYM } from "../views/layout.ts";
import { NameTable, type SectionHeaderRow, writeFileHeader, writeSectionHeader, writeSymbol } from "./tables.ts";

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

/** e_machine, e_flags and the byte order. */
export interface ImageHeader {
  readonly machine: number;
  readonly flags: number;
  readonly littleEndian: boolean;
}

/** Bytes of the file. Sections of only zero bytes take no room. @param header what the image takes from the file that it is of */
export function writeImageElf(
  header: ImageHeader,
  sections: readonly OutputSection[],
  symbols: readonly OutputSymbol[],
): Uint8Array {
  return new ImageWriter(header, sections).write(symbols);
}

type Header = Omit<SectionHeaderRow, "offset" | "flags" | "name"> & {
  readonly name: string;
  readonly flags: number;
  /** What stands in the file; null: nothing. */
  readonly content: Uint8Array | null;
  /** What the content is aligned to in the file. */
  readonly fileAlignment: number;
};

/** Data of only zero bytes takes no room. */
const isEmptyInFile = (s: OutputSection): boolean =>
  (s.flags & (SHF_ALLOC | SHF_EXECINSTR)) === SHF_ALLOC && s.bytes.every((b) => b === 0);

const NO_TABLE = { link: 0, info: 0, entsize: 0 };

class ImageWriter {
  readonly #header: ImageHeader;
  readonly #sections: readonly OutputSection[];
  readonly #segments: readonly { readonly of: OutputSection; readonly type: number; readonly align: number }[];

  constructor(header: ImageHeader, sections: readonly OutputSection[]) {
    this.#header = header;
    this.#sections = sections;
    const mapped = sections.filter((s) => s.mapped && s.bytes.length > 0);
    const byAddress = mapped.slice().sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    this.#segments = [
      ...mapped.filter((s) => s.isNote === true).map((of) => ({ of, type: PT_NOTE, align: of.alignment })),
      ...byAddress.map((of) => ({ of, type: PT_LOAD, align: 1 })),
    ];
  }

  write(symbols: readonly OutputSymbol[]): Uint8Array {
    const headers = this.#headers(symbols);
    let size = EHDR.size + this.#segments.length * PHDR_SIZE;
    const offsets = headers.map(({ content, fileAlignment }) => {
      if (content === null) return size;
      const at = alignUp(size, fileAlignment);
      size = at + content.length;
      return at;
    });
    const table = alignUp(size, 8);
    const out = new Uint8Array(table + (headers.length + 1) * SHDR.size);
    const view = new OrderedView(out, this.#header.littleEndian);
    const { machine, flags } = this.#header;
    writeFileHeader(out, view, {
      ...{ type: ET_EXEC, machine, flags },
      ...{ sectionHeaders: table, sectionCount: headers.length + 1 },
    });
    this.#writeSegments(view, offsets);
    const names = new NameTable();
    for (const [i, h] of headers.entries()) {
      const offset = offsets[i] ?? 0;
      if (h.content !== null) out.set(h.content, offset);
      const at = table + (i + 1) * SHDR.size;
      writeSectionHeader(view, at, { ...h, name: names.add(h.name), flags: BigInt(h.flags), offset });
    }
    return out;
  }

  /** All sections but the null section; the first ones are those that were given. */
  #headers(symbols: readonly OutputSymbol[]): Header[] {
    const headers: Header[] = this.#sections.map((s) => {
      const isZero = isEmptyInFile(s);
      return {
        ...NO_TABLE,
        name: s.name,
        type: isZero ? SHT_NOBITS : s.isNote === true ? SHT_NOTE : SHT_PROGBITS,
        flags: s.flags & KEPT_FLAGS,
        address: s.address,
        size: s.bytes.length,
        align: s.alignment,
        content: isZero ? null : s.bytes,
        fileAlignment: 16,
      };
    });
    const table = (name: string, type: number, content: Uint8Array, align: number): Header => ({
      ...{ ...NO_TABLE, name, type, content, align, fileAlignment: align },
      ...{ flags: 0, address: 0n, size: content.length },
    });
    const { rows, names, firstGlobal } = this.#symbolTable(symbols);
    // The null section comes before all.
    const more = { link: headers.length + 2, info: firstGlobal, entsize: SYM.size };
    headers.push({ ...table(".symtab", SHT_SYMTAB, rows, 8), ...more });
    headers.push(table(".strtab", SHT_STRTAB, names, 1));
    const sectionNames = new NameTable();
    for (const h of headers) sectionNames.add(h.name);
    sectionNames.add(".shstrtab");
    headers.push(table(".shstrtab", SHT_STRTAB, sectionNames.bytes(), 1));
    return headers;
  }

  #symbolTable(symbols: readonly OutputSymbol[]): { rows: Uint8Array; names: Uint8Array; firstGlobal: number } {
    const names = new NameTable();
    const locals = symbols.filter((s) => s.info >> 4 === STB_LOCAL);
    const ordered = [...locals, ...symbols.filter((s) => s.info >> 4 !== STB_LOCAL)];
    const rows = new Uint8Array((ordered.length + 1) * SYM.size);
    const view = new OrderedView(rows, this.#header.littleEndian);
    for (const [i, s] of ordered.entries()) {
      const { info, other, size } = s;
      const shndx = typeof s.section === "number" ? s.section + 1 : s.section.reserved;
      const value = BigInt.asUintN(64, s.value);
      writeSymbol(view, (i + 1) * SYM.size, { name: names.add(s.name), info, other, shndx, value, size });
    }
    return { rows, names: names.bytes(), firstGlobal: locals.length + 1 };
  }

  /** @param offsets in the file, of the sections that were given */
  #writeSegments(view: OrderedView, offsets: readonly number[]): void {
    view.setBigUint64(EHDR.phoff, BigInt(this.#segments.length === 0 ? 0 : EHDR.size));
    view.setUint16(EHDR.phentsize, PHDR_SIZE);
    view.setUint16(EHDR.phnum, this.#segments.length);
    for (const [i, { of, type, align }] of this.#segments.entries()) {
      const at = EHDR.size + i * PHDR_SIZE;
      const permissions = 4 | ((of.flags & SHF_WRITE) !== 0 ? 2 : 0) | ((of.flags & SHF_EXECINSTR) !== 0 ? 1 : 0);
      view.setUint32(at, type);
      view.setUint32(at + 4, permissions);
      view.setBigUint64(at + 8, BigInt(offsets[this.#sections.indexOf(of)] ?? 0));
      view.setBigUint64(at + 16, of.address);
      view.setBigUint64(at + 24, of.address);
      view.setBigUint64(at + 32, BigInt(isEmptyInFile(of) ? 0 : of.bytes.length));
      view.setBigUint64(at + 40, BigInt(of.bytes.length));
      view.setBigUint64(at + 48, BigInt(align));
    }
  }
}
