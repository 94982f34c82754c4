// An object in klplink's own form (test/fixtures/klplink), written in the forms of kpatch and of objtool: the same functions, the same tables,
// the same references. For comparing what becomes of the three.

import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits, type SymbolHandle } from "../../../src/elf/writer/edits.ts";
import type { RelocationFields } from "../../../src/elf/writer/relocationEdits.ts";
import { writeElf } from "../../../src/elf/writer.ts";

/** Of the architecture, by e_machine: R_X86_64_64, R_PPC64_ADDR64, R_AARCH64_ABS64. */
const ABSOLUTE: Readonly<Record<number, number>> = { 62: 1, 21: 38, 183: 257 };
const NAME = /^\.klp\.sym\.rela\.([^.]+)\.([^.]+)\.(.+),(\d+)$/;
/** What belongs to klplink's form alone, or would be dropped with it. */
const DROPPED = [".klplink.diff", ".BTF", ".BTF.base"];
const WEAK = 0x20;
const UNDEFINED = { kind: "reserved", index: 0 } as const;

interface Reference extends RelocationFields {
  /** The section with the place. */
  readonly target: number;
  readonly gate: string;
  readonly owner: string;
  readonly name: string;
  readonly position: number;
}

class Rewrite {
  readonly edits: ElfEdits;
  readonly references: Reference[] = [];
  readonly absolute: number;
  /** Name of a symbol of klplink's form -> the symbol. */
  readonly symbols = new Map<string, SymbolHandle>();
  readonly #sections = new Map<number, SymbolHandle>();

  constructor(bytes: Uint8Array) {
    this.edits = new ElfEdits(readElf(bytes));
    const { file } = this.edits;
    this.absolute = ABSOLUTE[file.header.machine] ?? 0;
    const { symbols, sections } = file;
    if (symbols === null) throw new Error("no symbols");
    for (let i = 1; i < symbols.count; i++) {
      const home = symbols.sectionOf(i);
      if (NAME.test(symbols.name(i))) this.symbols.set(symbols.name(i), i);
      if (symbols.type(i) === 3 && home !== null) this.#sections.set(home, i);
      if (home !== null && DROPPED.includes(sections.name(home))) this.edits.removeSymbol(i);
    }
    for (const name of DROPPED) this.edits.removeSection(sections.findByName(name) ?? 0);
    for (const table of file.relocations) {
      for (let row = 0; row < table.count; row++) {
        const match = NAME.exec(symbols.name(table.symbol(row)));
        const old = this.edits.relocation(table, row);
        if (match === null || old === null) continue;
        const [, gate = "", owner = "", name = "", position = ""] = match;
        this.references.push({ ...old, target: table.target, gate, owner, name, position: Number(position) });
        this.edits.removeRelocation(table, row);
      }
    }
  }

  /** Relocation sections that all references left. */
  removeEmptied(): void {
    for (const table of this.edits.file.relocations) {
      const rows = Array.from({ length: table.count }, (_, row) => this.edits.relocation(table, row));
      if (rows.every((row) => row === null)) this.edits.removeSection(table.section);
    }
  }

  /** The symbol of a section, made if there is none. */
  sectionSymbol(section: number): SymbolHandle {
    const known = this.#sections.get(section);
    if (known !== undefined) return known;
    const home = { kind: "section", section } as const;
    const made = this.edits.addSymbol({ name: "", info: 3, other: 0, home, value: 0n, size: 0 });
    this.#sections.set(section, made);
    return made;
  }

  /** A section with pointers: each {offset, symbol, addend} of them. */
  section(name: string, data: Uint8Array, pointers: readonly Omit<RelocationFields, "type">[]): number {
    const fields = { type: 1, flags: 2n, link: 0, info: 0, addralign: name.endsWith("strings") ? 1 : 8, entsize: 0 };
    const section = this.edits.addSection({ ...fields, name, data });
    if (pointers.length === 0) return section;
    const table = this.edits.addSection({
      ...{ name: `.rela${name}`, type: 4, flags: 0x40n, link: this.edits.symbolTable().section, info: section },
      ...{ addralign: 8, entsize: 24, data: new Uint8Array(0) },
    });
    for (const pointer of pointers) this.edits.addRelocation(table, { ...pointer, type: this.absolute });
    return section;
  }
}

/** struct kpatch_symbol and kpatch_relocation of kpatch-build/kpatch-intermediate.h, 40 bytes each. */
export function asKpatch(bytes: Uint8Array): Uint8Array {
  const rewrite = new Rewrite(bytes);
  const { references } = rewrite;
  rewrite.removeEmptied();
  for (const symbol of rewrite.symbols.values()) rewrite.edits.removeSymbol(symbol);
  const names = [...new Set(references.flatMap((r) => [r.gate, r.owner, r.name]))];
  const text = Buffer.from(names.map((n) => `${n}\0`).join(""));
  const strings = rewrite.sectionSymbol(rewrite.section(".kpatch.strings", text, []));
  const string = (name: string, offset: number) => ({
    offset,
    symbol: strings,
    addend: BigInt(text.indexOf(`${name}\0`)),
  });
  // A name that ends another is not to be found there.
  for (const name of names) if (names.some((n) => n !== name && n.endsWith(name))) throw new Error(`choose: ${name}`);
  // One symbol for each relocation: create-klp-module asks for as many.
  const symbols = Buffer.alloc(40 * references.length);
  for (const [k, { position }] of references.entries()) {
    symbols.writeBigUInt64LE(BigInt(position), 40 * k + 8);
    symbols[40 * k + 16] = 2; // Weak, as in the other forms.
  }
  const table = rewrite.section(
    ".kpatch.symbols",
    symbols,
    references.flatMap((r, k) => [string(r.name, 40 * k + 24), string(r.owner, 40 * k + 32)]),
  );
  const relocations = Buffer.alloc(40 * references.length);
  for (const [k, { type, addend }] of references.entries()) {
    relocations.writeUInt32LE(type, 40 * k + 8);
    relocations.writeBigInt64LE(addend, 40 * k + 16);
  }
  const ksym = rewrite.sectionSymbol(table);
  rewrite.section(
    ".kpatch.relocations",
    relocations,
    references.flatMap((r, k) => [
      { offset: 40 * k, symbol: rewrite.sectionSymbol(r.target), addend: BigInt(r.offset) },
      string(r.gate, 40 * k + 24),
      { offset: 40 * k + 32, symbol: ksym, addend: BigInt(40 * k) },
    ]),
  );
  return writeElf(rewrite.edits);
}

/** struct klp_reloc of tools/objtool/include/objtool/klp.h (7.2), 24 bytes; the places keep relocations against tombstones. */
export function asObjtool(bytes: Uint8Array): Uint8Array {
  const rewrite = new Rewrite(bytes);
  const { edits, references } = rewrite;
  const tombstones = new Map<string, SymbolHandle>();
  for (const [text, symbol] of rewrite.symbols) {
    const [, , owner, name, position] = NAME.exec(text) ?? [];
    edits.setSymbol(symbol, { name: `.klp.sym.${owner}.${name},${position}` });
    const stone = { name: `.klp.tombstone.${name}`, info: WEAK, other: 0, home: UNDEFINED, value: 0n, size: 0 };
    tombstones.set(text, edits.addSymbol(stone));
  }
  const nameOf = (r: Reference): string => `.klp.sym.rela.${r.gate}.${r.owner}.${r.name},${r.position}`;
  const tables = new Map(edits.file.relocations.map((t) => [t.target, t.section]));
  for (const r of references) {
    const { offset, type, addend } = r;
    edits.addRelocation(tables.get(r.target) ?? 0, { offset, type, addend, symbol: tombstones.get(nameOf(r)) ?? 0 });
  }
  for (const gate of new Set(references.map((r) => r.gate))) {
    const own = references.filter((r) => r.gate === gate);
    const data = Buffer.alloc(24 * own.length);
    for (const [k, { type }] of own.entries()) data.writeUInt32LE(type, 24 * k + 16);
    rewrite.section(
      `__klp_relocs.${gate}`,
      data,
      own.flatMap((r, k) => [
        { offset: 24 * k, symbol: rewrite.sectionSymbol(r.target), addend: BigInt(r.offset) },
        { offset: 24 * k + 8, symbol: rewrite.symbols.get(nameOf(r)) ?? 0, addend: r.addend },
      ]),
    );
  }
  return writeElf(edits);
}
