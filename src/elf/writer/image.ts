// An executable-like ELF64 file from sections that have their final addresses, for objdump, gdb and crash.

import { alignUp, OrderedView, sameBytes, wordsOf } from "../../base/bytes.ts";
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "../consts.ts";
import { EHDR, SHDR, SYM } from "../views/layout.ts";
import { SYMBOL_WORDS } from "../views/symbols.ts";
import { CopiedNames, NameTable, type SectionHeaderRow, writeFileHeader, writeSectionHeader } from "./tables.ts";

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

/** A symbol table, the null symbol included: its rows as SymbolTable.words() has them, in their order. */
export interface OutputSymbols {
  /** Section indices as they shall be in the file. They are changed: names get their places in the new table. */
  readonly rows: Int32Array;
  /** Rows of local symbols, which come first, and the null symbol. */
  readonly firstGlobal: number;
  /** The string table that st_name of the rows is for. */
  readonly names: Uint8Array;
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

/**
 * Pieces of the file, one after the other. Sections of only zero bytes take no room; the others' bytes are pieces as they are.
 * @param header what the image takes from the file that it is of
 */
export function writeImageElf(
  header: ImageHeader,
  sections: readonly OutputSection[],
  symbols: OutputSymbols,
): Uint8Array[] {
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
const isEmptyInFile = ({ flags, bytes }: OutputSection): boolean =>
  (flags & (SHF_ALLOC | SHF_EXECINSTR)) === SHF_ALLOC &&
  // Each byte is as the one before.
  (bytes.length === 0 || (bytes[0] === 0 && sameBytes(bytes.subarray(1), bytes.subarray(0, -1))));

const NO_TABLE = { link: 0, info: 0, entsize: 0 };

/** Bytes of a file, in pieces of which none is copied. */
class Pieces {
  readonly first: Uint8Array;
  readonly all: Uint8Array[];
  size: number;

  /** @param length of the first piece */
  constructor(length: number) {
    this.first = new Uint8Array(length);
    this.all = [this.first];
    this.size = length;
  }

  /** Puts a piece behind those that are there; returns its offset in the file. */
  add(piece: Uint8Array, alignment: number): number {
    const at = alignUp(this.size, alignment);
    if (at > this.size) this.all.push(new Uint8Array(at - this.size));
    this.all.push(piece);
    this.size = at + piece.length;
    return at;
  }
}

/** Rows of a symbol table as a file has them. */
function symbolBytes(rows: Int32Array, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  if (littleEndian && wordsOf(bytes) !== null) return bytes;
  const { count, name, mixed, valueLow, sizeLow } = SYMBOL_WORDS;
  const out = new Uint8Array(rows.byteLength);
  const view = new OrderedView(out, littleEndian);
  for (let at = 0, k = 0; at < out.length; at += SYM.size, k += count) {
    const word = (i: number): number => rows[k + i] ?? 0;
    view.setUint32(at + SYM.name, word(name));
    view.setUint8(at + SYM.info, word(mixed));
    view.setUint8(at + SYM.other, word(mixed) >>> 8);
    view.setUint16(at + SYM.shndx, word(mixed) >>> 16);
    for (const [field, low] of [[SYM.value, valueLow] as const, [SYM.sizeField, sizeLow] as const])
      view.setBigUint64(at + field, BigInt.asUintN(64, (BigInt(word(low + 1)) << 32n) | BigInt(word(low) >>> 0)));
  }
  return out;
}

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

  write(symbols: OutputSymbols): Uint8Array[] {
    const headers = this.#headers(symbols);
    const pieces = new Pieces(EHDR.size + this.#segments.length * PHDR_SIZE);
    const offsets = headers.map(({ content, fileAlignment }) =>
      content === null ? pieces.size : pieces.add(content, fileAlignment),
    );
    const rows = new Uint8Array((headers.length + 1) * SHDR.size);
    const table = pieces.add(rows, 8);
    const view = new OrderedView(pieces.first, this.#header.littleEndian);
    const { machine, flags } = this.#header;
    writeFileHeader(pieces.first, view, {
      ...{ type: ET_EXEC, machine, flags },
      ...{ sectionHeaders: table, sectionCount: headers.length + 1 },
    });
    this.#writeSegments(view, headers, offsets);
    const names = new NameTable();
    const rowView = new OrderedView(rows, this.#header.littleEndian);
    for (const [i, h] of headers.entries()) {
      const row = { ...h, name: names.add(h.name), flags: BigInt(h.flags), offset: offsets[i] ?? 0 };
      writeSectionHeader(rowView, (i + 1) * SHDR.size, row);
    }
    return pieces.all;
  }

  /** All sections but the null section; the first ones are those that were given. */
  #headers(symbols: OutputSymbols): Header[] {
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
    const { rows, firstGlobal } = symbols;
    const names = new CopiedNames(symbols.names, rows.length / SYMBOL_WORDS.count);
    names.replace(rows, SYMBOL_WORDS.name, SYMBOL_WORDS.count, rows.length);
    // The null section comes before all.
    const more = { link: headers.length + 2, info: firstGlobal, entsize: SYM.size };
    headers.push({ ...table(".symtab", SHT_SYMTAB, symbolBytes(rows, this.#header.littleEndian), 8), ...more });
    headers.push(table(".strtab", SHT_STRTAB, names.bytes(), 1));
    const sectionNames = new NameTable();
    for (const h of headers) sectionNames.add(h.name);
    sectionNames.add(".shstrtab");
    headers.push(table(".shstrtab", SHT_STRTAB, sectionNames.bytes(), 1));
    return headers;
  }

  /** @param offsets in the file, of the sections that were given */
  #writeSegments(view: OrderedView, headers: readonly Header[], offsets: readonly number[]): void {
    view.setBigUint64(EHDR.phoff, BigInt(this.#segments.length === 0 ? 0 : EHDR.size));
    view.setUint16(EHDR.phentsize, PHDR_SIZE);
    view.setUint16(EHDR.phnum, this.#segments.length);
    for (const [i, { of, type, align }] of this.#segments.entries()) {
      const at = EHDR.size + i * PHDR_SIZE;
      const permissions = 4 | ((of.flags & SHF_WRITE) !== 0 ? 2 : 0) | ((of.flags & SHF_EXECINSTR) !== 0 ? 1 : 0);
      view.setUint32(at, type);
      view.setUint32(at + 4, permissions);
      const section = this.#sections.indexOf(of);
      view.setBigUint64(at + 8, BigInt(offsets[section] ?? 0));
      view.setBigUint64(at + 16, of.address);
      view.setBigUint64(at + 24, of.address);
      view.setBigUint64(at + 32, BigInt(headers[section]?.content?.length ?? 0));
      view.setBigUint64(at + 40, BigInt(of.bytes.length));
      view.setBigUint64(at + 48, BigInt(align));
    }
  }
}
