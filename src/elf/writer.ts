import { alignUp, fromLatin1, viewOf } from "../base/bytes.ts";
import {
  SHF_GROUP,
  SHF_INFO_LINK,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_DYNSYM,
  SHT_GROUP,
  SHT_LLVM_ADDRSIG,
  SHT_LLVM_CALL_GRAPH_PROFILE_V0,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  STB_LOCAL,
} from "./consts.ts";
import type { ElfEdits, SectionFields, SectionHandle, SymbolFields, SymbolHandle } from "./edits.ts";
import { ElfError } from "./error.ts";
import { EHDR, RELA, SHDR, SYM } from "./layout.ts";
import { decodeUleb128, encodeUleb128 } from "./leb128.ts";
import type { ElfFile } from "./reader.ts";
import { refersToSymbolsUnknown } from "./sectionTypes.ts";

/**
 * The file with its edits. Without edits, the very bytes of the input.
 * What is not edited keeps its bytes; as long as nothing before it changed its size, it keeps its file
 * offset too. Same edits, same bytes. A module signature does not survive an edit.
 * @throws ElfError of kind `edit` when a section refers to symbols or sections in a way that is not known,
 *   so that renumbering could break it; Error when the edits contradict each other (a bug of the caller).
 */
export function writeElf(edits: ElfEdits): Uint8Array {
  return edits.isEmpty ? edits.file.bytes : new Writer(edits).write();
}

/** Bytes an entry of SHT_LLVM_CALL_GRAPH_PROFILE_V0. */
const CALL_GRAPH_ENTRY = 16;

class Writer {
  readonly #edits: ElfEdits;
  readonly #file: ElfFile;
  readonly #littleEndian: boolean;
  /** New index -> handle, and back. -1: removed. */
  readonly #sectionOrder: SectionHandle[] = [];
  readonly #sectionIndex: Int32Array;
  /** Whether original sections are missing, so that the ones behind them have new indices. */
  #sectionsMoved = false;
  readonly #symbolOrder: SymbolHandle[] = [];
  #symbolIndex: Int32Array = new Int32Array(0);
  #symbolsMoved = false;
  /** Number of leading local symbols in the new table: its sh_info. */
  #localCount = 0;
  /** String table section -> bytes appended to it, and the offset of each appended name. */
  readonly #strings = new Map<SectionHandle, { parts: Uint8Array[]; size: number; known: Map<string, number> }>();
  /** Handle -> bytes of the finished section, where they differ from the original. */
  readonly #content = new Map<SectionHandle, Uint8Array>();
  /** Handle of an SHT_SYMTAB_SHNDX section that had to be made. */
  #madeExtended: { handle: SectionHandle; fields: SectionFields } | null = null;

  constructor(edits: ElfEdits) {
    this.#edits = edits;
    this.#file = edits.file;
    this.#littleEndian = edits.file.littleEndian;
    const count = edits.file.sections.count + edits.addedSections.length;
    // One more for an SHT_SYMTAB_SHNDX that may have to be made.
    this.#sectionIndex = new Int32Array(count + 1).fill(-1);
  }

  write(): Uint8Array {
    this.#orderSections();
    this.#orderSymbols();
    for (const [section, bytes] of this.#edits.dataEdits) this.#content.set(section, bytes);
    this.#writeSymbols();
    this.#writeOtherSymbolTables();
    this.#writeRelocations();
    this.#writeGroups();
    this.#writeSymbolLists();
    const names = this.#sectionNames();
    for (const [section, added] of this.#strings) this.#content.set(section, this.#grownStrings(section, added.parts));
    return this.#layOut(names);
  }

  // Numbering

  #orderSections(): void {
    const { sections } = this.#file;
    const removed = new Set(this.#edits.removedSections);
    // A group that loses its last member means nothing any more; but a section symbol may still stand for it.
    for (const group of this.#file.groups) {
      if (group.members.length === 0 || !group.members.every((m) => removed.has(m))) continue;
      if (!this.#hasSymbols(group.section)) removed.add(group.section);
    }
    for (let i = 0; i < sections.count; i++) if (!removed.has(i)) this.#sectionOrder.push(i);
    for (let i = 0; i < this.#edits.addedSections.length; i++) this.#sectionOrder.push(sections.count + i);
    this.#maybeMakeExtended();
    for (const [index, handle] of this.#sectionOrder.entries()) this.#sectionIndex[handle] = index;
    this.#sectionsMoved = removed.size > 0;
    for (const table of this.#file.relocations) {
      if (removed.has(table.target) && !removed.has(table.section)) {
        throw new Error(`section ${table.target} is removed, but not its relocation section ${table.section}`);
      }
    }
  }

  /** Whether a symbol that stays is defined in an original section. */
  #hasSymbols(section: SectionHandle): boolean {
    const table = this.#file.symbols;
    if (table === null) return false;
    for (let i = 0; i < table.count; i++) {
      if (table.sectionOf(i) === section && !this.#edits.removedSymbols.has(i)) return true;
    }
    return false;
  }

  /** From 0xff00 sections on, a symbol table needs SHT_SYMTAB_SHNDX; original ones keep theirs. */
  #maybeMakeExtended(): void {
    const table = this.#file.symbols;
    if (table === null || this.#sectionOrder.length < SHN_LORESERVE) return;
    for (let i = 1; i < this.#file.sections.count; i++) {
      if (this.#edits.removedSections.has(i)) continue;
      if (this.#file.sections.type(i) === SHT_SYMTAB_SHNDX && this.#file.sections.link(i) === table.section) return;
    }
    const handle = this.#file.sections.count + this.#edits.addedSections.length;
    this.#madeExtended = {
      handle,
      fields: {
        name: ".symtab_shndx",
        type: SHT_SYMTAB_SHNDX,
        flags: 0n,
        link: table.section,
        info: 0,
        addralign: 4,
        entsize: 4,
        data: new Uint8Array(0),
      },
    };
    this.#sectionOrder.push(handle);
  }

  #newSection(handle: SectionHandle, what: string): number {
    const index = this.#sectionIndex[handle];
    if (index === undefined || index < 0) throw new Error(`${what} refers to section ${handle}, which is removed`);
    return index;
  }

  #orderSymbols(): void {
    const table = this.#file.symbols;
    if (table === null) return;
    if (table.count === 0 && this.#edits.addedSymbols.length > 0) {
      const at = this.#file.sections.headerOffset(table.section);
      throw new ElfError("edit", at, "the symbol table is empty: not even the null symbol is there");
    }
    const firstGlobal = this.#file.sections.info(table.section);
    const locals: SymbolHandle[] = [];
    const globals: SymbolHandle[] = [];
    for (let i = 0; i < table.count; i++) {
      if (this.#edits.removedSymbols.has(i)) continue;
      const info = this.#edits.symbolEdits.get(i)?.info;
      const isLocal = i === 0 || (info === undefined ? i < firstGlobal : info >> 4 === STB_LOCAL);
      (isLocal ? locals : globals).push(i);
    }
    for (const [k, symbol] of this.#edits.addedSymbols.entries()) {
      (symbol.info >> 4 === STB_LOCAL ? locals : globals).push(table.count + k);
    }
    this.#localCount = locals.length;
    this.#symbolIndex = new Int32Array(table.count + this.#edits.addedSymbols.length).fill(-1);
    for (const list of [locals, globals]) {
      for (const handle of list) {
        this.#symbolIndex[handle] = this.#symbolOrder.length;
        this.#symbolOrder.push(handle);
      }
    }
    for (let i = 0; i < table.count; i++) if (this.#symbolIndex[i] !== i) this.#symbolsMoved = true;
  }

  #newSymbol(handle: SymbolHandle, what: string): number {
    const index = this.#symbolIndex[handle];
    if (index === undefined || index < 0) throw new Error(`${what} refers to symbol ${handle}, which is removed`);
    return index;
  }

  // Strings

  /** Offset of `name` in the string table `section`, appended there if it was not appended before. */
  #string(section: SectionHandle, name: string): number {
    if (name === "") return 0;
    let added = this.#strings.get(section);
    if (added === undefined) {
      const original = this.#content.get(section) ?? this.#file.sections.data(section);
      // An empty table gets the NUL at offset 0 that the specification requires.
      const parts = original.length === 0 ? [new Uint8Array(1)] : [];
      added = { parts, size: original.length + parts.length, known: new Map() };
      this.#strings.set(section, added);
    }
    const known = added.known.get(name);
    if (known !== undefined) return known;
    const offset = added.size;
    added.parts.push(fromLatin1(`${name}\0`));
    added.size += name.length + 1;
    added.known.set(name, offset);
    return offset;
  }

  #grownStrings(section: SectionHandle, parts: readonly Uint8Array[]): Uint8Array {
    return Buffer.concat([this.#content.get(section) ?? this.#file.sections.data(section), ...parts]);
  }

  // Symbols

  #writeSymbols(): void {
    const table = this.#file.symbols;
    if (table === null) return;
    const { sections } = this.#file;
    const untouched =
      !this.#symbolsMoved &&
      this.#edits.symbolEdits.size === 0 &&
      this.#symbolOrder.length === table.count &&
      !this.#sectionsMoved &&
      this.#madeExtended === null;
    if (untouched) return;
    const original = sections.data(table.section);
    const out = new Uint8Array(this.#symbolOrder.length * SYM.size);
    const view = viewOf(out);
    const extended = new Uint8Array(this.#symbolOrder.length * 4);
    const extendedView = viewOf(extended);
    const stringSection = sections.link(table.section);
    for (const [index, handle] of this.#symbolOrder.entries()) {
      const at = index * SYM.size;
      const fields: Partial<SymbolFields> | undefined =
        handle < table.count ? this.#edits.symbolEdits.get(handle) : this.#edits.addedSymbols[handle - table.count];
      if (handle < table.count) out.set(original.subarray(handle * SYM.size, (handle + 1) * SYM.size), at);
      if (fields?.name !== undefined) {
        view.setUint32(at + SYM.name, this.#string(stringSection, fields.name), this.#littleEndian);
      }
      if (fields?.info !== undefined) view.setUint8(at + SYM.info, fields.info);
      if (fields?.other !== undefined) view.setUint8(at + SYM.other, fields.other);
      if (fields?.value !== undefined) view.setBigUint64(at + SYM.value, fields.value, this.#littleEndian);
      if (fields?.size !== undefined) view.setBigUint64(at + SYM.sizeField, BigInt(fields.size), this.#littleEndian);
      let home: number | null = null;
      if (fields?.home !== undefined) {
        if (fields.home.kind === "reserved") {
          view.setUint16(at + SYM.shndx, fields.home.index, this.#littleEndian);
          continue;
        }
        home = fields.home.section;
      } else {
        home = table.sectionOf(handle);
      }
      if (home === null) continue;
      const section = this.#newSection(home, `symbol ${handle}`);
      const short = section < SHN_LORESERVE;
      view.setUint16(at + SYM.shndx, short ? section : SHN_XINDEX, this.#littleEndian);
      if (!short) extendedView.setUint32(index * 4, section, this.#littleEndian);
    }
    this.#content.set(table.section, out);
    if (this.#madeExtended !== null) this.#content.set(this.#madeExtended.handle, extended);
    for (let i = 1; i < sections.count; i++) {
      if (sections.type(i) === SHT_SYMTAB_SHNDX && sections.link(i) === table.section) this.#content.set(i, extended);
    }
  }

  /** Symbol tables that cannot be edited (SHT_DYNSYM, or one of several) still follow their sections. */
  #writeOtherSymbolTables(): void {
    if (!this.#sectionsMoved) return;
    for (const table of this.#file.symbolTables.values()) {
      if (table === this.#file.symbols || this.#sectionIndex[table.section] === -1) continue;
      const out = this.#file.sections.data(table.section).slice();
      const view = viewOf(out);
      for (let i = 0; i < table.count; i++) {
        const home = table.sectionOf(i);
        if (home === null) continue;
        const section = this.#newSection(home, `symbol ${i} of section ${table.section}`);
        if (table.rawShndx(i) === SHN_XINDEX || section >= SHN_LORESERVE) {
          throw new ElfError(
            "edit",
            this.#file.sections.headerOffset(table.section),
            `section ${table.section}, a second symbol table, has extended section indices, and sections must be renumbered`,
          );
        }
        view.setUint16(i * SYM.size + SYM.shndx, section, this.#littleEndian);
      }
      this.#content.set(table.section, out);
    }
  }

  // Relocations

  #writeRelocations(): void {
    const { sections } = this.#file;
    const symbolSection = this.#file.symbols?.section;
    for (const table of this.#file.relocations) {
      if (this.#edits.removedSections.has(table.section)) continue;
      const changes = this.#edits.relocationEdits.get(table.section);
      const renumber = this.#symbolsMoved && sections.link(table.section) === symbolSection;
      if (changes === undefined && !renumber) continue;
      const original = sections.data(table.section);
      const kept = table.count - (changes?.removed.size ?? 0);
      const out = new Uint8Array((kept + (changes?.added.length ?? 0)) * table.rowSize);
      const view = viewOf(out);
      let at = 0;
      for (let row = 0; row < table.count; row++) {
        if (changes?.removed.has(row)) continue;
        out.set(original.subarray(row * table.rowSize, (row + 1) * table.rowSize), at);
        const moved = changes?.moved.get(row);
        if (moved !== undefined) view.setBigUint64(at + RELA.offset, BigInt(moved), this.#littleEndian);
        const addend = changes?.addends.get(row);
        if (addend !== undefined) view.setBigInt64(at + RELA.addend, addend, this.#littleEndian);
        if (renumber && table.symbol(row) !== 0) {
          const symbol = this.#newSymbol(table.symbol(row), `relocation ${row} of section ${table.section}`);
          view.setUint32(at + RELA.info + (this.#littleEndian ? 4 : 0), symbol, this.#littleEndian);
        }
        at += table.rowSize;
      }
      this.#addRelocations(table.section, view, at);
      this.#content.set(table.section, out);
    }
    for (const section of this.#edits.relocationEdits.keys()) {
      if (section < sections.count) continue;
      const changes = this.#edits.relocationEdits.get(section);
      const out = new Uint8Array((changes?.added.length ?? 0) * RELA.size);
      this.#addRelocations(section, viewOf(out), 0);
      this.#content.set(section, out);
    }
  }

  #addRelocations(section: SectionHandle, view: DataView, start: number): void {
    let at = start;
    for (const r of this.#edits.relocationEdits.get(section)?.added ?? []) {
      const symbol = r.symbol === 0 ? 0 : this.#newSymbol(r.symbol, `a new relocation of section ${section}`);
      view.setBigUint64(at + RELA.offset, BigInt(r.offset), this.#littleEndian);
      view.setBigUint64(at + RELA.info, (BigInt(symbol) << 32n) | BigInt(r.type), this.#littleEndian);
      view.setBigInt64(at + RELA.addend, r.addend, this.#littleEndian);
      at += RELA.size;
    }
  }

  // Other users of section and symbol indices

  #writeGroups(): void {
    const joined = new Map<SectionHandle, SectionHandle[]>();
    const groupOf = new Map<SectionHandle, SectionHandle>();
    for (const group of this.#file.groups) {
      for (const member of group.members) if (!groupOf.has(member)) groupOf.set(member, group.section);
    }
    for (const [k, added] of this.#edits.addedSections.entries()) {
      if ((added.flags & BigInt(SHF_GROUP)) === 0n) continue;
      const group = groupOf.get(added.info);
      if (group === undefined)
        throw new Error(`added section ${added.name} is SHF_GROUP, but its target is in no group`);
      const members = joined.get(group);
      if (members === undefined) joined.set(group, [this.#file.sections.count + k]);
      else members.push(this.#file.sections.count + k);
    }
    for (const group of this.#file.groups) {
      if (this.#sectionIndex[group.section] === -1) continue;
      const members = [...group.members, ...(joined.get(group.section) ?? [])]
        .map((m) => this.#sectionIndex[m] ?? -1)
        .filter((m) => m >= 0);
      const out = new Uint8Array(4 + members.length * 4);
      const view = viewOf(out);
      view.setUint32(0, group.flags, this.#littleEndian);
      for (const [k, m] of members.entries()) view.setUint32(4 + k * 4, m, this.#littleEndian);
      if (!Buffer.from(out).equals(this.#file.sections.data(group.section))) this.#content.set(group.section, out);
    }
  }

  /** Sections that list symbol indices in their own formats. */
  #writeSymbolLists(): void {
    const table = this.#file.symbols;
    if (!this.#symbolsMoved || table === null) return;
    const { sections } = this.#file;
    for (let i = 1; i < sections.count; i++) {
      if (this.#edits.removedSections.has(i) || sections.link(i) !== table.section) continue;
      const type = sections.type(i);
      if (type === SHT_LLVM_ADDRSIG) this.#content.set(i, this.#renumberAddrsig(i, sections.data(i)));
      else if (type === SHT_LLVM_CALL_GRAPH_PROFILE_V0) {
        this.#content.set(i, this.#renumberCallGraph(i, sections.data(i)));
      } else if (refersToSymbolsUnknown(type)) {
        throw new ElfError(
          "edit",
          sections.headerOffset(i),
          `section ${i} of type 0x${type.toString(16)} may list symbols in a way that klplink does not know, and symbols must be renumbered`,
        );
      }
    }
  }

  #renumberAddrsig(section: number, data: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (let at = 0; at < data.length; ) {
      const { value, next } = decodeUleb128(data, at);
      if (value >= this.#symbolIndex.length || next > data.length) {
        throw new ElfError(
          "malformed",
          this.#file.sections.offset(section) + at,
          `section ${section} lists symbol ${value}, which does not exist`,
        );
      }
      const symbol = value === 0 ? 0 : (this.#symbolIndex[value] ?? -1);
      if (symbol >= 0) out.push(...encodeUleb128(symbol));
      at = next;
    }
    return Uint8Array.from(out);
  }

  /** Entries whose symbols are both still there. */
  #renumberCallGraph(section: number, data: Uint8Array): Uint8Array {
    const out = data.slice();
    const view = viewOf(out);
    let end = 0;
    for (let at = 0; at + CALL_GRAPH_ENTRY <= data.length; at += CALL_GRAPH_ENTRY) {
      const symbols = [at, at + 4].map((field) => {
        const symbol = viewOf(data).getUint32(field, this.#littleEndian);
        if (symbol < this.#symbolIndex.length) return this.#symbolIndex[symbol] ?? -1;
        throw new ElfError(
          "malformed",
          this.#file.sections.offset(section) + field,
          `section ${section} lists symbol ${symbol}, which does not exist`,
        );
      });
      if (symbols.includes(-1)) continue;
      out.copyWithin(end, at, at + CALL_GRAPH_ENTRY);
      for (const [k, symbol] of symbols.entries()) view.setUint32(end + k * 4, symbol, this.#littleEndian);
      end += CALL_GRAPH_ENTRY;
    }
    return out.subarray(0, end);
  }

  // Layout

  #added(handle: SectionHandle): SectionFields | null {
    if (this.#madeExtended?.handle === handle) return this.#madeExtended.fields;
    return this.#edits.addedSections[handle - this.#file.sections.count] ?? null;
  }

  /** New section index -> sh_name. */
  #sectionNames(): Uint32Array {
    const { sections, header } = this.#file;
    const names = new Uint32Array(this.#sectionOrder.length);
    for (const [index, handle] of this.#sectionOrder.entries()) {
      const added = this.#added(handle);
      if (added === null) names[index] = sections.nameOffset(handle);
      else if (header.sectionNameIndex === SHN_UNDEF) {
        throw new ElfError("edit", EHDR.shstrndx, "the file has no section name table, so no section can be added");
      } else names[index] = this.#string(header.sectionNameIndex, added.name);
    }
    return names;
  }

  #finalData(handle: SectionHandle): Uint8Array {
    return this.#content.get(handle) ?? this.#added(handle)?.data ?? this.#file.sections.data(handle);
  }

  #layOut(names: Uint32Array): Uint8Array {
    const { sections, header, bytes } = this.#file;
    const count = this.#sectionOrder.length;
    const tableHandle = -1;
    const tableSize = count * SHDR.size;

    // Everything with a place in the file, in the original's order; new sections before a trailing header table.
    const original: { handle: number; offset: number; end: number }[] = [
      {
        handle: tableHandle,
        offset: header.sectionHeaderOffset,
        end: header.sectionHeaderOffset + header.sectionCount * SHDR.size,
      },
    ];
    for (let i = 1; i < sections.count; i++) {
      const type = sections.type(i);
      if (type === SHT_NULL) continue;
      const offset = sections.offset(i);
      original.push({ handle: i, offset, end: offset + (type === SHT_NOBITS ? 0 : sections.size(i)) });
    }
    // Empty parts before the part that begins at the same place.
    original.sort((a, b) => a.offset - b.offset || a.end - b.end || a.handle - b.handle);
    const kept = original.map((p) => ({ ...p, isNew: false }));
    const added = this.#sectionOrder
      .filter((h) => h >= sections.count)
      .map((handle) => ({ handle, offset: 0, end: 0, isNew: true }));
    const behind = kept.at(-1)?.handle === tableHandle ? kept.length - 1 : kept.length;
    const order = [...kept.slice(0, behind), ...added, ...kept.slice(behind)];

    const offsets = new Map<number, number>();
    let end: number = EHDR.size;
    let shifted = false;
    for (const part of order) {
      if (part.handle !== tableHandle && this.#sectionIndex[part.handle] === -1) {
        shifted = true;
        continue;
      }
      const isNobits = part.handle >= 0 && !part.isNew && sections.type(part.handle) === SHT_NOBITS;
      const size = part.handle === tableHandle ? tableSize : isNobits ? 0 : this.#finalData(part.handle).length;
      const sameSize = !part.isNew && size === part.end - part.offset;
      const alignment =
        part.handle === tableHandle
          ? 8
          : part.isNew
            ? (this.#added(part.handle)?.addralign ?? 1)
            : fileAlignment(sections.addralign(part.handle), part.offset);
      const keeps = !shifted && !part.isNew && (size === 0 || part.offset >= end);
      const offset = keeps && (sameSize || part.end > part.offset) ? part.offset : alignUp(end, alignment);
      offsets.set(part.handle, offset);
      if (!sameSize) shifted = true;
      // An empty part must lie in the file, too; only SHT_NOBITS may name a place behind its end.
      if (!isNobits && offset + size > end) end = offset + size;
    }

    // SHT_NOBITS may name any place, also behind the file's end.
    const withBytes = original.filter((p) => p.handle === tableHandle || sections.type(p.handle) !== SHT_NOBITS);
    const originalEnd = Math.max(EHDR.size, maxEnd(withBytes));
    const trailingEnd = this.#file.signature === null ? bytes.length : this.#file.signature.start;
    const trailing = trailingEnd > originalEnd ? bytes.subarray(originalEnd, trailingEnd) : new Uint8Array(0);

    const out = new Uint8Array(end + trailing.length);
    // Gaps between parts that did not move keep their bytes.
    if (!shifted) out.set(bytes.subarray(0, Math.min(bytes.length, out.length)));
    else this.#copyGaps(out, order, offsets);
    out.set(bytes.subarray(0, EHDR.size));
    for (const handle of this.#sectionOrder) {
      if (handle === 0) continue;
      const offset = offsets.get(handle);
      const data = this.#finalData(handle);
      if (offset !== undefined && data.length > 0) out.set(data, offset);
    }
    out.set(trailing, end);
    this.#writeHeaders(out, names, offsets, offsets.get(tableHandle) ?? 0);
    return out;
  }

  /** Copies the bytes between parts up to the first part that moved. */
  #copyGaps(
    out: Uint8Array,
    order: readonly { handle: number; offset: number; isNew: boolean }[],
    offsets: ReadonlyMap<number, number>,
  ): void {
    let same: number = EHDR.size;
    for (const part of order) {
      if (part.isNew || offsets.get(part.handle) !== part.offset) break;
      same = Math.max(same, part.offset);
    }
    out.set(this.#file.bytes.subarray(0, Math.min(same, out.length)));
  }

  #writeHeaders(out: Uint8Array, names: Uint32Array, offsets: ReadonlyMap<number, number>, tableOffset: number): void {
    const { sections, header, bytes } = this.#file;
    const view = viewOf(out);
    const count = this.#sectionOrder.length;
    const le = this.#littleEndian;
    const nameIndex =
      header.sectionNameIndex === SHN_UNDEF ? 0 : this.#newSection(header.sectionNameIndex, "e_shstrndx");
    view.setBigUint64(EHDR.shoff, BigInt(tableOffset), le);
    view.setUint16(EHDR.shnum, count < SHN_LORESERVE ? count : 0, le);
    view.setUint16(EHDR.shstrndx, nameIndex < SHN_LORESERVE ? nameIndex : SHN_XINDEX, le);
    for (const [index, handle] of this.#sectionOrder.entries()) {
      const at = tableOffset + index * SHDR.size;
      const added = this.#added(handle);
      if (added === null) {
        const from = sections.headerOffset(handle);
        out.set(bytes.subarray(from, from + SHDR.size), at);
      } else {
        view.setUint32(at + SHDR.type, added.type, le);
        view.setBigUint64(at + SHDR.flags, added.flags, le);
        view.setBigUint64(at + SHDR.addralign, BigInt(added.addralign), le);
        view.setBigUint64(at + SHDR.entsize, BigInt(added.entsize), le);
      }
      if (handle === 0) {
        view.setBigUint64(at + SHDR.sizeField, count < SHN_LORESERVE ? 0n : BigInt(count), le);
        view.setUint32(at + SHDR.link, nameIndex < SHN_LORESERVE ? 0 : nameIndex, le);
        continue;
      }
      view.setUint32(at + SHDR.name, names[index] ?? 0, le);
      const type = added === null ? sections.type(handle) : added.type;
      if (type === SHT_NULL) continue;
      const offset = offsets.get(handle) ?? 0;
      // That of SHT_NOBITS may be too large to be exact as a number.
      if (added !== null || offset !== sections.offset(handle)) view.setBigUint64(at + SHDR.offset, BigInt(offset), le);
      if (type !== SHT_NOBITS) view.setBigUint64(at + SHDR.sizeField, BigInt(this.#finalData(handle).length), le);
      const link = added === null ? sections.link(handle) : added.link;
      if (link !== SHN_UNDEF) {
        view.setUint32(at + SHDR.link, this.#newSection(link, `sh_link of section ${handle}`), le);
      }
      view.setUint32(at + SHDR.info, this.#newInfo(handle, type, added), le);
    }
  }

  /** sh_info: a section index, a symbol index, a count of locals, or a plain number, by type. */
  #newInfo(handle: SectionHandle, type: number, added: SectionFields | null): number {
    const { sections } = this.#file;
    const info = added === null ? sections.info(handle) : added.info;
    const table = this.#file.symbols;
    if (type === SHT_SYMTAB || type === SHT_DYNSYM) return handle === table?.section ? this.#localCount : info;
    if (type === SHT_GROUP) {
      return table !== null && sections.link(handle) === table.section
        ? this.#newSymbol(info, `the signature of group ${handle}`)
        : info;
    }
    const isSection =
      type === SHT_REL ||
      type === SHT_RELA ||
      (added === null ? sections.hasFlags(handle, SHF_INFO_LINK) : (added.flags & BigInt(SHF_INFO_LINK)) !== 0n);
    // A number that names none of the file's own sections is kept as it is; it must not come to name an added one.
    const known = added === null ? sections.count : this.#sectionIndex.length;
    if (!isSection || info === SHN_UNDEF || info >= known) return info;
    return this.#newSection(info, `sh_info of section ${handle}`);
  }
}

/** Alignments up to this are always honoured in the file. */
const SMALL_ALIGNMENT = 64;

/**
 * Alignment in the file of a section that has to move. A large one is kept as far as the input kept it: the
 * loader does not need it there, and the output of a malformed file must not be padded to a gigabyte.
 */
function fileAlignment(addralign: number, offset: number): number {
  let alignment = Math.min(addralign, SMALL_ALIGNMENT);
  while (alignment < addralign && offset % (alignment * 2) === 0) alignment *= 2;
  return alignment;
}

function maxEnd(parts: readonly { end: number }[]): number {
  let end = 0;
  for (const part of parts) if (part.end > end) end = part.end;
  return end;
}
