import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import type { RelocationTable } from "../../src/elf/views/relas.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";

/** What an edit works on: the finished module, and short ways to its parts. */
export class Part {
  readonly edits: ElfEdits;
  readonly file: ElfFile;
  constructor(bytes: Uint8Array) {
    this.file = readElf(bytes);
    this.edits = new ElfEdits(this.file);
  }
  section(name: string): number {
    const found = this.file.sections.findByName(name);
    if (found === null) throw new Error(`no section ${name}`);
    return found;
  }
  symbol(name: string): number {
    const { symbols } = this.file;
    for (let i = 1; i < (symbols?.count ?? 0); i++) if (symbols?.name(i) === name) return i;
    throw new Error(`no symbol ${name}`);
  }
  table(name: string): RelocationTable {
    const found = this.file.relocations.find((t) => this.file.sections.name(t.section) === name);
    if (found === undefined) throw new Error(`no relocations ${name}`);
    return found;
  }
  /** Row of the relocation at an offset. */
  row(table: RelocationTable, offset: number): number {
    for (let row = 0; row < table.count; row++) if (table.offset(row) === offset) return row;
    throw new Error(`no relocation at ${offset}`);
  }
  /** Offset in .data.patch of a table. */
  at(name: string): number {
    return this.file.symbols?.offset(this.symbol(name)) ?? 0;
  }
}

/** Gives a section of `file` a name that is not longer, in the copy `out` of its bytes. */
export function renameSection(file: ElfFile, out: Uint8Array, from: string, to: string): void {
  const names = file.header.sectionNameIndex;
  const at = Buffer.from(file.sections.data(names)).indexOf(`\0${from}\0`) + 1;
  if (at <= 0 || to.length > from.length) throw new Error(`cannot rename ${from}`);
  out.set(Buffer.from(to.padEnd(from.length, "\0"), "latin1"), file.sections.offset(names) + at);
}
