import { printable, viewOf } from "../base/bytes.ts";
import type { ContextLine } from "../diag/define.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import { type RelocTable, relocName } from "../reloc/def.ts";
import { describe } from "../stubs/insn.ts";
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
  const relocations = new Map<number, { name: string; symbol: string }>();
  for (const table of file.relocations) {
    if (table.target !== call.section) continue;
    for (let row = 0; row < table.count; row++) {
      const at = table.offset(row);
      if (at < start || at >= end) continue;
      relocations.set(at - (at % 4), {
        name: relocName(arch.relocs, table.type(row)),
        symbol: printable(symbols.name(table.symbol(row))),
      });
    }
  }
  const lines: ContextLine[] = [];
  for (let at = start; at + 4 <= end; at += 4) {
    const word = view.getUint32(at, file.littleEndian);
    const relocation = relocations.get(at);
    lines.push({
      offset: at,
      word,
      text: describe(word),
      relocation: relocation?.name ?? null,
      symbol: relocation?.symbol ?? null,
      marked: at === call.offset,
      note: at === call.offset + 4 ? note : null,
    });
  }
  return lines;
}
