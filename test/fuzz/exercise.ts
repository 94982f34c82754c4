// What is done with every file that the reader takes, and a file that no tool makes.

import { ElfError } from "../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { type BuiltSymbol, buildElf } from "../elf/build.ts";

// A section whose relocations all move, so that it vanishes; in a group; with a section symbol of its own, too.
export const vanishing = (more: readonly BuiltSymbol[]): Uint8Array<ArrayBuffer> =>
  buildElf({
    sections: [
      {
        name: ".group",
        type: 17,
        link: ".symtab",
        info: 2,
        align: 4,
        entsize: 4,
        members: [".rodata", ".rela.rodata"],
      },
      { name: ".rodata", type: 1, flags: 0x202, align: 8, data: new Uint8Array(16) },
      {
        name: ".rela.rodata",
        type: 4,
        flags: 0x240,
        link: ".symtab",
        info: ".rodata",
        align: 8,
        entsize: 24,
        relocations: [{ offset: 8, symbol: 2, type: 1 }],
      },
      { name: ".llvm_addrsig", type: 0x6fff_4c03, link: ".symtab", data: Uint8Array.of(2, 1) },
    ],
    symbols: [{ name: "", type: 3, home: ".rodata" }, { name: "show_val_kb", bind: 1 }, ...more],
  });
/** Bytes that may become of an input: generous, but in proportion. */
export const bound = (input: Uint8Array): number => 8 * input.length + 65_536;

/** Reads each field of each view, as `show` does. */
export function useEveryView(file: ElfFile): void {
  const { sections } = file;
  let sum = 0;
  for (let i = 0; i < sections.count; i++) {
    sum += sections.name(i).length + sections.data(i).length + Number(sections.flags(i)) + Number(sections.addr(i));
  }
  for (const table of file.symbolTables.values()) {
    for (let i = 0; i < table.count; i++) {
      const home = table.sectionOf(i);
      if (home !== null && home >= sections.count) throw new Error(`symbol ${i} is in section ${home}`);
      sum += table.name(i).length + Number(table.value(i)) + table.size(i) + table.offset(i) + table.other(i);
    }
  }
  for (const table of file.relocations) {
    if (table.target >= sections.count) throw new Error(`relocations for section ${table.target}`);
    const symbols = file.symbolTables.get(sections.link(table.section));
    for (let r = 0; r < table.count; r++) {
      if (table.symbol(r) >= (symbols?.count ?? 1)) throw new Error(`relocation ${r} is against ${table.symbol(r)}`);
      sum += table.offset(r) + table.type(r) + Number(table.addend(r));
    }
  }
  for (const group of file.groups) {
    for (const m of group.members) if (m >= sections.count) throw new Error(`member ${m}`);
  }
  if (Number.isNaN(sum)) throw new Error("a field is not a number");
}

/** Edits that are possible in any file with a symbol table: they move every symbol and every section behind. */
export function editSafely(file: ElfFile): void {
  if (file.symbols === null) return;
  const edits = new ElfEdits(file);
  try {
    const section = edits.addSection({
      name: ".new",
      type: 1,
      flags: 2n,
      link: 0,
      info: 0,
      addralign: 16,
      entsize: 0,
      data: new Uint8Array(40),
    });
    const home = { kind: "section", section } as const;
    edits.addSymbol({ name: "new_local", info: 1, other: 0, home, value: 0n, size: 8 });
    edits.addSymbol({ name: "new_global", info: 0x11, other: 0, home, value: 8n, size: 8 });
    const output = writeElf(edits);
    if (output.length > bound(file.bytes)) throw new Error(`${file.bytes.length} bytes became ${output.length}`);
    const again = readElf(output);
    if (again.sections.count < file.sections.count + 1) throw new Error("the new section is missing");
  } catch (error) {
    if (!(error instanceof ElfError) || (error.kind !== "edit" && error.kind !== "malformed")) throw error;
  }
}
