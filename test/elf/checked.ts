import { latin1 } from "../../src/base/bytes.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import type { SymbolTable } from "../../src/elf/views/symbols.ts";
import type { ElfEdits } from "../../src/elf/writer/edits.ts";
import { GIVEN, type SymbolFields } from "../../src/elf/writer/symbolEdits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { ehdr, Raw } from "./raw.ts";

const SHT = {
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  NOBITS: 8,
  REL: 9,
  DYNSYM: 11,
  GROUP: 17,
  SHNDX: 18,
  CGP0: 0x6fff_4c02,
  ADDRSIG: 0x6fff_4c03,
};
const SHF_INFO_LINK = 0x40n;
const SHF_GROUP = 0x200n;

/** What edits say of a symbol: of an added one all. */
export function fieldsOf({ symbols, names }: ElfEdits, handle: number): Partial<SymbolFields> {
  const given = symbols.given(handle);
  const section = symbols.section(handle);
  const start = names.start(symbols.name(handle));
  return {
    ...((given & GIVEN.name) !== 0 && {
      name: latin1(names.bytes, start, start + names.lengthOf(symbols.name(handle))),
    }),
    ...((given & GIVEN.info) !== 0 && { info: symbols.info(handle) }),
    ...((given & GIVEN.other) !== 0 && { other: symbols.other(handle) }),
    ...((given & GIVEN.home) !== 0 && {
      home: section === null ? { kind: "reserved", index: symbols.reserved(handle) } : { kind: "section", section },
    }),
    ...((given & GIVEN.value) !== 0 && {
      value: (BigInt(symbols.valueHigh(handle)) << 32n) | BigInt(symbols.valueLow(handle)),
    }),
    ...((given & GIVEN.size) !== 0 && { size: symbols.size(handle) }),
  };
}

function same(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return;
  if (actual instanceof Uint8Array && expected instanceof Uint8Array && Buffer.compare(actual, expected) === 0) return;
  throw new Error(`${what}: ${show(actual)}, expected ${show(expected)}`);
}
const show = (v: unknown): string => (v instanceof Uint8Array ? Buffer.from(v).toString("hex") : String(v));

/**
 * writeElf, and then everything that must hold of any output: the layout, every user of a symbol or section index, the
 * edits, and that all else is as it was. What is expected is worked out here from the edits, not by the writer.
 */
export function checkedWrite(edits: ElfEdits): Uint8Array {
  const before = Buffer.from(edits.file.bytes);
  const out = writeElf(edits);
  same(Buffer.compare(writeElf(edits), out), 0, "the same edits, written twice");
  same(Buffer.compare(edits.file.bytes, before), 0, "the input's bytes");
  if (edits.isEmpty) {
    same(out, edits.file.bytes, "no edits");
    if (out !== edits.file.bytes) throw new Error("without edits the output is not the input itself");
    return out;
  }
  checkLayout(out, new Raw(edits.file.bytes));
  checkContent(edits, readElf(out));
  return out;
}

/** The rules of the gABI that an output must obey, read without the reader. */
export function checkLayout(bytes: Uint8Array, original: Raw): void {
  const raw = new Raw(bytes);
  const count = raw.shnum;
  for (const [name, at] of Object.entries(ehdr)) {
    if (name === "e_shoff" || name === "e_shnum" || name === "e_shstrndx") continue;
    same(raw.u16(at), original.u16(at), name);
  }
  same(raw.u16(ehdr.e_shnum), count < 0xff00 ? count : 0, "e_shnum");
  same(raw.get(0, "sh_size"), count < 0xff00 ? 0 : count, "sh_size of section 0");
  same(raw.u16(ehdr.e_shstrndx), raw.shstrndx < 0xff00 ? raw.shstrndx : 0xffff, "e_shstrndx");
  same(raw.get(0, "sh_link"), raw.shstrndx < 0xff00 ? 0 : raw.shstrndx, "sh_link of section 0");
  same(raw.shoff % 8, 0, "alignment of the section headers");

  const parts = [
    { start: 0, end: 64, what: "ELF header" },
    { start: raw.shoff, end: raw.shoff + count * 64, what: "section headers" },
  ];
  for (let i = 1; i < count; i++) {
    const type = raw.get(i, "sh_type");
    const start = raw.get(i, "sh_offset");
    const size = raw.get(i, "sh_size");
    const align = Math.max(1, raw.get(i, "sh_addralign"));
    if (type !== SHT.NOBITS && size > 0) {
      parts.push({ start, end: start + size, what: `section ${i}` });
      same(start % align, 0, `offset of section ${i} modulo its alignment`);
    }
    if (raw.get(i, "sh_link") >= count) throw new Error(`sh_link of section ${i}`);
    const infoIsSection = type === SHT.RELA || type === SHT.REL || (raw.get(i, "sh_flags") & 0x40) !== 0;
    if (infoIsSection && raw.get(i, "sh_info") >= count) throw new Error(`sh_info of section ${i}`);
  }
  parts.sort((a, b) => a.start - b.start);
  for (const [k, part] of parts.entries()) {
    if (part.end > bytes.length) throw new Error(`${part.what} ends behind the file`);
    const next = parts[k + 1];
    if (next !== undefined && next.start < part.end) throw new Error(`${part.what} and ${next.what} overlap`);
  }
  for (let i = 1; i < count; i++) if (raw.get(i, "sh_type") === SHT.SYMTAB) checkSymbolOrder(raw, i, count);
}

function checkSymbolOrder(raw: Raw, table: number, sections: number): void {
  const rows = raw.get(table, "sh_size") / 24;
  const locals = raw.get(table, "sh_info");
  let extended: number | null = null;
  for (let i = 1; i < sections; i++) {
    if (raw.get(i, "sh_type") === SHT.SHNDX && raw.get(i, "sh_link") === table) extended = i;
  }
  if (extended !== null) same(raw.get(extended, "sh_size"), rows * 4, "size of the extended section indices");
  for (let s = 0; s < rows; s++) {
    const at = raw.within(table, s * 24);
    same((raw.bytes[at + 4] ?? 0) >> 4 === 0, s < locals, `symbol ${s} is local (sh_info ${locals})`);
    const short = raw.u16(at + 6);
    const long = extended === null ? 0 : raw.u32(raw.within(extended, s * 4));
    if (short === 0xffff) {
      if (long < 0xff00 || long >= sections) throw new Error(`extended section index ${long} of symbol ${s}`);
    } else {
      same(long, 0, `extended section index of symbol ${s}, which needs none`);
      if (short < 0xff00 && short >= sections) throw new Error(`section index ${short} of symbol ${s}`);
    }
  }
}

function uleb128(data: Uint8Array): number[] {
  const out: number[] = [];
  let value = 0;
  let shift = 0;
  for (const byte of data) {
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte >= 0x80) continue;
    out.push(value);
    value = 0;
    shift = 0;
  }
  return out;
}

/** Everything that the output says, against the original and the edits. */
export function checkContent(edits: ElfEdits, out: ElfFile): void {
  const { file } = edits;
  const { sections } = file;
  same(out.littleEndian, file.littleEndian, "byte order");

  // Sections: originals in their order, then added ones. A group without members goes with them, unless it has a
  // section symbol.
  const gone = new Set(edits.removedSections);
  for (const group of file.groups) {
    if (group.members.length === 0 || !group.members.every((m) => gone.has(m))) continue;
    const homes = Array.from({ length: file.symbols?.count ?? 0 }, (_, s) => s).filter(
      (s) => !edits.removedSymbols.has(s),
    );
    if (!homes.some((s) => file.symbols?.sectionOf(s) === group.section)) gone.add(group.section);
  }
  const order: number[] = [];
  for (let i = 0; i < sections.count; i++) if (!gone.has(i)) order.push(i);
  for (const k of edits.addedSections.keys()) order.push(sections.count + k);
  const newIndex = new Map(order.map((handle, index) => [handle, index]));
  const sectionOf = (handle: number, what: string): number => {
    const index = newIndex.get(handle);
    if (index === undefined) throw new Error(`${what} refers to removed section ${handle}`);
    return index;
  };
  const hadExtended = order.some((h) => h < sections.count && sections.type(h) === SHT.SHNDX);
  const madeExtended = file.symbols !== null && !hadExtended && order.length >= 0xff00;
  same(out.sections.count, order.length + (madeExtended ? 1 : 0), "number of sections");
  same(out.header.sectionNameIndex, newIndex.get(file.header.sectionNameIndex), "section name table");

  // Symbols: locals, then globals, each in their order, added ones behind.
  const table = file.symbols;
  const symbolCount = table?.count ?? 0;
  const bindOf = (handle: number): number => {
    return (fieldsOf(edits, handle).info ?? (table as SymbolTable).info(handle)) >> 4;
  };
  const handles: number[] = [];
  for (let i = 0; i < symbolCount + edits.symbols.added; i++) if (!edits.removedSymbols.has(i)) handles.push(i);
  const symbols = [...handles.filter((h) => bindOf(h) === 0), ...handles.filter((h) => bindOf(h) !== 0)];
  const newSymbol = new Map(symbols.map((handle, index) => [handle, index]));
  const symbolOf = (handle: number, what: string): number => {
    const index = newSymbol.get(handle);
    if (index === undefined) throw new Error(`${what} refers to removed symbol ${handle}`);
    return index;
  };
  if (table !== null) {
    const now = out.symbols;
    if (now === null) throw new Error("the symbol table is gone");
    same(now.section, sectionOf(table.section, "symbol table"), "index of the symbol table");
    same(now.count, symbols.length, "number of symbols");
    same(out.sections.info(now.section), symbols.filter((h) => bindOf(h) === 0).length, "number of local symbols");
    for (const [index, handle] of symbols.entries()) {
      const change = fieldsOf(edits, handle);
      const what = `symbol ${handle}`;
      same(now.name(index), change.name ?? table.name(handle), `name of ${what}`);
      same(now.info(index), change.info ?? table.info(handle), `st_info of ${what}`);
      same(now.other(index), change.other ?? table.other(handle), `st_other of ${what}`);
      same(now.value(index) as bigint, (change.value ?? table.value(handle)) as bigint, `st_value of ${what}`);
      same(now.size(index), change.size ?? table.size(handle), `st_size of ${what}`);
      const home = change.home;
      const old = home === undefined ? table.sectionOf(handle) : home.kind === "section" ? home.section : null;
      same(now.sectionOf(index), old === null ? null : sectionOf(old, what), `section of ${what}`);
      if (old !== null) continue;
      const reserved = home?.kind === "reserved" ? home.index : table.rawShndx(handle);
      same(now.rawShndx(index), reserved, `st_shndx of ${what}`);
    }
  }

  const growing = new Set<number>([file.header.sectionNameIndex]);
  for (const t of file.symbolTables.keys()) growing.add(sections.link(t));
  for (const [index, handle] of order.entries()) {
    if (index === 0) continue;
    const added = handle < sections.count ? undefined : edits.addedSections[handle - sections.count];
    const what = `section ${handle} ${added?.name ?? sections.name(handle)}`;
    same(out.sections.name(index), added?.name ?? sections.name(handle), `name of ${what}`);
    const type = added?.type ?? sections.type(handle);
    same(out.sections.type(index), type, `type of ${what}`);
    const flags = added?.flags ?? sections.flags(handle);
    same(out.sections.flags(index), flags, `flags of ${what}`);
    same(
      out.sections.addr(index) as bigint,
      (added === undefined ? sections.addr(handle) : 0n) as bigint,
      `address of ${what}`,
    );
    same(out.sections.addralign(index), added?.addralign ?? sections.addralign(handle), `alignment of ${what}`);
    same(out.sections.entsize(index), added?.entsize ?? sections.entsize(handle), `entry size of ${what}`);
    const link = added?.link ?? sections.link(handle);
    same(out.sections.link(index), link === 0 ? 0 : sectionOf(link, what), `sh_link of ${what}`);
    const info = added?.info ?? sections.info(handle);
    const isTable = table !== null && link === table.section;
    if (type === SHT.GROUP && isTable) same(out.sections.info(index), symbolOf(info, what), `signature of ${what}`);
    else if (type === SHT.RELA || type === SHT.REL || (flags & SHF_INFO_LINK) !== 0n) {
      same(out.sections.info(index), info === 0 ? 0 : sectionOf(info, what), `sh_info of ${what}`);
    } else if (type !== SHT.SYMTAB) same(out.sections.info(index), info, `sh_info of ${what}`);

    const data = out.sections.data(index);
    if (type === SHT.SYMTAB || type === SHT.DYNSYM || type === SHT.SHNDX) continue; // checked above and in checkLayout
    if (type === SHT.RELA || type === SHT.REL) checkRelocations(edits, out, index, handle, symbolOf);
    else if (type === SHT.GROUP) {
      const group = file.groups.find((g) => g.section === handle);
      const joining = [...edits.addedSections.entries()].filter(
        ([, s]) => (s.flags & SHF_GROUP) !== 0n && group?.members.includes(s.info),
      );
      const members = [
        ...(group?.members ?? []).filter((m) => !gone.has(m)),
        ...joining.map(([k]) => sections.count + k),
      ];
      const now = out.groups.find((g) => g.section === index);
      same(now?.flags, group?.flags, `flags of ${what}`);
      same(String(now?.members), String(members.map((m) => sectionOf(m, what))), `members of ${what}`);
    } else if (type === SHT.ADDRSIG && isTable) {
      const expected = uleb128(sections.data(handle))
        .filter((s) => newSymbol.has(s))
        .map((s) => symbolOf(s, what));
      same(String(uleb128(data)), String(expected), `symbols of ${what}`);
    } else if (type === SHT.CGP0 && isTable) {
      const rows = (bytes: Uint8Array): number[][] => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        return Array.from({ length: bytes.length / 16 }, (_, k) =>
          [0, 4, 8, 12].map((field) => view.getUint32(k * 16 + field, file.littleEndian)),
        );
      };
      const expected = rows(sections.data(handle))
        .filter(([from, to]) => newSymbol.has(from ?? -1) && newSymbol.has(to ?? -1))
        .map(([from, to, a, b]) => [symbolOf(from ?? -1, what), symbolOf(to ?? -1, what), a, b]);
      same(String(rows(data)), String(expected), `symbols of ${what}`);
    } else if (growing.has(handle)) {
      const old = edits.data(handle);
      same(data.subarray(0, old.length), old, `first bytes of ${what}`);
      same(data.at(-1) ?? 0, 0, `last byte of ${what}`);
    } else {
      same(data, edits.data(handle), `bytes of ${what}`);
      if (type === SHT.NOBITS) same(out.sections.size(index), sections.size(handle), `size of ${what}`);
    }
  }
  if (madeExtended) {
    const index = order.length;
    same(out.sections.type(index), SHT.SHNDX, "the made SHT_SYMTAB_SHNDX");
    same(out.sections.name(index), ".symtab_shndx", "its name");
    same(out.sections.link(index), newIndex.get(table?.section ?? 0), "its sh_link");
    same(out.sections.entsize(index), 4, "its sh_entsize");
  }
  same(out.signature, null, "signature of a changed file");
}

function checkRelocations(
  edits: ElfEdits,
  out: ElfFile,
  index: number,
  handle: number,
  symbolOf: (handle: number, what: string) => number,
): void {
  const { file } = edits;
  const now = out.relocations.find((t) => t.section === index);
  if (now === undefined) throw new Error(`relocation section ${handle} is gone`);
  const old = file.relocations.find((t) => t.section === handle);
  const changes = edits.relocationEdits.get(handle);
  const moves = file.symbols !== null && (old === undefined || file.sections.link(handle) === file.symbols.section);
  const rows = Array.from({ length: old?.count ?? 0 }, (_, r) => r)
    .filter((r) => !changes?.removed.has(r))
    .map((r) => ({
      offset: changes?.moved.get(r) ?? old?.offset(r),
      symbol: old?.symbol(r) ?? 0,
      type: old?.type(r),
      addend: old?.addend(r),
    }));
  const expected = [...rows, ...(changes?.added ?? [])];
  same(now.count, expected.length, `number of relocations in section ${handle}`);
  for (const [k, row] of expected.entries()) {
    const what = `relocation ${k} of section ${handle}`;
    same(now.offset(k), row.offset, `offset of ${what}`);
    same(now.type(k), row.type, `type of ${what}`);
    same(now.addend(k), row.addend, `addend of ${what}`);
    same(now.symbol(k), row.symbol === 0 || !moves ? row.symbol : symbolOf(row.symbol, what), `symbol of ${what}`);
  }
}
