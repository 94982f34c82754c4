import { printable, viewOf } from "../../base/bytes.ts";
import type { ContextLine } from "../../diag/define.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { type RelocTable, relocName } from "../../reloc/def.ts";
import { describeWord } from "../../stubs/insn.ts";
import type { Call } from "./calls.ts";

const BEFORE = 1;
const AFTER = 1;

/** The instruction words around a call, with their relocations; `note` stands beside the word behind it. */
export function codeContext(
  where: { readonly file: ElfFile; readonly symbols: SymbolTable; readonly arch: { readonly relocs: RelocTable } },
  call: Call,
  note: string | null,
): ContextLine[] {
  const { file, symbols, arch } = where;
  const data = file.sections.data(call.section);
  const view = viewOf(data);
  const start = Math.max(0, call.offset - BEFORE * 4);
  const end = Math.min(data.length, call.offset + 4 + AFTER * 4);
  const rows = rowsByWord(file, call.section);
  const lines: ContextLine[] = [];
  for (let at = start; at + 4 <= end; at += 4) {
    const word = view.getUint32(at, file.littleEndian);
    const row = rows.get(at);
    lines.push({
      offset: at,
      word,
      text: describeWord(word),
      relocation: row === undefined ? null : relocName(arch.relocs, row.table.type(row.row)),
      symbol: row === undefined ? null : printable(symbols.name(row.table.symbol(row.row))),
      marked: at === call.offset,
      note: at === call.offset + 4 ? note : null,
    });
  }
  return lines;
}

interface Row {
  readonly table: RelocationTable;
  readonly row: number;
}

const indexes = new WeakMap<ElfFile, Map<number, Map<number, Row>>>();

/** Offset of each relocated word of a section -> its (last) relocation; made once a section. */
function rowsByWord(file: ElfFile, section: number): ReadonlyMap<number, Row> {
  let sections = indexes.get(file);
  if (sections === undefined) {
    sections = new Map();
    indexes.set(file, sections);
  }
  let rows = sections.get(section);
  if (rows !== undefined) return rows;
  rows = new Map();
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) rows.set(table.offset(row) - (table.offset(row) % 4), { table, row });
  }
  sections.set(section, rows);
  return rows;
}
